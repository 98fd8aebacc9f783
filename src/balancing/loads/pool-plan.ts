/**
 * How large the pool of probe results is, how often one of them is used and how many go at each call, so that they neither
 * run out nor get old.
 *
 * Source: Prequal, NSDI 2024, section 4.2, equation 1: `uses = max(1, (1 + δ) / ((1 − m/n) × probes − removals))`. It has no
 * answer where the pool holds (nearly) everybody, as in every small fleet: there a pool of half of the fleet, removals of
 * half of what comes in, and a limit give one. With the paper's numbers (16 of 100, 3 probes) it is the paper's.
 */

/** @internal */
export interface PoolPlan {
  /** Results kept. */
  readonly size: number
  /** Calls one result is good for, on average. */
  readonly uses: number
  readonly removalsPerCall: number
}

/** The paper's δ: results come in by so much faster than they are used up. */
const SURPLUS = 1
const MOST_USES = 16

/** @internal */
export function planPool(members: number, poolSize: number, probesPerCall: number): PoolPlan {
  const size = Math.min(poolSize, Math.max(2, Math.floor(members / 2)))
  // Of the probes, those of members that are not in the pool already.
  const fresh = Math.max(0, 1 - size / members) * probesPerCall
  const removalsPerCall = Math.min(1, fresh / 2)
  const uses = (1 + SURPLUS) / (fresh - removalsPerCall)
  return { size, uses: Math.max(1, Math.min(MOST_USES, uses)), removalsPerCall }
}

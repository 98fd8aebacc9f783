/**
 * How calls are divided among priorities: the first takes all it can carry, the next what is left. A level is believed to
 * carry 1.4 times its healthy share, so nothing spills while 72 % of it are well. Source: Envoy, "Priority levels" and
 * "Panic threshold" of its load balancing documentation, load_balancer_impl.cc. Envoy rounds to whole per cent; here
 * shares are exact.
 */

/** Capacity that a level is assumed to hold in reserve. */
const OVERPROVISIONING = 1.4

export interface Level {
  /** Instances that may be picked. */
  readonly eligible: number
  /** Instances that are neither starting, stopping nor drained. */
  readonly inService: number
}

export interface LevelLoad {
  /** Of all calls, from 0 to 1; they add up to 1. */
  readonly share: number
  /** Whether all in service are picked from, because too few are eligible to be believed. */
  readonly panic: boolean
}

/** @param levels The most preferred first; none of them without anybody in service. */
export function splitByPriority(levels: readonly Level[], panicThreshold: number): readonly LevelLoad[] {
  const sick = levels.map(({ eligible, inService }) => eligible < panicThreshold * inService)
  // One level has nowhere to spill to, and so no reserve to count on either.
  if (levels.length < 2) return sick.map((panic) => ({ share: 1, panic }))
  const health = levels.map(({ eligible, inService }) => Math.min(1, (OVERPROVISIONING * eligible) / inService))
  const carried = Math.min(
    1,
    health.reduce((sum, each) => sum + each, 0),
  )
  // As long as the levels together carry everything, a bad one simply gets less.
  const panic = sick.map((each) => each && carried < 1)
  if (panic.every(Boolean)) {
    const total = levels.reduce((sum, { inService }) => sum + inService, 0)
    return levels.map(({ inService }) => ({ share: inService / total, panic: true }))
  }
  let left = 1
  return levels.map((_, i) => {
    const share = carried === 0 ? left : Math.min(left, (health[i] as number) / carried)
    left -= share
    return { share, panic: panic[i] as boolean }
  })
}

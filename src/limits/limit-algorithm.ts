import type { Random } from '../time/random.ts'

/**
 * How many calls at once can the service take? An algorithm is a frozen description; every limiter makes its own
 * estimator from it, so one can serve many. The estimator only reckons: refusing is the limiter's business.
 */
export interface LimitAlgorithm {
  readonly name: string
  create(start: LimitStart): LimitEstimator
}

/** What an estimator begins with. */
export interface LimitStart {
  readonly random: Random
}

/** What one limiter has learned. */
export interface LimitEstimator {
  /**
   * The new limit after a call has ended; the same when there is nothing to change. With fractions: the limiter rounds
   * down, keeps it between its bounds, and comes back with it at the next call.
   */
  next(sample: LimitSample, limit: number): number
}

/** One call that ended, and said something about the service. */
export interface LimitSample {
  /** On the clock's monotonic scale, in milliseconds. */
  readonly startedAt: number
  readonly endedAt: number
  /** `endedAt - startedAt`. */
  readonly latencyMs: number
  /** Calls in flight when it began, itself among them. */
  readonly inFlight: number
  /** It was lost to overload: timed out, or refused by the service. */
  readonly dropped: boolean
}

/**
 * Whether a call says that more would fit. One that saw less than half of the limit in flight does not: the callers wanted
 * no more, and a limit that grows for them would be no limit when they do. Source: all of Netflix's concurrency-limits.
 */
export function usesLimit(inFlight: number, limit: number): boolean {
  return inFlight * 2 >= limit
}

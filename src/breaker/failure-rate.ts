import { OptionReader } from '../core/options.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
import type { TripCounts, TripMemory, TripRule } from './trip-rule.ts'

export interface FailureRateOptions {
  /** Share of failures that opens the breaker, above 0 up to 1. @default 0.5 */
  readonly threshold?: number
  /** How far back it looks, in milliseconds from 100. @default 10_000 */
  readonly windowMs?: number
  /** Calls in the window below which it never opens; an integer from 1. @default 20 */
  readonly minimumCalls?: number
}

/**
 * Opens when the share of failures over a sliding time window reaches the threshold.
 *
 * When to use: for a whole service, where single failures are normal. Gotcha: below `minimumCalls` in a window it says
 * nothing, so a service called once a second needs a longer window. The window slides in ten slices and forgets by
 * time: after an idle spell it is empty. Defaults: Hystrix's (50 % of at least 20 calls within 10 s).
 */
export function failureRate(options?: FailureRateOptions): TripRule {
  const read = new OptionReader('failureRate', options)
  const threshold = read.number('threshold', { default: 0.5, min: 0, above: true, max: 1 })
  const windowMs = read.duration('windowMs', 10_000, 100)
  const minimumCalls = read.number('minimumCalls', { default: 20, min: 1, integer: true })
  read.end()
  return Object.freeze({
    name: `${threshold * 100} % failures over ${windowMs} ms`,
    create: () => new RateMemory(threshold, windowMs, minimumCalls),
  })
}

const SUCCESSES = 0
const FAILURES = 1

class RateMemory implements TripMemory {
  readonly timed = true
  readonly #threshold: number
  readonly #minimumCalls: number
  readonly #window: RollingCounts

  constructor(threshold: number, windowMs: number, minimumCalls: number) {
    this.#threshold = threshold
    this.#minimumCalls = minimumCalls
    this.#window = new RollingCounts(windowMs, 2)
  }

  record(failed: boolean, now: number): boolean {
    this.#window.add(failed ? FAILURES : SUCCESSES, now)
    // Only a failure can raise the rate: a success never opens anything.
    if (!failed) return false
    const { successes, failures } = this.counts(now)
    const calls = successes + failures
    return calls >= this.#minimumCalls && failures >= this.#threshold * calls
  }

  reset(): void {
    this.#window.clear()
  }

  counts(now: number): TripCounts {
    return { successes: this.#window.total(SUCCESSES, now), failures: this.#window.total(FAILURES, now) }
  }

  /** Counts without their times would be believed for too long: a restored breaker starts with an empty window. */
  save(): undefined {
    return undefined
  }

  restore(): void {
    this.#window.clear()
  }
}

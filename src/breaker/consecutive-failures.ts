import { OptionReader } from '../core/options.ts'
import type { TripCounts, TripMemory, TripRule } from './trip-rule.ts'

export interface ConsecutiveFailuresOptions {
  /** Failures in a row that open the breaker; an integer from 1. @default 5 */
  readonly failureThreshold?: number
}

/**
 * Opens after so many failures without a success between them.
 *
 * When to use: for one instance, or for a dependency that is either up or down. Gotcha: around a whole service a single
 * dead instance with a few calls in flight is enough; there, `failureRate` is the rule to take.
 */
export function consecutiveFailures(options?: ConsecutiveFailuresOptions): TripRule {
  const read = new OptionReader('consecutiveFailures', options)
  const failureThreshold = read.number('failureThreshold', { default: 5, min: 1, integer: true })
  read.end()
  return consecutive(failureThreshold)
}

/** @internal Without the options: what every breaker starts with. */
export function consecutive(threshold: number): TripRule {
  return Object.freeze({
    name: threshold === 1 ? 'the first failure' : `${threshold} consecutive failures`,
    create: () => new ConsecutiveMemory(threshold),
  })
}

class ConsecutiveMemory implements TripMemory {
  readonly #threshold: number
  #failures = 0

  constructor(threshold: number) {
    this.#threshold = threshold
  }

  get timed(): boolean {
    return false
  }

  get measured(): boolean {
    return false
  }

  record(failed: boolean): boolean {
    this.#failures = failed ? this.#failures + 1 : 0
    return this.#failures >= this.#threshold
  }

  reset(): void {
    this.#failures = 0
  }

  counts(): TripCounts {
    return { successes: 0, failures: this.#failures }
  }

  save(): TripCounts {
    return this.counts()
  }

  restore(saved: TripCounts): void {
    // A snapshot that already reached the threshold belonged to a breaker that was open.
    this.#failures = Math.min(saved.failures, this.#threshold - 1)
  }

  adopt(previous: TripMemory): void {
    if (previous instanceof ConsecutiveMemory) this.restore(previous.counts())
  }
}

import { OptionReader } from '../core/options.ts'
import type { FailureKind } from '../time/backoff.ts'
import type { Budget } from './budget.ts'

export interface RetryQuotaOptions {
  /** Tokens in a full bucket, an integer from 1 to 1_000_000. @default 500 */
  readonly capacity?: number
  /** Tokens to begin with, an integer from 0 to `capacity`. @default capacity */
  readonly initialTokens?: number
  /** Tokens for a retry after a transient failure, an integer from 1 to 1_000_000. @default 14 */
  readonly transientCost?: number
  /** Tokens for a retry after a request for patience, an integer from 1 to 1_000_000. @default 5 */
  readonly throttlingCost?: number
  /** Tokens that a call earns whose first try succeeds, an integer from 0 to 1_000_000. @default 1 */
  readonly successReward?: number
}

/** AWS's standard retries since November 2026 (smithy-typescript, @smithy/core 3.40); before, it was 10 and 5. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  capacity: 500,
  transientCost: 14,
  throttlingCost: 5,
  successReward: 1,
})

/**
 * AWS's retry quota: a retry costs tokens, by what it is to make good; one that succeeds gets them back, and a call that
 * needs none earns a token.
 *
 * When to use: a service that is mostly well. While retries succeed they cost nothing, however many there are; when they
 * fail, a full bucket is worth 35 of them, and then one for every fourteen calls that succeed.
 *
 * Gotchas: it has no clock and no floor: after an outage the first calls have to succeed by themselves. A full bucket
 * is a burst of retries per client, so that many small clients need a smaller one.
 *
 * @example
 * new RetryPolicy({ budget: RetryBudget.shared('s3', () => new RetryQuota()) })
 */
export class RetryQuota implements Budget {
  readonly #capacity: number
  readonly #costs: Readonly<Record<FailureKind, number>>
  readonly #reward: number
  #tokens: number
  #suppressed = 0

  constructor(options?: RetryQuotaOptions) {
    const read = new OptionReader('RetryQuota', options)
    const count = (name: keyof typeof DEFAULTS, min: number): number =>
      read.number(name, { default: DEFAULTS[name], min, max: 1_000_000, integer: true })
    this.#capacity = count('capacity', 1)
    this.#costs = { transient: count('transientCost', 1), throttling: count('throttlingCost', 1) }
    this.#reward = count('successReward', 0)
    const rule = { default: this.#capacity, min: 0, max: this.#capacity, integer: true }
    this.#tokens = read.number('initialTokens', rule)
    read.end()
  }

  /** What is left in the bucket, from 0 to `capacity`. */
  get tokens(): number {
    return this.#tokens
  }

  /** Retries after transient failures. */
  get available(): number {
    return this.#tokens / this.#costs.transient
  }

  get suppressed(): number {
    return this.#suppressed
  }

  /** Does nothing: what counts is how calls end. */
  deposit(): void {}

  tryWithdraw(kind: FailureKind = 'transient'): boolean {
    const cost = this.#costs[kind]
    if (this.#tokens < cost) {
      this.#suppressed += 1
      return false
    }
    this.#tokens -= cost
    return true
  }

  succeeded(retriedAfter?: FailureKind): void {
    const earned = retriedAfter === undefined ? this.#reward : this.#costs[retriedAfter]
    this.#tokens = Math.min(this.#capacity, this.#tokens + earned)
  }
}

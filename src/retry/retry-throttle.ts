import { OptionReader } from '../core/options.ts'
import type { Budget } from './budget.ts'

export interface RetryThrottleOptions {
  /** Failures until retries stop are half of this; above 0, up to 1000. @default 10 */
  readonly maxTokens?: number
  /** What a success gives back, in tokens, above 0 up to 1000; decimal places beyond the third are ignored. @default 0.1 */
  readonly tokenRatio?: number
}

/** The example of gRFC A6, which has no defaults of its own. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ maxTokens: 10, tokenRatio: 0.1 })

/**
 * gRPC's retry throttling: a failure takes a token, a success gives back a fraction of one, and there are retries only
 * while more than half of the tokens are left. Source: gRFC A6, "Throttling Retry Attempts and Hedged RPCs".
 *
 * When to use: retries should end within a few failures once most calls fail, whatever the traffic. One per server.
 *
 * Gotchas: it has no floor and no clock: a client that makes no more calls keeps a low bucket for ever. Failures of first
 * tries count too, so that ten clients with one call each can suppress each other's first retry.
 *
 * @example
 * const throttle = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.1 })
 * new RetryPolicy({ budget: throttle })
 */
export class RetryThrottle implements Budget {
  // Thousandths, in whole numbers: a tenth added ten times must be one.
  readonly #max: number
  readonly #ratio: number
  #milliTokens: number
  #suppressed = 0

  constructor(options?: RetryThrottleOptions) {
    const read = new OptionReader('RetryThrottle', options)
    const maxTokens = read.number('maxTokens', { default: DEFAULTS.maxTokens, min: 0, above: true, max: 1_000 })
    const tokenRatio = read.number('tokenRatio', { default: DEFAULTS.tokenRatio, min: 0, above: true, max: 1_000 })
    read.end()
    this.#max = maxTokens * 1_000
    // 0.546 × 1000 is a little more than 546, and 0.57 × 1000 a little less than 570.
    this.#ratio = Math.max(1, Math.floor(tokenRatio * 1_000 + 1e-6))
    this.#milliTokens = this.#max
  }

  /** What is left in the bucket, from 0 to `maxTokens`. */
  get tokens(): number {
    return this.#milliTokens / 1_000
  }

  /** Failures until retries stop. */
  get available(): number {
    return Math.max(0, this.#milliTokens - this.#max / 2) / 1_000
  }

  get suppressed(): number {
    return this.#suppressed
  }

  /** Does nothing: what counts is how calls end. */
  deposit(): void {}

  tryWithdraw(): boolean {
    if (this.#milliTokens > this.#max / 2) return true
    this.#suppressed += 1
    return false
  }

  succeeded(): void {
    this.#milliTokens = Math.min(this.#max, this.#milliTokens + this.#ratio)
  }

  failed(): void {
    this.#milliTokens = Math.max(0, this.#milliTokens - 1_000)
  }
}

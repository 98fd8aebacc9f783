import type { RetryProgress } from './progress.ts'

/** What the decision core is told about a try that failed, and what it answers. Synchronous, and usable without `execute`. */

/** What the remote said about coming back: after so many milliseconds, or `never`. */
export type RetryAdvice = number | 'never'

/** One try that failed. */
export interface FailedTry {
  /** Tries made so far, this one included: 1 after the first. */
  readonly attempt: number
  /** What the try threw, untouched. */
  readonly error: unknown
  /** When the whole call must be done, on the monotonic scale of the policy's clock; undefined without a limit. */
  readonly deadline?: number | undefined
  /** How long the remote asked to be left alone, in milliseconds. @default what the policy's `retryAfterOf` says */
  readonly retryAfterMs?: RetryAdvice | undefined
  /** The delay before this try, in milliseconds; undefined for the first one. @default that of `progress` */
  readonly previousDelayMs?: number | undefined
  /** What the call remembers from one failure to the next; the decision writes into it. */
  readonly progress?: RetryProgress | undefined
  /** The caller's own verdict, for one that knows better than the policy's `retryable` (an HTTP client knows the method). */
  readonly retryable?: boolean | undefined
  /** Whether the call was given up meanwhile. @default false */
  readonly aborted?: boolean | undefined
}

/**
 * Why there is no further try.
 *
 * - `aborted`: the caller left.
 * - `exhausted`: `maxAttempts` tries were made.
 * - `not-retryable`: trying again would not help, or the remote asked not to; also when `retryable` or the backoff failed.
 * - `circuit-open`: the breaker that the tries go through opened.
 * - `deadline`: the delay would not end before the deadline, or the time of the whole call is over.
 * - `budget`: the retries of all calls together had their share.
 */
export type StopReason = 'aborted' | 'exhausted' | 'not-retryable' | 'circuit-open' | 'deadline' | 'budget'

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly reason: StopReason }

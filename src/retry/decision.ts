/** What the decision core is told about a try that failed, and what it answers. Synchronous, and usable without `execute`. */

/** One try that failed. */
export interface FailedTry {
  /** Tries made so far, this one included: 1 after the first. */
  readonly attempt: number
  /** What the try threw, untouched. */
  readonly error: unknown
  /** When the whole call must be done, on the monotonic scale of the policy's clock; undefined without a limit. */
  readonly deadline?: number | undefined
  /** How long the remote asked to be left alone, in milliseconds. @default `error.retryAfterMs` of a gateless error */
  readonly retryAfterMs?: number | undefined
  /** The delay before this try, in milliseconds; undefined for the first one. */
  readonly previousDelayMs?: number | undefined
  /** The caller's own verdict, for one that knows better than the policy's `retryable` (an HTTP client knows the method). */
  readonly retryable?: boolean | undefined
  /** Whether the call was given up meanwhile. @default false */
  readonly aborted?: boolean | undefined
}

/**
 * Why there is no further try.
 *
 * - `aborted`: the call was given up.
 * - `exhausted`: `maxAttempts` tries were made.
 * - `not-retryable`: trying again would not help.
 * - `deadline`: the delay would not end before the deadline.
 * - `budget`: too large a share of the recent calls were retries already.
 */
export type StopReason = 'aborted' | 'exhausted' | 'not-retryable' | 'deadline' | 'budget'

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly reason: StopReason }

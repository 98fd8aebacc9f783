import type { RetryAdvice } from './decision.ts'
import type { RetrySettings } from './options.ts'

/** @internal How long to wait, from what the backoff computed and the remote asked for. */
export interface Wait {
  /** Whole milliseconds until the next try. */
  readonly delayMs: number
  /** What is held against the deadline: whoever will not be back in time is not worth an early try. */
  readonly askedMs: number
  /** Whether the remote named the delay in the backoff's place. */
  readonly exact: boolean
}

/** @internal */
export function waitFor(
  { retryAfterMode, maxRetryAfterMs, maxRetryAfterExtraMs }: RetrySettings,
  advice: RetryAdvice | undefined,
  backoffMs: number,
): Wait {
  // Also drops what no date arithmetic should have produced: NaN and the past.
  const asked = typeof advice === 'number' && advice >= 0 ? advice : undefined
  if (asked !== undefined && retryAfterMode === 'exact') {
    return { delayMs: Math.ceil(Math.min(asked, maxRetryAfterMs)), askedMs: asked, exact: true }
  }
  const longest = Math.min(maxRetryAfterMs, backoffMs + maxRetryAfterExtraMs)
  const delayMs = Math.max(backoffMs, Math.min(asked ?? 0, longest))
  // Timers drop fractions, and nobody should come back a moment before he was asked to.
  return { delayMs: Math.ceil(delayMs), askedMs: Math.max(backoffMs, asked ?? 0), exact: false }
}

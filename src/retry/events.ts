import type { StopReason } from './decision.ts'

/** What a {@link RetryPolicy} reports. Payloads are built only while somebody listens. */
export interface RetryEvents {
  /** A further try is coming. */
  readonly retry: RetryEvent
  /** The call failed for good. A suppressed retry is one with the reason `budget`. */
  readonly 'gave-up': GaveUpEvent
}

export interface RetryEvent {
  /** The try that failed, from 1; the next one is `attempt + 1`. */
  readonly attempt: number
  /** Milliseconds until the next try. */
  readonly delayMs: number
  readonly error: unknown
}

export interface GaveUpEvent {
  /** Tries made in all. */
  readonly attempts: number
  readonly reason: StopReason
  /** What the last try threw. */
  readonly error: unknown
}

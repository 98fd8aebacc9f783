/** How a piece of work ended, and what that says about whoever did it. */

export type Outcome<T = unknown> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown }

/** `ignore`: it says nothing about the remote (the caller left, this process refused). */
export type Verdict = 'success' | 'failure' | 'ignore'

export type Classify = (outcome: Outcome) => Verdict

/** Details a permit may be settled with. */
export interface OutcomeInfo {
  readonly error?: unknown
  /** What the remote asked for (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** What the remote reported of its own load. */
  readonly load?: number | undefined
}

/**
 * Leave to do one piece of work. Exactly one of the three settles it; what comes later does nothing, so that a late
 * result of an abandoned call can never be counted twice.
 */
export interface Permit {
  success(info?: OutcomeInfo): void
  failure(info?: OutcomeInfo): void
  /** The work says nothing about the remote. */
  ignore(): void
}

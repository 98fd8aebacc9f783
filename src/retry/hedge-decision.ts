import type { FailureKind } from '../time/backoff.ts'

/** What the decision core of a hedge is asked when another try is due, and what it answers. Usable without `execute`. */

export interface HedgeQuestion {
  /** Tries begun so far, the first included: 1 when the first hedge is due. */
  readonly attempts: number
  /** When the whole call must be done, on the monotonic scale of the policy's clock; undefined without a limit. */
  readonly deadline?: number | undefined
  /** Whether doing the work twice does no harm; only false keeps a call from being hedged. */
  readonly idempotent?: boolean | undefined
  /** Whether the call was given up meanwhile. @default false */
  readonly aborted?: boolean | undefined
  /** What the try is to make good, for budgets to which that makes a difference. @default 'transient' */
  readonly kind?: FailureKind | undefined
}

/**
 * Why no further try is begun.
 *
 * - `aborted`: the call was given up.
 * - `not-idempotent`: the caller said that the work must not be done twice.
 * - `exhausted`: all hedges of the call were begun.
 * - `deadline`: the call's time is up.
 * - `budget`: too large a share of the recent calls were retries or hedges already.
 */
export type HedgeStopReason = 'aborted' | 'not-idempotent' | 'exhausted' | 'deadline' | 'budget'

export type HedgeDecision = { readonly hedge: true } | { readonly hedge: false; readonly reason: HedgeStopReason }

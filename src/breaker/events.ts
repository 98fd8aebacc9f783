import type { GateKind, GateReason } from '../core/gate.ts'

/** closed: calls go through. open: calls are rejected. half-open: a few probes go through, then a growing share. */
export type BreakerState = GateKind

/**
 * `isolated` rejects everything. `disabled` admits everything and takes note of nothing. `dry-run` decides and reports as
 * always, but admits what it would reject.
 */
export type BreakerMode = 'normal' | 'isolated' | 'disabled' | 'dry-run'

/** What a breaker knows; read in constant time. */
export interface BreakerMetrics {
  /** As far back as the trip rule looks; always 0 under `consecutiveFailures()`, which looks back to no success. */
  readonly successes: number
  readonly failures: number
  /** Calls of either kind that took too long; 0 unless the rule measures that. */
  readonly slow: number
  /** Calls refused since the breaker was made. */
  readonly rejected: number
  /** Calls that `dry-run` let through and no other mode would have. */
  readonly wouldReject: number
  /** Openings in a row: what `recoveryBackoff` is asked with. */
  readonly trips: number
  readonly probesInFlight: number
  /** Calls that wait for the probes to decide. */
  readonly waiting: number
  /** The share of calls that is let through now, besides probes: 1 closed, 0 open, between during a readmission. */
  readonly admittedShare: number
}

export type BreakerEvents = {
  /**
   * The state changed. The counts in `metrics` (`successes`, `failures`, `slow`) are the trip rule's from before it forgets
   * them: what led to the opening, also when probes close it again. All else in them is as of the state entered.
   */
  readonly transition: {
    readonly from: BreakerState
    readonly to: BreakerState
    readonly reason: GateReason
    readonly metrics: BreakerMetrics
  }
  /** A call was refused. */
  readonly rejected: {
    readonly state: BreakerState
    readonly mode: BreakerMode
    readonly retryAfterMs: number | undefined
  }
  /** A call was let through by `dry-run` alone. */
  readonly 'would-reject': {
    readonly state: BreakerState
    readonly mode: BreakerMode
    readonly retryAfterMs: number | undefined
  }
  /** The mode was changed. */
  readonly mode: { readonly from: BreakerMode; readonly to: BreakerMode }
}

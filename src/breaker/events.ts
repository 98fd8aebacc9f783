import type { GateKind, GateReason } from '../core/gate.ts'

/** closed: calls go through. open: calls are rejected. half-open: a few probes go through. */
export type BreakerState = GateKind

/** `isolated` rejects everything until `reset()`. */
export type BreakerMode = 'normal' | 'isolated'

/** What a breaker knows; read in constant time. */
export interface BreakerMetrics {
  /** As far back as the trip rule looks. */
  readonly successes: number
  readonly failures: number
  /** Calls refused since the breaker was made. */
  readonly rejected: number
}

export type BreakerEvents = {
  /** The state changed; `metrics` are those of the state left. */
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
  /** `isolate()` or `reset()` changed the mode. */
  readonly mode: { readonly from: BreakerMode; readonly to: BreakerMode }
}

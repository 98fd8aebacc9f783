import type { HedgeStopReason } from './hedge-decision.ts'

/** What a {@link Hedge} reports. Payloads are built only while somebody listens. */
export interface HedgeEvents {
  /** A further try begins while the call is under way. */
  readonly hedge: HedgeEvent
  /** A further try was due, and is not begun; or a call begins that must not be done twice, and will have none. */
  readonly suppressed: HedgeSuppressedEvent
  /** A hedge answered before the first try did. */
  readonly won: HedgeWonEvent
}

export interface HedgeEvent {
  /** The number of the try that begins, from 2. */
  readonly attempt: number
  /** `delay`: the others are late. `failure`: one of them failed. */
  readonly cause: 'delay' | 'failure'
  /** Milliseconds since the call began. */
  readonly elapsedMs: number
}

export interface HedgeSuppressedEvent {
  /** Tries begun so far. */
  readonly attempts: number
  readonly reason: HedgeStopReason
}

export interface HedgeWonEvent {
  /** The number of the try that answered, from 2. */
  readonly attempt: number
  /** Tries begun in all. */
  readonly attempts: number
  /** Milliseconds since the call began. */
  readonly elapsedMs: number
}

/** What a {@link Hedge} counted since it was made; read in constant time. */
export interface HedgeMetrics {
  /** Calls that `execute` ran. */
  readonly calls: number
  /** Further tries begun. */
  readonly hedges: number
  /** Calls that a hedge answered. */
  readonly won: number
  /** Further tries that were due and not begun because the budget was spent. */
  readonly suppressed: number
  /** Tries that were aborted because another one settled the call. */
  readonly superseded: number
  /** Tries under way, losers that do not heed their signal included. */
  readonly inFlight: number
  /** Milliseconds after which a hedge begins now; undefined while too little is known. */
  readonly delayMs: number | undefined
}

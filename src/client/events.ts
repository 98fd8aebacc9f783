import type { BalancerEvents } from '../balancing/events.ts'
import type { BreakerEvents } from '../breaker/events.ts'
import type { AttemptRecord, NotRetriedReason } from './errors.ts'

/** Adds which service an event is about. */
type OfService<E> = E & { readonly service: string }

/** What a {@link ServiceClient} reports. Discovery's own events are on `client.discovery`. */
export type ClientEvents = {
  /** A call ended. */
  readonly call: {
    readonly service: string
    readonly method: string
    /** Without the query, which may hold secrets. */
    readonly path: string
    /** The final status, or undefined where there was no answer. */
    readonly status: number | undefined
    /** The error's code, or undefined where there was an answer. */
    readonly error: string | undefined
    readonly durationMs: number
    readonly attempts: readonly AttemptRecord[]
    /** Why a failed last attempt was not followed by another. */
    readonly notRetried: NotRetriedReason | undefined
  }
  /** Another attempt will be made after `delayMs`. */
  readonly retry: {
    readonly service: string
    readonly failed: AttemptRecord
    readonly delayMs: number
  }
  /** A service's own breaker changed state. */
  readonly breaker: OfService<BreakerEvents['transition']>
  /** An instance left the rotation, or came back. */
  readonly ejected: OfService<BalancerEvents['ejected']>
  readonly restored: OfService<BalancerEvents['restored']>
  /** Too few instances look well to believe it, or no longer so. */
  readonly panic: OfService<BalancerEvents['panic']>
}

import { EventEmitter } from 'eventemitter3'
import { describeThrown } from './errors.ts'

/**
 * Typed events whose listeners cannot hurt: one that throws or rejects is reported, the others still run, and the
 * call that caused the event never notices. An object nobody listens to owns no emitter at all.
 */

/** A listener threw: which event it was for, and what it threw. */
export interface ListenerFault {
  readonly event: string
  readonly error: unknown
}

/** Every emitter also has `error`, for faults of its listeners. Without a listener for it, a process warning is given. */
export type WithErrors<Events> = Events & { readonly error: ListenerFault }

export type Listener<Payload> = (payload: Payload) => void

/** What `once` registers in place of the listener; `off` knows it by the original. */
type Wrapped<Payload> = Listener<Payload> & { original?: Listener<never> }

export class TypedEmitter<Events extends object> {
  #emitter: EventEmitter | undefined

  /** Calls `listener` at each `event`, and returns the function that stops it. */
  on<E extends keyof WithErrors<Events> & string>(event: E, listener: Listener<WithErrors<Events>[E]>): () => void {
    if (typeof listener !== 'function') throw new TypeError(`listener of '${event}' must be a function`)
    this.#emitter ??= new EventEmitter()
    this.#emitter.on(event, listener)
    return () => {
      this.off(event, listener)
    }
  }

  /** Like `on`, for the next event only. */
  once<E extends keyof WithErrors<Events> & string>(event: E, listener: Listener<WithErrors<Events>[E]>): () => void {
    if (typeof listener !== 'function') throw new TypeError(`listener of '${event}' must be a function`)
    const once: Wrapped<WithErrors<Events>[E]> = (payload) => {
      stop()
      // Handed on, so that a promise that rejects is noticed.
      return listener(payload)
    }
    once.original = listener
    const stop = this.on(event, once)
    return stop
  }

  off<E extends keyof WithErrors<Events> & string>(event: E, listener: Listener<WithErrors<Events>[E]>): void {
    for (const each of (this.#emitter?.listeners(event) ?? []) as Wrapped<unknown>[]) {
      if (each === listener || each.original === listener) this.#emitter?.off(event, each)
    }
  }

  listenerCount(event: keyof WithErrors<Events> & string): number {
    return this.#emitter?.listenerCount(event) ?? 0
  }

  /** Whether building a payload is worth it. */
  protected heard(event: keyof Events & string): boolean {
    return this.#emitter !== undefined && this.#emitter.listenerCount(event) > 0
  }

  protected emit<E extends keyof Events & string>(event: E, payload: Events[E]): void {
    if (this.#emitter === undefined) return
    for (const listener of this.#emitter.listeners(event)) this.#deliver(event, listener, payload)
  }

  /** Reports a fault of a user's hook that is no listener (a classifier, say) the same way. */
  protected reportFault(event: string, error: unknown): void {
    const listeners = this.#emitter?.listeners('error') ?? []
    const fault: ListenerFault = { event, error }
    if (listeners.length === 0) warn(fault)
    // A fault of the fault listener goes no further: it would come back here for ever.
    for (const listener of listeners)
      guarded(
        () => listener(fault),
        () => warn(fault),
      )
  }

  #deliver(event: string, listener: (payload: never) => unknown, payload: unknown): void {
    guarded(
      () => listener(payload as never),
      (error) => this.reportFault(event, error),
    )
  }
}

/** Runs `work`; hands what it throws, or what its promise rejects with, to `onFault`. */
function guarded(work: () => unknown, onFault: (error: unknown) => void): void {
  try {
    const result = work()
    if (result instanceof Promise) result.catch(onFault)
  } catch (error) {
    onFault(error)
  }
}

function warn({ event, error }: ListenerFault): void {
  const stack: unknown = error instanceof Error ? error.stack : undefined
  const text = typeof stack === 'string' ? stack : describeThrown(error)
  process.emitWarning(`a listener of '${event}' failed: ${text}`, { type: 'GatelessWarning' })
}

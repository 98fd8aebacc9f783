import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServiceInstance } from '../core/instance.ts'
import { type Clock, type Timer, unref } from '../time/clock.ts'
import type { ProviderWatch } from './provider-watch.ts'
import type { ServiceRecord } from './service-record.ts'

/** Called with the whole list: at first when it is known, then at each change. */
export type WatchListener = (instances: readonly ServiceInstance[]) => void

/** Times configured to 0 (a negative TTL, a backoff) must not make a timer spin. */
const MIN_WAIT_MS = 100

class Watcher {
  readonly listener: WatchListener
  /** A listener runs in the async context of whoever registered it, not of whoever happened to cause the load. */
  readonly inContext: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot()
  delivered: readonly ServiceInstance[] | undefined
  active = true

  constructor(listener: WatchListener) {
    this.listener = listener
  }
}

/** A service somebody watches: its listeners, and the one timer that keeps its list fresh while there are any. */
export class WatchedService {
  readonly record: ServiceRecord
  /** The provider's own watch, where it has one. Owned by the client. */
  feed: ProviderWatch | undefined
  readonly #clock: Clock
  readonly #onDue: () => void
  readonly #onFault: (error: unknown) => void
  readonly #watchers = new Set<Watcher>()
  #timer: Timer | undefined

  constructor(record: ServiceRecord, clock: Clock, onDue: () => void, onFault: (error: unknown) => void) {
    this.record = record
    this.#clock = clock
    this.#onDue = onDue
    this.#onFault = onFault
  }

  /** @param onLast Called when the last watcher stops. */
  add(listener: WatchListener, onLast: () => void): () => void {
    const watcher = new Watcher(listener)
    this.#watchers.add(watcher)
    // Not at once: a listener that stops itself would do so before `watch` has returned the means to.
    queueMicrotask(() => this.#deliver(watcher))
    return () => {
      watcher.active = false
      if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return
      this.stop()
      onLast()
    }
  }

  notify(): void {
    for (const watcher of this.#watchers) this.#deliver(watcher)
  }

  /** Arms the timer for when the next load is due. */
  schedule(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    const now = this.#clock.now()
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined
        this.#onDue()
      },
      Math.ceil(Math.max(MIN_WAIT_MS, this.record.dueAt(now) - now)),
    )
    unref(this.#timer)
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Forgets everybody, as on `close()`. */
  clear(): void {
    this.stop()
    for (const watcher of this.#watchers) watcher.active = false
    this.#watchers.clear()
  }

  #deliver(watcher: Watcher): void {
    const instances = this.record.watched
    if (!watcher.active || instances === undefined || instances === watcher.delivered) return
    watcher.delivered = instances
    try {
      // A listener that was written `async` rejects instead of throwing.
      const result: unknown = watcher.inContext(watcher.listener, instances)
      if (result instanceof Promise) result.catch(this.#onFault)
    } catch (error) {
      this.#onFault(error)
    }
  }
}

/** The calls in flight of one client, so that closing can wait for them and end those that stay. */

/** A call, as far as closing goes. */
export interface Closable {
  close(): void
}

export class InFlight {
  readonly #calls = new Set<Closable>()
  #onEmpty: (() => void) | undefined

  add(call: Closable): void {
    this.#calls.add(call)
  }

  delete(call: Closable): void {
    this.#calls.delete(call)
    if (this.#onEmpty !== undefined && this.#calls.size === 0) this.#onEmpty()
  }

  /** Calls `onEmpty` as soon as there is no call; at once when there is none now. */
  whenEmpty(onEmpty: () => void): void {
    if (this.#calls.size === 0) onEmpty()
    else this.#onEmpty = onEmpty
  }

  [Symbol.iterator](): IterableIterator<Closable> {
    return this.#calls.values()
  }
}

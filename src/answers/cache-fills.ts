/**
 * Runs of the work that may become a cache's entries. What was asked for before an invalidation must not be stored after
 * it, or the old answer would outlive the news.
 *
 * It holds as many keys as runs are in flight.
 */

/** One run. */
export class Fill {
  readonly key: string
  /** Grows from run to run. */
  readonly order: number
  outdated = false

  constructor(key: string, order: number) {
    this.key = key
    this.order = order
  }
}

export class CacheFills {
  readonly #inFlight = new Map<string, Set<Fill>>()
  #order = 0

  /** Keys with a run in flight. */
  get size(): number {
    return this.#inFlight.size
  }

  nextOrder(): number {
    this.#order += 1
    return this.#order
  }

  begin(key: string): Fill {
    const fill = new Fill(key, this.nextOrder())
    const others = this.#inFlight.get(key)
    if (others === undefined) this.#inFlight.set(key, new Set([fill]))
    else others.add(fill)
    return fill
  }

  end(fill: Fill): void {
    const fills = this.#inFlight.get(fill.key)
    if (fills?.delete(fill) && fills.size === 0) this.#inFlight.delete(fill.key)
  }

  /** What is being fetched for `key` must not be stored. */
  invalidate(key: string): void {
    for (const fill of this.#inFlight.get(key) ?? []) fill.outdated = true
    this.#inFlight.delete(key)
  }

  clear(): void {
    for (const key of this.#inFlight.keys()) this.invalidate(key)
  }
}

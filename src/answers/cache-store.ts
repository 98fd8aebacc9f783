import { LRUCache } from 'lru-cache'

/**
 * What was answered, by key, and for how long that may be served. Pure: `now` is passed in.
 *
 * lru-cache bounds it and nothing more: its own `ttl` reads a clock that was captured when it was loaded, which neither an
 * injected clock nor fake timers reach.
 */

/** `stale`: past its time to live, but not past every use. */
export type CacheState = 'fresh' | 'stale'

/** One remembered answer. */
export interface CacheHit {
  readonly value: unknown
  /** Milliseconds since it was stored. */
  readonly ageMs: number
  readonly state: CacheState
}

interface Entry {
  readonly value: unknown
  readonly storedAt: number
  readonly order: number
}

export class CacheStore {
  readonly #ttlMs: number
  readonly #staleMs: number
  readonly #entries: LRUCache<string, Entry>

  /** @param staleMs How long after `ttlMs` an answer is kept for whoever would rather have a stale one. */
  constructor(maxEntries: number, ttlMs: number, staleMs: number) {
    this.#ttlMs = ttlMs
    this.#staleMs = staleMs
    this.#entries = new LRUCache({ max: maxEntries })
  }

  get size(): number {
    return this.#entries.size
  }

  /** What is known and may still be of use; what may not is forgotten. */
  get(key: string, now: number): CacheHit | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const ageMs = now - entry.storedAt
    // Below 0: the clock went backwards, and nobody knows how old it is.
    if (ageMs >= 0 && ageMs < this.#ttlMs + this.#staleMs) {
      return { value: entry.value, ageMs, state: ageMs < this.#ttlMs ? 'fresh' : 'stale' }
    }
    this.#entries.delete(key)
    return undefined
  }

  /** @param order Of whoever asked for the answer: one that was asked for earlier does not replace one asked for later. */
  set(key: string, value: unknown, now: number, order: number): void {
    const known = this.#entries.peek(key)
    if (known === undefined || known.order < order) this.#entries.set(key, { value, storedAt: now, order })
  }

  delete(key: string): boolean {
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}

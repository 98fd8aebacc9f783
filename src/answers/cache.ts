import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { CacheFills, type Fill } from './cache-fills.ts'
import { type CacheOptions, type CacheSettings, readCacheOptions } from './cache-options.ts'
import { type CacheHit, CacheStore } from './cache-store.ts'
import { readKey } from './key.ts'
import { SharedRun } from './shared-run.ts'

/** What a {@link CachePolicy} reports. */
export interface CacheEvents {
  readonly hit: { readonly key: string; readonly ageMs: number }
  readonly miss: { readonly key: string }
  /** A stale answer was served: because the work failed, with its `error`, or while a new one is fetched. */
  readonly stale: StaleEvent
  /** Fetching a new answer in the background failed; the stale one stays. */
  readonly 'refresh-failed': { readonly key: string; readonly error: unknown }
}

export type StaleEvent =
  | { readonly key: string; readonly ageMs: number; readonly because: 'error'; readonly error: unknown }
  | { readonly key: string; readonly ageMs: number; readonly because: 'revalidating' }

/** What a {@link CachePolicy} counted since it was made; read in constant time. */
export interface CacheMetrics {
  readonly hits: number
  readonly misses: number
  /** Stale answers served. */
  readonly stale: number
  /** Answers remembered, stale ones included. */
  readonly entries: number
}

/** One refresh under way. */
interface Refresh {
  readonly fill: Fill
  readonly run: SharedRun<unknown>
}

/** Ends a refresh that newer news have overtaken. No caller ever sees it. */
class UnwantedError extends Error {
  override readonly name = 'AbortError'

  constructor() {
    super('a newer answer is known')
  }
}

/** Made by {@link cache}. */
export class CachePolicy extends TypedEmitter<CacheEvents> implements Policy {
  readonly info: PolicyInfo
  readonly #settings: CacheSettings
  readonly #store: CacheStore
  readonly #fills = new CacheFills()
  /** Refreshes in the background, one per key and no more than `maxEntries`: one that is not wanted any more is ended. */
  readonly #refreshes = new Map<string, Refresh>()
  readonly #counts = { hits: 0, misses: 0, stale: 0 }

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: CacheOptions) {
    super()
    this.#settings = readCacheOptions(options)
    const { name, ttlMs, maxEntries, staleIfErrorMs, staleWhileRevalidateMs } = this.#settings
    this.#store = new CacheStore(maxEntries, ttlMs, Math.max(staleIfErrorMs, staleWhileRevalidateMs))
    const stale = staleIfErrorMs > 0 ? `, and for ${staleIfErrorMs} ms more when the work fails` : ''
    const summary = `serves answers again for ${ttlMs} ms${stale}`
    this.info = Object.freeze({ kind: 'cache', name, summary, hidesFailures: staleIfErrorMs > 0 })
  }

  get metrics(): CacheMetrics {
    return { ...this.#counts, entries: this.#store.size }
  }

  /** Answers from memory where that is fresh enough, and else runs `operation` and remembers what it answers. */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const { clock } = this.#settings
    const scope = CallScope.enter(options, clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      const work: Operation<T> = own && scope.interruptible ? () => race(scope, operation) : operation
      const key = this.#key(scope)
      if (key === undefined) return await work(scope)
      const known = this.#store.get(key, clock.now())
      // Whoever asks for the same key is answered with what its work answered: that is what a key says.
      if (known !== undefined && this.#servesAtOnce(key, known, operation, scope)) return known.value as T
      this.#missed(key)
      return await this.#fill(key, work, scope)
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments, same result type; a call of it needs a key from the `key` option. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  /** What is remembered for `key`, with its age; it counts as asked for. */
  get(key: string): CacheHit | undefined {
    return this.#store.get(key, this.#settings.clock.now())
  }

  /** Remembers an answer that came from elsewhere. `cacheable` is not asked. */
  set(key: string, value: unknown): void {
    this.#outdate(key)
    this.#store.set(key, value, this.#settings.clock.now(), this.#fills.nextOrder())
  }

  /** Forgets an answer, also the one that is being fetched now. Returns whether there was one. */
  invalidate(key: string): boolean {
    this.#outdate(key)
    return this.#store.delete(key)
  }

  /** Forgets everything, also what is being fetched now. */
  clear(): void {
    this.#fills.clear()
    for (const key of this.#refreshes.keys()) this.#endRefresh(key)
    this.#store.clear()
  }

  #outdate(key: string): void {
    this.#fills.invalidate(key)
    this.#endRefresh(key)
  }

  #servesAtOnce(key: string, known: CacheHit, operation: Operation<unknown>, scope: CallScope): boolean {
    const { ageMs, state } = known
    if (state === 'fresh') {
      this.#counts.hits += 1
      if (this.heard('hit')) this.emit('hit', { key, ageMs })
      return true
    }
    const { ttlMs, staleWhileRevalidateMs } = this.#settings
    if (ageMs >= ttlMs + staleWhileRevalidateMs) return false
    this.#counts.stale += 1
    if (this.heard('stale')) this.emit('stale', { key, ageMs, because: 'revalidating' })
    const { maxEntries } = this.#settings
    if (!this.#refreshes.has(key) && this.#refreshes.size < maxEntries) this.#refresh(key, operation, scope)
    return true
  }

  /** Runs on nobody's behalf: the caller has his answer, and his leaving must not end it. */
  #refresh(key: string, operation: Operation<unknown>, scope: CallScope): void {
    const fill = this.#fills.begin(key)
    const run = new SharedRun(scope)
    const refresh: Refresh = { fill, run }
    this.#refreshes.set(key, refresh)
    run.begin(operation, () => {
      this.#fills.end(fill)
      if (this.#refreshes.get(key) === refresh) this.#refreshes.delete(key)
    })
    run.answer.then(
      (value) => this.#remember(fill, value),
      (error: unknown) => {
        if (!(error instanceof UnwantedError) && this.heard('refresh-failed'))
          this.emit('refresh-failed', { key, error })
      },
    )
  }

  async #fill<T>(key: string, work: Operation<T>, scope: CallScope): Promise<T> {
    const fill = this.#fills.begin(key)
    try {
      const value = await work(scope)
      this.#remember(fill, value)
      return value
    } catch (error) {
      const stale = this.#staleFor(key, error, scope)
      if (stale === undefined) throw error
      return stale.value as T
    } finally {
      this.#fills.end(fill)
    }
  }

  #remember(fill: Fill, value: unknown): void {
    if (fill.outdated || !this.#isCacheable(value)) return
    this.#store.set(fill.key, value, this.#settings.clock.now(), fill.order)
    // A refresh that hangs must not keep a later one from beginning.
    const refresh = this.#refreshes.get(fill.key)
    if (refresh !== undefined && refresh.fill.order < fill.order) this.#endRefresh(fill.key)
  }

  /** What hangs would otherwise hold its connection, its place in a bulkhead and its memory for ever. */
  #endRefresh(key: string): void {
    const refresh = this.#refreshes.get(key)
    this.#refreshes.delete(key)
    refresh?.run.abort(new UnwantedError())
  }

  /** Whoever left is not waiting for an answer; whoever ran out of time is served. */
  #staleFor(key: string, error: unknown, scope: CallScope): CacheHit | undefined {
    const { ttlMs, staleIfErrorMs, clock } = this.#settings
    if (scope.abandonedByCaller) return undefined
    // Looked up again: the age is that of now, and somebody may have invalidated it meanwhile.
    const known = this.#store.get(key, clock.now())
    if (known === undefined || known.ageMs >= ttlMs + staleIfErrorMs) return undefined
    this.#counts.stale += 1
    if (this.heard('stale')) this.emit('stale', { key, ageMs: known.ageMs, because: 'error', error })
    return known
  }

  #missed(key: string): void {
    this.#counts.misses += 1
    if (this.heard('miss')) this.emit('miss', { key })
  }

  #isCacheable(value: unknown): boolean {
    try {
      const answer: unknown = this.#settings.cacheable(value)
      if (typeof answer === 'boolean') return answer
      throw new TypeError(`cacheable must answer true or false, got ${typeof answer}`)
    } catch (fault) {
      this.reportFault('cacheable', fault)
      return false
    }
  }

  #key(scope: CallScope): string | undefined {
    try {
      return readKey(this.#settings.keyOf, scope)
    } catch (fault) {
      this.reportFault('key', fault)
      return undefined
    }
  }
}

/**
 * Remembers answers for a time, and serves them again.
 *
 * When to use: reads that are asked for more often than they change. With `staleIfErrorMs` it also bridges an outage.
 * Put a `coalesce` inside, so that many who miss at once ask once.
 *
 * Gotchas: one for each kind of work, since the key alone says what is the same; put into the key whatever the answer
 * depends on, the user above all. Everybody gets the same object: who changes it changes it for all. Failures are never
 * remembered. Not for answers that can be read only once, like a body.
 *
 * @example
 * const cached = cache({ ttlMs: 30_000, staleIfErrorMs: 600_000 })
 * const device = await cached.execute(({ signal }) => fetchDevice('d1', signal), { key: 'd1' })
 */
export function cache(options: CacheOptions): CachePolicy {
  return new CachePolicy(options)
}

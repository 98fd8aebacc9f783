import { AsyncLocalStorage } from 'node:async_hooks'
import { LRUCache } from 'lru-cache'
import { CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { ClosedError } from '../core/errors.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import { INSTANCE_LIMITS, isText } from '../core/parse-instance.ts'
import { race } from '../core/race.ts'
import type { Clock } from '../time/clock.ts'
import { DiscoveryError } from './errors.ts'
import type { DiscoveryEvents } from './events.ts'
import { Loader } from './loader.ts'
import { DiscoveryCounts, type DiscoveryMetrics } from './metrics.ts'
import {
  type DiscoverOptions,
  type DiscoveryClientOptions,
  type DiscoverySettings,
  readDiscoveryOptions,
} from './options.ts'
import { ProviderWatch } from './provider-watch.ts'
import { Reserve } from './reserve.ts'
import { type FoundService, readQuery, searchServices, type ServiceQuery } from './search.ts'
import { type Accepted, type Need, ServiceRecord } from './service-record.ts'
import type { SavedService } from './snapshot-file.ts'
import { WatchedService, type WatchListener } from './watched-service.ts'

/**
 * Knows which instances a service has, and goes on knowing it while the registry is slow, down, confused or gone.
 *
 * When to use: as the `discovery` of a `ServiceClient`, or alone, wherever a list of instances is needed often.
 *
 * Gotchas: past its time a list is served on while the provider fails (`stale` says so, `ageMs` how old it is), and an
 * answer without instances is not believed at once after one with instances. The provider is closed with the client.
 *
 * @example
 * const discovery = new DiscoveryClient({ provider: httpRegistry({ url: 'http://127.0.0.1:8500' }) })
 * const instances = await discovery.discover('device-service')
 */
export class DiscoveryClient extends TypedEmitter<DiscoveryEvents> {
  readonly #settings: DiscoverySettings
  /** Without a TTL of its own: a record knows its times, and is served long after them. */
  readonly #records: LRUCache<string, ServiceRecord>
  /** Apart from the others: forgetting one of them would orphan its watchers. */
  readonly #watched = new Map<string, WatchedService>()
  readonly #loader: Loader
  /** What serves many callers must not run, trace or log as if it were the first one's alone. */
  readonly #inOwnContext: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot()
  /** Where the first lists come from when the provider has none. */
  readonly #reserve: Reserve | undefined
  /** The service asked about last: most callers ask about the same one again. */
  #latest: ServiceRecord | undefined
  readonly #counts = new DiscoveryCounts()
  #closing: Promise<void> | undefined

  constructor(options: DiscoveryClientOptions) {
    super()
    this.#settings = readDiscoveryOptions(options)
    this.#records = new LRUCache({ max: this.#settings.maxServices })
    const { bootstrap, snapshot } = this.#settings
    if (bootstrap.size > 0 || snapshot !== undefined) {
      const onFault = (error: unknown): void => this.reportFault('snapshot', error)
      this.#reserve = new Reserve(this.#settings, () => this.#saved(), onFault)
    }
    this.#loader = new Loader(this.#settings, this.#reserve, this.#counts, {
      isClosed: () => this.#closing !== undefined,
      onAccepted: (record, accepted) => this.#report(record, accepted),
      onFailed: (record, error, retryInMs) => {
        this.emit('load-failed', { service: record.service, error, retryInMs })
      },
      onStale: (record, error) => this.#emitStale(record, error),
      onSettled: (record) => this.#reschedule(record),
      onFault: (event, error) => this.reportFault(event, error),
    })
  }

  /** Its source of time. */
  get clock(): Clock {
    return this.#settings.clock
  }

  /**
   * The instances of a service, from memory where possible. Many callers at once cause one load, and each may leave
   * alone.
   *
   * @throws {ServiceNotFoundError} when the provider knows no such service.
   * @throws {DiscoveryError} when it cannot be asked and nothing is known that may be served.
   */
  discover(service: string, options?: DiscoverOptions): Promise<readonly ServiceInstance[]> {
    const record = this.#find(service)
    // One promise per list, not per call.
    if (
      options === undefined &&
      this.#closing === undefined &&
      record?.glance(this.#settings.clock.now()) !== undefined
    ) {
      return record.promised
    }
    return this.#answer(service, options, needed)
  }

  /**
   * The same without waiting, as far as it is known: for hot paths. Refreshes in the background what is in use.
   * Undefined when nothing is known (then `discover` has to load it) or what is known is too old.
   *
   * @param now The time by its clock, from a caller who has just read that.
   */
  peek(service: string, now: number = this.#settings.clock.now()): readonly ServiceInstance[] | undefined {
    const record = this.#find(service)
    if (record === undefined || this.#closing !== undefined) return undefined
    const list = record.glance(now)
    if (list !== undefined) return list
    if (record.load === undefined && record.need(now) !== 'none') void this.#loader.load(record)
    return record.peek(now)
  }

  /**
   * Calls `listener` with the list as soon as it is known and whenever it changes, and keeps it fresh meanwhile.
   * Returns the function that stops it.
   *
   * @example
   * const stop = discovery.watch('device-service', (instances) => balancer.update(instances))
   */
  watch(service: string, listener: WatchListener): () => void {
    if (typeof listener !== 'function') throw new TypeError(`watch: listener must be a function, got ${show(listener)}`)
    this.#assertOpen()
    const watched = this.#watched.get(service) ?? this.#pin(service)
    const stop = watched.add(listener, () => this.#unpin(watched))
    this.#refreshIfDue(watched)
    return stop
  }

  /**
   * Like `discover`, but only what was asked for within `minRefreshIntervalMs` is new enough. When to use: a
   * connection to an instance was refused, so the list is likely to be wrong.
   */
  async refresh(service: string, options?: DiscoverOptions): Promise<readonly ServiceInstance[]> {
    return this.#answer(service, options, neededNews)
  }

  /** Has the service loaded again when it is needed next; until then, and if that fails, the list is served on. */
  invalidate(service: string): void {
    const record = this.#find(service)
    if (record === undefined) return
    record.invalidate(this.#settings.clock.now())
    this.#reschedule(record)
  }

  /**
   * The services known here whose names, instances or both are like that, by name, each with those instances. Asks
   * nobody: what was never asked for is not found.
   *
   * @example
   * const canaries = discovery.search({ namePrefix: 'payment-', metadata: { stage: 'canary' } })
   */
  search(query: ServiceQuery = {}): readonly FoundService[] {
    return searchServices(this.#known(), readQuery(query))
  }

  /** Counts since the client was made, and what is going on now. */
  get metrics(): DiscoveryMetrics {
    const { size: watchedServices } = this.#watched
    return this.#counts.read(watchedServices + this.#records.size, watchedServices, this.#loader.inFlight)
  }

  /** Milliseconds since the provider last confirmed what is known; undefined when nothing is. */
  ageMs(service: string): number | undefined {
    return this.#find(service)?.ageMs(this.#settings.clock.now())
  }

  /** Ends all loads and watches and closes the provider. Whoever waits gets a `ClosedError`. */
  close(): Promise<void> {
    // In a later turn, so that whoever is woken by it finds the client closed.
    this.#closing ??= Promise.resolve().then(() => this.#close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #answer(
    service: string,
    options: DiscoverOptions | undefined,
    needOf: (record: ServiceRecord, now: number) => Need,
  ): Promise<readonly ServiceInstance[]> {
    this.#assertOpen()
    options?.signal?.throwIfAborted()
    const { clock } = this.#settings
    const record = this.#find(service) ?? this.#remember(service)
    const need = needOf(record, clock.now())
    if (need !== 'none') {
      const load = record.load ?? this.#loader.load(record)
      if (need === 'load') await (options === undefined ? load : waitFor(load, options, clock))
      this.#assertOpen()
    }
    return record.read(clock.now())
  }

  #find(service: string): ServiceRecord | undefined {
    // It is the most recently used one already, so that skipping the look-up hides nothing from the LRU.
    if (this.#latest?.service === service) return this.#latest
    const record = this.#watched.get(service)?.record ?? this.#records.get(service)
    if (record !== undefined) this.#latest = record
    return record
  }

  #remember(service: string): ServiceRecord {
    const record = this.#makeRecord(service)
    this.#records.set(service, record)
    // The one before may have been forgotten for it.
    this.#latest = record
    return record
  }

  *#known(): Iterable<ServiceRecord> {
    for (const { record } of this.#watched.values()) yield record
    yield* this.#records.values()
  }

  *#saved(): Iterable<SavedService> {
    const { clock } = this.#settings
    const now = clock.now()
    for (const record of this.#known()) {
      const { service, listed: instances = [] } = record
      const ageMs = record.ageMs(now)
      if (ageMs !== undefined && instances.length > 0) {
        yield { service, instances, confirmedAt: clock.wallNow() - ageMs }
      }
    }
  }

  #makeRecord(service: string): ServiceRecord {
    if (isText(service)) return new ServiceRecord(service, this.#settings)
    const allowed = `text of 1 to ${INSTANCE_LIMITS.textLength} printable characters`
    throw new TypeError(`DiscoveryClient: service must be ${allowed}, got ${show(service)}`)
  }

  #pin(service: string): WatchedService {
    const record = this.#records.get(service) ?? this.#makeRecord(service)
    const watched: WatchedService = new WatchedService(
      record,
      this.#settings.clock,
      () => this.#refreshIfDue(watched),
      (error) => this.reportFault('watch', error),
    )
    this.#records.delete(service)
    this.#watched.set(service, watched)
    if (this.#settings.provider.watch !== undefined) watched.feed = this.#feed(watched)
    return watched
  }

  #unpin(watched: WatchedService): void {
    const { record, feed } = watched
    feed?.stop(new ClosedError('the watch'))
    record.watchEnded(false, this.#settings.clock.now())
    this.#watched.delete(record.service)
    this.#records.set(record.service, record)
    this.#latest = record
  }

  /** The provider's own watch, begun. */
  #feed({ record }: WatchedService): ProviderWatch {
    const { clock } = this.#settings
    const feed = new ProviderWatch(record.service, this.#settings, {
      onAnswer: (answer) => {
        const wasLive = record.isLive
        record.isLive = true
        try {
          this.#report(record, record.accept(answer, clock.now(), 'watch'))
        } catch (error) {
          record.isLive = wasLive
          throw error
        }
        this.#reschedule(record)
      },
      onBroken: (cause, failures) => {
        const retryInMs = this.#loader.backoffMs({ attempt: failures, random: this.#settings.random })
        const error = new DiscoveryError(record.service, cause, retryInMs)
        record.watchEnded(true, clock.now())
        this.#counts.watchFailures += 1
        this.emit('watch-failed', { service: record.service, error, retryInMs })
        this.#reschedule(record)
        return retryInMs
      },
    })
    this.#inOwnContext(() => feed.start())
    return feed
  }

  #refreshIfDue({ record }: WatchedService): void {
    if (record.load === undefined && record.need(this.#settings.clock.now()) !== 'none') void this.#loader.load(record)
    if (record.load === undefined) this.#reschedule(record)
  }

  /** Its timer stands while no load does: the end of a load arms it again. */
  #reschedule(record: ServiceRecord): void {
    const watched = this.#watched.get(record.service)
    if (watched?.record === record) this.#inOwnContext(() => watched.schedule())
  }

  #report(record: ServiceRecord, { change, held, ignored, recovered, confirmed }: Accepted): void {
    const { service } = record
    if (ignored === true) this.#counts.ignored += 1
    if (recovered) this.emit('recovered', { service })
    if (confirmed) this.#reserve?.noteNews()
    if (change !== undefined) {
      this.#counts.changes += 1
      const { added, removed, updated, instances, dropped } = change
      this.emit('changed', { service, added, removed, updated, instances, dropped })
      this.#watched.get(service)?.notify()
    }
    if (held !== undefined) {
      this.#counts.held += 1
      this.#emitStale(record, held)
    }
  }

  #emitStale(record: ServiceRecord, error: DiscoveryError): void {
    this.emit('stale', { service: record.service, ageMs: record.ageMs(this.#settings.clock.now()) ?? 0, error })
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('DiscoveryClient')
  }

  async #close(): Promise<void> {
    for (const { feed, record } of this.#watched.values()) {
      feed?.stop(new ClosedError('DiscoveryClient'))
      record.isLive = false
    }
    for (const watched of this.#watched.values()) watched.clear()
    this.#loader.abort(new ClosedError('DiscoveryClient'))
    // What was learned last is worth more than the file of some seconds ago.
    await this.#reserve?.close()
    this.#latest = undefined
    this.#watched.clear()
    this.#records.clear()
    try {
      await this.#settings.provider.close?.()
    } catch (error) {
      this.reportFault('close', error)
    }
  }
}

const needed = (record: ServiceRecord, now: number): Need => record.need(now)
const neededNews = (record: ServiceRecord, now: number): Need => record.needNews(now)

/** One caller's wait for a load that goes on without him. */
async function waitFor(
  load: Promise<void>,
  options: DiscoverOptions,
  clock: DiscoverySettings['clock'],
): Promise<void> {
  const scope = new CallScope({ signal: options.signal, timeoutMs: options.timeoutMs }, clock)
  try {
    await race(scope, () => load)
  } finally {
    scope.dispose()
  }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { LRUCache } from 'lru-cache'
import { CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { ClosedError, isGatelessError } from '../core/errors.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import { INSTANCE_LIMITS, isText } from '../core/parse-instance.ts'
import { race } from '../core/race.ts'
import { DiscoveryError } from './errors.ts'
import type { DiscoveryEvents } from './events.ts'
import { type Load, startLoad } from './load.ts'
import {
  type DiscoverOptions,
  type DiscoveryClientOptions,
  type DiscoverySettings,
  readDiscoveryOptions,
} from './options.ts'
import { type Accepted, type Need, ServiceRecord } from './service-record.ts'
import type { Clock } from '../time/clock.ts'
import { WatchedService, type WatchListener } from './watched-service.ts'

/** Where the backoff itself fails. */
const FALLBACK_DELAY_MS = 1_000

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
  readonly #loads = new Set<Load>()
  /** A load serves many callers; it must not run, trace or log as if it were the first one's alone. */
  readonly #inOwnContext: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot()
  #closing: Promise<void> | undefined

  constructor(options: DiscoveryClientOptions) {
    super()
    this.#settings = readDiscoveryOptions(options)
    this.#records = new LRUCache({ max: this.#settings.maxServices })
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
  async discover(service: string, options?: DiscoverOptions): Promise<readonly ServiceInstance[]> {
    return this.#answer(service, options, (record, now) => record.need(now))
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
    if (record.load === undefined && record.need(now) !== 'none') void this.#load(record)
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
    return this.#answer(service, options, (record, now) => record.needNews(now))
  }

  /** Has the service loaded again when it is needed next; until then, and if that fails, the list is served on. */
  invalidate(service: string): void {
    const record = this.#find(service)
    if (record === undefined) return
    record.invalidate(this.#settings.clock.now())
    this.#reschedule(record)
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
      const load = record.load ?? this.#load(record)
      if (need === 'load') await (options === undefined ? load : waitFor(load, options, clock))
      this.#assertOpen()
    }
    return record.read(clock.now())
  }

  #find(service: string): ServiceRecord | undefined {
    return this.#watched.get(service)?.record ?? this.#records.get(service)
  }

  #remember(service: string): ServiceRecord {
    const record = this.#makeRecord(service)
    this.#records.set(service, record)
    return record
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
    return watched
  }

  #unpin(watched: WatchedService): void {
    const { service } = watched.record
    this.#watched.delete(service)
    this.#records.set(service, watched.record)
  }

  #refreshIfDue({ record }: WatchedService): void {
    if (record.load === undefined && record.need(this.#settings.clock.now()) !== 'none') void this.#load(record)
    if (record.load === undefined) this.#reschedule(record)
  }

  /** Its timer stands while no load does: the end of a load arms it again. */
  #reschedule(record: ServiceRecord): void {
    const watched = this.#watched.get(record.service)
    if (watched?.record === record) this.#inOwnContext(() => watched.schedule())
  }

  #load(record: ServiceRecord): Promise<void> {
    record.load = this.#inOwnContext(() => this.#runLoad(record))
    return record.load
  }

  async #runLoad(record: ServiceRecord): Promise<void> {
    const { clock, provider, loadTimeoutMs } = this.#settings
    record.asking(clock.now())
    const load = startLoad(provider, record.service, loadTimeoutMs, clock)
    this.#loads.add(load)
    try {
      const answer = await load.answer
      record.load = undefined
      if (this.#closing === undefined) this.#report(record, record.accept(answer, clock.now()))
    } catch (error) {
      record.load = undefined
      if (this.#closing === undefined) this.#fail(record, error)
    } finally {
      this.#loads.delete(load)
      if (this.#closing === undefined) this.#reschedule(record)
    }
  }

  #report(record: ServiceRecord, { change, held, recovered }: Accepted): void {
    const { service } = record
    if (recovered) this.emit('recovered', { service })
    if (held !== undefined) this.#emitStale(record, held)
    if (change === undefined) return
    const { added, removed, updated, instances, dropped } = change
    this.emit('changed', { service, added, removed, updated, instances, dropped })
    this.#watched.get(service)?.notify()
  }

  #fail(record: ServiceRecord, cause: unknown): void {
    const { clock } = this.#settings
    const asked = isGatelessError(cause) ? cause.retryAfterMs : undefined
    const retryInMs = record.fail(cause, this.#backoffMs(record), asked, clock.now())
    const error = new DiscoveryError(record.service, cause, retryInMs)
    this.emit('load-failed', { service: record.service, error, retryInMs })
    if (record.listed !== undefined && record.isExpired(clock.now())) this.#emitStale(record, error)
  }

  #backoffMs(record: ServiceRecord): number {
    try {
      const delayMs = this.#settings.errorBackoff.delayMs(record.backoffInput)
      // From a backoff somebody wrote: after NaN the provider would be asked at each call, after Infinity never again.
      if (delayMs >= 0 && Number.isFinite(delayMs)) return delayMs
      this.reportFault('errorBackoff', new RangeError(`delayMs must be a finite number from 0, got ${show(delayMs)}`))
    } catch (error) {
      this.reportFault('errorBackoff', error)
    }
    return FALLBACK_DELAY_MS
  }

  #emitStale(record: ServiceRecord, error: DiscoveryError): void {
    this.emit('stale', { service: record.service, ageMs: record.ageMs(this.#settings.clock.now()) ?? 0, error })
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('DiscoveryClient')
  }

  async #close(): Promise<void> {
    for (const watched of this.#watched.values()) watched.clear()
    for (const load of this.#loads) load.abort(new ClosedError('DiscoveryClient'))
    this.#watched.clear()
    this.#records.clear()
    try {
      await this.#settings.provider.close?.()
    } catch (error) {
      this.reportFault('close', error)
    }
  }
}

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

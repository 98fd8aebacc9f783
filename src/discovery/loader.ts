import { AsyncLocalStorage } from 'node:async_hooks'
import { isGatelessError, TimeoutError } from '../core/errors.ts'
import { show } from '../core/options.ts'
import type { BackoffInput } from '../time/backoff.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import { DiscoveryError } from './errors.ts'
import { type Load, startLoad } from './load.ts'
import type { DiscoveryCounts } from './metrics.ts'
import type { DiscoverySettings } from './options.ts'
import type { ListAnswer } from './provider.ts'
import type { Reserve } from './reserve.ts'
import type { Accepted, ServiceRecord } from './service-record.ts'

/** Whom a {@link Loader} tells. */
export interface LoaderHost {
  isClosed(): boolean
  onAccepted(record: ServiceRecord, accepted: Accepted): void
  onFailed(record: ServiceRecord, error: DiscoveryError, retryInMs: number): void
  onStale(record: ServiceRecord, error: DiscoveryError): void
  /** The load is over, and the next one may be planned. */
  onSettled(record: ServiceRecord): void
  onFault(event: string, error: unknown): void
}

/** Where the backoff itself fails. */
const FALLBACK_DELAY_MS = 1_000

/** Asks the provider, one question per service at a time, and turns to the reserve where it has said nothing yet. */
export class Loader {
  readonly #settings: DiscoverySettings
  readonly #reserve: Reserve | undefined
  readonly #counts: DiscoveryCounts
  readonly #host: LoaderHost
  readonly #loads = new Set<Load>()
  /** A load serves many callers; it must not run, trace or log as if it were the first one's alone. */
  readonly #inOwnContext: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot()

  constructor(settings: DiscoverySettings, reserve: Reserve | undefined, counts: DiscoveryCounts, host: LoaderHost) {
    this.#settings = settings
    this.#reserve = reserve
    this.#counts = counts
    this.#host = host
  }

  get inFlight(): number {
    return this.#loads.size
  }

  /** Begins a load. What it returns never rejects, and may resolve before the load is over: there is a list then. */
  load(record: ServiceRecord): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    record.load = promise
    void this.#inOwnContext(() => this.#run(record, resolve))
    return promise
  }

  abort(reason: unknown): void {
    for (const load of this.#loads) load.abort(reason)
  }

  backoffMs(input: BackoffInput): number {
    try {
      const delayMs = this.#settings.errorBackoff.delayMs(input)
      // From a backoff somebody wrote: after NaN the provider would be asked at each call, after Infinity never again.
      if (delayMs >= 0 && Number.isFinite(delayMs)) return delayMs
      const problem = new RangeError(`delayMs must be a finite number from 0, got ${show(delayMs)}`)
      this.#host.onFault('errorBackoff', problem)
    } catch (error) {
      this.#host.onFault('errorBackoff', error)
    }
    return FALLBACK_DELAY_MS
  }

  async #run(record: ServiceRecord, release: () => void): Promise<void> {
    const { clock, provider, loadTimeoutMs } = this.#settings
    const host = this.#host
    record.asking(clock.now())
    this.#counts.loads += 1
    const load = startLoad(provider, record.service, loadTimeoutMs, clock)
    this.#loads.add(load)
    const patience = record.isBlank ? this.#limitWait(record, release) : undefined
    try {
      const answer = await load.answer
      // A registry that knows nothing on the first day may have lost its memory as well.
      if (this.#reserve !== undefined && isEmpty(answer)) await this.#fallBack(record)
      record.load = undefined
      if (!host.isClosed()) host.onAccepted(record, record.accept(answer, clock.now()))
    } catch (error) {
      if (this.#reserve !== undefined) await this.#fallBack(record)
      record.load = undefined
      if (!host.isClosed()) this.#fail(record, error)
    } finally {
      patience?.cancel()
      this.#loads.delete(load)
      if (!host.isClosed()) host.onSettled(record)
      release()
    }
  }

  /** Who has something to begin with does not wait for a provider that hangs. */
  #limitWait(record: ServiceRecord, release: () => void): SingleDeadline | undefined {
    if (this.#reserve === undefined) return undefined
    this.#reserve.open()
    const { fallbackAfterMs, clock } = this.#settings
    const expire = async (): Promise<void> => {
      await this.#fallBack(record)
      if (this.#host.isClosed() || record.load === undefined || record.listed === undefined) return
      const cause = new TimeoutError(fallbackAfterMs, 'attempt', { by: 'the first wait for the provider' })
      this.#host.onStale(record, new DiscoveryError(record.service, cause))
      release()
    }
    return new SingleDeadline(fallbackAfterMs, clock, { expire: () => void expire() })
  }

  /** Serves what the reserve has, where the provider has said nothing yet. */
  async #fallBack(record: ServiceRecord): Promise<void> {
    if (!record.isBlank) return
    const reserved = await this.#reserve?.get(record.service)
    // Somebody may have been faster, the provider above all.
    if (reserved === undefined || !record.isBlank || this.#host.isClosed()) return
    this.#counts.fallbacks += 1
    const accepted = record.fallBackTo(reserved.instances, reserved.ageMs, this.#settings.clock.now())
    this.#host.onAccepted(record, accepted)
  }

  #fail(record: ServiceRecord, cause: unknown): void {
    const { clock } = this.#settings
    const asked = isGatelessError(cause) ? cause.retryAfterMs : undefined
    const retryInMs = record.fail(cause, this.backoffMs(record.backoffInput), asked, clock.now())
    const error = new DiscoveryError(record.service, cause, retryInMs)
    this.#counts.loadFailures += 1
    this.#host.onFailed(record, error, retryInMs)
    if (record.listed !== undefined && record.isExpired(clock.now())) this.#host.onStale(record, error)
  }
}

/** An answer without instances. One that breaks the contract is none: it is refused later. */
function isEmpty(answer: ListAnswer | undefined): boolean {
  return answer?.kind === 'not-found' || (answer?.kind === 'ok' && answer.instances?.length === 0)
}

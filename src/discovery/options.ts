import { OptionReader } from '../core/options.ts'
import { type Backoff, exponentialBackoff } from '../time/backoff.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import type { DiscoveryProvider } from './provider.ts'

/** Options of a {@link DiscoveryClient}. */
export interface DiscoveryClientOptions {
  /** Who knows the instances. `close()` of the client closes it. */
  readonly provider: DiscoveryProvider
  /** How long a list is good for when the provider does not say, in milliseconds, from 1. @default 30_000 */
  readonly ttlMs?: number
  /**
   * Spread of that time, as a share of it, from 0 to 0.5: processes that started together must not ask together.
   * @default 0.1
   */
  readonly ttlJitter?: number
  /** Share of its time, above 0 up to 1, after which a list in use is refreshed in the background. @default 0.8 */
  readonly refreshAheadRatio?: number
  /** How long "there is no such service" is good for, in milliseconds, from 0. @default 5_000 */
  readonly negativeTtlMs?: number
  /** How long past its time a list may be served while the provider fails, in milliseconds, from 0. @default 3_600_000 */
  readonly maxStaleMs?: number
  /**
   * Time between failed loads of one service.
   * @default exponentialBackoff({ baseMs: 500, maxMs: 30_000, jitter: 'full' })
   */
  readonly errorBackoff?: Backoff
  /**
   * How long an empty answer (or "no such service") after a list with instances is not believed, in milliseconds, from
   * 0 (believed at once): a registry that lost its memory looks exactly like a service that went away. @default 30_000
   */
  readonly emptyHoldMs?: number
  /** A load that takes longer has failed, in milliseconds, from 1. @default 5_000 */
  readonly loadTimeoutMs?: number
  /** `refresh()` and `invalidate()` ask at most this often, in milliseconds, from 0. @default 1_000 */
  readonly minRefreshIntervalMs?: number
  /** Services remembered, the least recently used forgotten first; an integer from 1. Watched ones come on top. @default 1_000 */
  readonly maxServices?: number
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/** What one caller may say about waiting. */
export interface DiscoverOptions {
  /** Ends this caller's wait at once; the load goes on for the others. */
  readonly signal?: AbortSignal | undefined
  /** How long this caller waits at most, in milliseconds, from 0. */
  readonly timeoutMs?: number | undefined
}

/** @internal */
export type DiscoverySettings = Required<Omit<DiscoveryClientOptions, 'clock'>> & { readonly clock: Clock }

const DISCOVERY_DEFAULTS = /* @__PURE__ */ Object.freeze({
  ttlMs: 30_000,
  ttlJitter: 0.1,
  refreshAheadRatio: 0.8,
  negativeTtlMs: 5_000,
  maxStaleMs: 3_600_000,
  emptyHoldMs: 30_000,
  loadTimeoutMs: 5_000,
  minRefreshIntervalMs: 1_000,
  maxServices: 1_000,
})

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readDiscoveryOptions(options: DiscoveryClientOptions): DiscoverySettings {
  const read = new OptionReader('DiscoveryClient', options)
  const defaults = DISCOVERY_DEFAULTS
  const settings: DiscoverySettings = {
    provider:
      read.implementing<DiscoveryProvider | undefined>('provider', ['list'], undefined) ??
      read.refuse('provider', 'an object with list()'),
    ttlMs: read.duration('ttlMs', defaults.ttlMs, 1),
    ttlJitter: read.number('ttlJitter', { default: defaults.ttlJitter, min: 0, max: 0.5 }),
    refreshAheadRatio: read.number('refreshAheadRatio', {
      default: defaults.refreshAheadRatio,
      min: 0,
      above: true,
      max: 1,
    }),
    negativeTtlMs: read.duration('negativeTtlMs', defaults.negativeTtlMs),
    maxStaleMs: read.duration('maxStaleMs', defaults.maxStaleMs),
    errorBackoff:
      read.implementing<Backoff | undefined>('errorBackoff', ['delayMs'], undefined) ??
      exponentialBackoff({ baseMs: 500, maxMs: 30_000, jitter: 'full' }),
    emptyHoldMs: read.duration('emptyHoldMs', defaults.emptyHoldMs),
    loadTimeoutMs: read.duration('loadTimeoutMs', defaults.loadTimeoutMs, 1),
    minRefreshIntervalMs: read.duration('minRefreshIntervalMs', defaults.minRefreshIntervalMs),
    maxServices: read.number('maxServices', { default: defaults.maxServices, min: 1, max: 1_000_000, integer: true }),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

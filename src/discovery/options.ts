import type { ServiceInstance } from '../core/instance.ts'
import { OptionReader } from '../core/options.ts'
import { type Backoff, exponentialBackoff } from '../time/backoff.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import type { GuardRules } from './answer-guard.ts'
import type { DiscoveryProvider } from './provider.ts'
import { readSnapshotOptions, type SnapshotOptions, type SnapshotSettings } from './snapshot-options.ts'
import { readServices, type StaticInstance } from './static-list.ts'

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
  /**
   * How long past its time a list may be served while the provider fails, in milliseconds, from 0; `Infinity` for as
   * long as that lasts. @default 3_600_000
   */
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
  /**
   * An answer that leaves out more than this share of the instances is not believed at once, from 0 to 1 (1 believes
   * all of them): half a registry looks like half a service. Instances that were `stopping` are not missed.
   * @default 0.5
   */
  readonly shrinkHoldRatio?: number
  /** How long it is not believed, in milliseconds, from 0. What it lists is served meanwhile, too. @default 5_000 */
  readonly shrinkHoldMs?: number
  /** Services with fewer instances shrink as they like; an integer from 1. @default 5 */
  readonly shrinkHoldMinimum?: number
  /** A watch of the provider's that says nothing for so long is taken for dead, in milliseconds, from 1. @default 90_000 */
  readonly watchIdleMs?: number
  /**
   * A list kept by a watch is asked for all the same after this time, and up to as long again, in milliseconds, from 1.
   * @default 300_000
   */
  readonly resyncIntervalMs?: number
  /**
   * Of the lists a watch pushes within this time the last one counts, in milliseconds, from 0; longer where lists are
   * long (0.01 ms per instance). @default 5
   */
  readonly pushIntervalMs?: number
  /** A load that takes longer has failed, in milliseconds, from 1. @default 5_000 */
  readonly loadTimeoutMs?: number
  /** `refresh()` and `invalidate()` ask at most this often, in milliseconds, from 0. @default 1_000 */
  readonly minRefreshIntervalMs?: number
  /** Services remembered, the least recently used forgotten first; an integer from 1. Watched ones come on top. @default 1_000 */
  readonly maxServices?: number
  /**
   * Lists to begin with where the provider cannot be asked and no snapshot knows better, by service name.
   * @default {}
   */
  readonly bootstrap?: Readonly<Record<string, readonly StaticInstance[]>>
  /** Keeps a file to start from while the provider cannot be asked. @default none */
  readonly snapshot?: SnapshotOptions
  /**
   * How long a first caller waits for the provider where `bootstrap` or `snapshot` has an answer, in milliseconds, from
   * 0. @default 1_000
   */
  readonly fallbackAfterMs?: number
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
export type DiscoverySettings = Required<Omit<DiscoveryClientOptions, 'clock' | 'bootstrap' | 'snapshot'>> & {
  readonly clock: Clock
  readonly bootstrap: ReadonlyMap<string, readonly ServiceInstance[]>
  readonly snapshot: SnapshotSettings | undefined
}

/** @internal The guards' numbers, see {@link DiscoveryClientOptions}. */
export const GUARD_DEFAULTS: GuardRules = /* @__PURE__ */ Object.freeze({
  emptyHoldMs: 30_000,
  shrinkHoldRatio: 0.5,
  shrinkHoldMs: 5_000,
  shrinkHoldMinimum: 5,
})

const DISCOVERY_DEFAULTS = /* @__PURE__ */ Object.freeze({
  ...GUARD_DEFAULTS,
  ttlMs: 30_000,
  ttlJitter: 0.1,
  refreshAheadRatio: 0.8,
  negativeTtlMs: 5_000,
  maxStaleMs: 3_600_000,
  watchIdleMs: 90_000,
  resyncIntervalMs: 300_000,
  pushIntervalMs: 5,
  fallbackAfterMs: 1_000,
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
    maxStaleMs: read.raw('maxStaleMs') === Infinity ? Infinity : read.duration('maxStaleMs', defaults.maxStaleMs),
    errorBackoff:
      read.implementing<Backoff | undefined>('errorBackoff', ['delayMs'], undefined) ??
      exponentialBackoff({ baseMs: 500, maxMs: 30_000, jitter: 'full' }),
    emptyHoldMs: read.duration('emptyHoldMs', defaults.emptyHoldMs),
    shrinkHoldRatio: read.number('shrinkHoldRatio', { default: defaults.shrinkHoldRatio, min: 0, max: 1 }),
    shrinkHoldMs: read.duration('shrinkHoldMs', defaults.shrinkHoldMs),
    shrinkHoldMinimum: read.number('shrinkHoldMinimum', {
      default: defaults.shrinkHoldMinimum,
      min: 1,
      max: 1_000_000,
      integer: true,
    }),
    watchIdleMs: read.duration('watchIdleMs', defaults.watchIdleMs, 1),
    resyncIntervalMs: read.duration('resyncIntervalMs', defaults.resyncIntervalMs, 1),
    pushIntervalMs: read.duration('pushIntervalMs', defaults.pushIntervalMs),
    loadTimeoutMs: read.duration('loadTimeoutMs', defaults.loadTimeoutMs, 1),
    minRefreshIntervalMs: read.duration('minRefreshIntervalMs', defaults.minRefreshIntervalMs),
    maxServices: read.number('maxServices', { default: defaults.maxServices, min: 1, max: 1_000_000, integer: true }),
    bootstrap: readServices('DiscoveryClient: bootstrap', read.raw('bootstrap') ?? {}),
    snapshot: readSnapshotOptions(read.raw('snapshot')),
    fallbackAfterMs: read.duration('fallbackAfterMs', defaults.fallbackAfterMs),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

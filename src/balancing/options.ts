import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { type EjectionOptions, type EjectionRules, readEjectionOptions } from './ejection-options.ts'
import { readZoneOptions, type ZoneOptions, type ZoneRules } from './locality.ts'
import { readSlowStartOptions, type SlowStartOptions, type SlowStartRules } from './slow-start.ts'
import { leastConnections } from './strategies/least-connections.ts'
import type { Strategy } from './strategy.ts'
import { readSubsetOptions, type SubsetOptions, type SubsetRules } from './subset.ts'

/** Options of a {@link LoadBalancer} that may also be changed while it works. */
export interface LoadBalancerChanges {
  /** Which of the eligible instances gets a call. @default leastConnections() */
  readonly strategy?: Strategy
  /** When failing instances are left out; `false` never. @default {} (5 in a row, 30 s, at most half of them) */
  readonly ejection?: EjectionOptions | false
  /**
   * The share of instances, from 0 to 1, below which health and ejection are no longer believed: when fewer are
   * eligible, calls go to all that are neither starting, stopping nor drained. Few healthy ones would break under the
   * load of all, and a fault of the health checks is likelier than one of most instances. 0 never panics.
   * @default 0.5 (Envoy)
   */
  readonly panicThreshold?: number
  /**
   * The longest that an instance is left alone for a Retry-After, in milliseconds; 0 never. A longer wish is cut down to
   * this. @default 30_000
   */
  readonly maxRestMs?: number
  /**
   * How an instance that is new, or back, grows into its share; `false` gives it all at once. @default false (Envoy, nginx)
   */
  readonly slowStart?: SlowStartOptions | false
  /** The own zone, whose instances are preferred; `false` lets calls go to all zones alike. @default false */
  readonly zone?: string | ZoneOptions | false
  /** Talks to some of the instances only; `false` to all. @default false */
  readonly subset?: SubsetOptions | false
}

/** Options of a {@link LoadBalancer}. */
export interface LoadBalancerOptions extends LoadBalancerChanges {
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/** @internal */
export interface BalancerSettings {
  readonly strategy: Strategy
  readonly ejection: EjectionRules
  readonly panicThreshold: number
  readonly maxRestMs: number
  readonly slowStart: SlowStartRules | undefined
  readonly zone: ZoneRules | undefined
  readonly subset: SubsetRules | undefined
  readonly clock: Clock
  readonly random: Random
}

export const BALANCER_DEFAULTS: { readonly panicThreshold: number; readonly maxRestMs: number } =
  /* @__PURE__ */ Object.freeze({
    panicThreshold: 0.5,
    maxRestMs: 30_000,
  })

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readBalancerOptions(options: LoadBalancerOptions | undefined): BalancerSettings {
  const read = new OptionReader('LoadBalancer', options)
  const settings: BalancerSettings = {
    ...readChanges(read),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

/** @internal What is not named stays as it is; what is named is replaced as a whole. */
export function changedBalancerSettings(changes: LoadBalancerChanges, now: BalancerSettings): BalancerSettings {
  const read = new OptionReader('LoadBalancer.configure', changes)
  const wanted: Omit<BalancerSettings, 'clock' | 'random'> = readChanges(read)
  read.end()
  const settings = { ...now }
  for (const name of Object.keys(changes) as (keyof LoadBalancerChanges)[]) {
    if (changes[name] !== undefined) Object.assign(settings, { [name]: wanted[name] })
  }
  return settings
}

function readChanges(read: OptionReader): Omit<BalancerSettings, 'clock' | 'random'> {
  const { panicThreshold, maxRestMs } = BALANCER_DEFAULTS
  return {
    strategy: read.implementing<Strategy>('strategy', ['create'], leastConnections()),
    ejection: readEjectionOptions(read.raw('ejection')),
    panicThreshold: read.number('panicThreshold', { default: panicThreshold, min: 0, max: 1 }),
    maxRestMs: read.duration('maxRestMs', maxRestMs),
    slowStart: readSlowStartOptions(read.raw('slowStart')),
    zone: readZoneOptions(read.raw('zone')),
    subset: readSubsetOptions(read.raw('subset')),
  }
}

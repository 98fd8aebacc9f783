import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { type EjectionOptions, type EjectionRules, readEjectionOptions } from './ejection-options.ts'
import { leastConnections } from './strategies/least-connections.ts'
import type { Strategy } from './strategy.ts'

/** Options of a {@link LoadBalancer}. */
export interface LoadBalancerOptions {
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
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/** @internal */
export interface BalancerSettings {
  readonly strategy: Strategy
  readonly ejection: EjectionRules
  readonly panicThreshold: number
  readonly clock: Clock
  readonly random: Random
}

export const BALANCER_DEFAULTS: { readonly panicThreshold: number } = /* @__PURE__ */ Object.freeze({
  panicThreshold: 0.5,
})

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readBalancerOptions(options: LoadBalancerOptions | undefined): BalancerSettings {
  const read = new OptionReader('LoadBalancer', options)
  const settings: BalancerSettings = {
    strategy: read.implementing<Strategy>('strategy', ['create'], leastConnections()),
    ejection: readEjectionOptions(read.raw('ejection')),
    panicThreshold: read.number('panicThreshold', { default: BALANCER_DEFAULTS.panicThreshold, min: 0, max: 1 }),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

import { classifyByAttribution } from '../core/attribution.ts'
import { OptionReader } from '../core/options.ts'
import type { Classify } from '../core/outcome.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'

/** Options of an {@link AdaptiveThrottle}. */
export interface AdaptiveThrottleOptions {
  /** Calls per accepted one that are let through, from 1: the lower, the sooner it refuses. @default 2 */
  readonly k?: number
  /** How far back it looks, in milliseconds from 100. Longer than a call may take. @default 120_000 */
  readonly windowMs?: number
  /** Calls in the window below which it never refuses; an integer from 0. @default 20 */
  readonly minimumCalls?: number
  /** The largest share of calls it refuses, above 0 up to 1. @default 0.9 */
  readonly maxRejection?: number
  /**
   * What an outcome says: `success` is accepted, `failure` is not, `ignore` does not count. One that throws is reported as
   * an `error` event, and the default decides.
   * @default every result a success; every error a failure, unless this process made it itself (`local`)
   */
  readonly classify?: Classify
  /** Reports what it would refuse, and lets everything through. @default false */
  readonly dryRun?: boolean
  /** Stands in errors and events. @default 'adaptive throttle' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /** A source of chance. @default the system's */
  readonly random?: Random
}

/** What `configure` can change. */
export type AdaptiveThrottlePatch = Partial<Omit<AdaptiveThrottleOptions, 'name' | 'clock' | 'random'>>

/** @internal */
export interface AdaptiveThrottleSettings {
  readonly k: number
  readonly windowMs: number
  readonly minimumCalls: number
  readonly maxRejection: number
  readonly classify: Classify
  readonly dryRun: boolean
  readonly name: string
  readonly clock: Clock
  readonly random: Random
}

/**
 * The defaults of {@link AdaptiveThrottleOptions}. `k` and the window are the SRE book's. Its formula alone refuses half of
 * the calls after one failure, so there is a minimum (Hystrix's 20), and all but one in a window after an outage, so that it
 * takes minutes to notice the end of it: hence a cap (failsafe-go's 0.9; Envoy's admission control has 0.8).
 */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  k: 2,
  windowMs: 120_000,
  minimumCalls: 20,
  maxRejection: 0.9,
  dryRun: false,
  name: 'adaptive throttle',
})

/** @internal Checks and copies. */
export function readAdaptiveThrottleOptions(options: AdaptiveThrottleOptions | undefined): AdaptiveThrottleSettings {
  const read = new OptionReader('AdaptiveThrottle', options)
  const settings: AdaptiveThrottleSettings = {
    k: read.number('k', { default: DEFAULTS.k, min: 1 }),
    windowMs: read.duration<number>('windowMs', DEFAULTS.windowMs, 100),
    minimumCalls: read.number('minimumCalls', { default: DEFAULTS.minimumCalls, min: 0, integer: true }),
    maxRejection: read.number('maxRejection', { default: DEFAULTS.maxRejection, min: 0, above: true, max: 1 }),
    classify: read.function<Classify>('classify', classifyByAttribution),
    dryRun: read.boolean('dryRun', DEFAULTS.dryRun),
    name: read.string<string>('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function<Random>('random', systemRandom),
  }
  read.end()
  return settings
}

import { OptionReader } from '../core/options.ts'
import type { Classify } from '../core/outcome.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import type { LimitAlgorithm } from './limit-algorithm.ts'
import { classifyByOverload } from './overload.ts'
import { vegas } from './vegas.ts'

/** Options of an {@link AdaptiveLimiter}. */
export interface AdaptiveLimiterOptions {
  /** How it finds the limit: `vegas()`, `gradient2()`, `aimd()`, or one of your own. @default vegas() */
  readonly algorithm?: LimitAlgorithm
  /** What it begins with, an integer from `minLimit` to `maxLimit`. @default 20, or the nearest that fits */
  readonly initialLimit?: number | undefined
  /** It never goes below, an integer from 1. @default 1 */
  readonly minLimit?: number
  /** It never goes above, an integer from 1. @default 200 */
  readonly maxLimit?: number
  /**
   * What an outcome says: `success` is a latency, `failure` a drop, `ignore` nothing. One that throws is reported as an
   * `error` event, and the default decides.
   * @default every result a success; timeouts, 429 and 503 a failure; every other error ignored
   */
  readonly classify?: Classify
  /** Reports what it would refuse, and lets everything through. @default false */
  readonly dryRun?: boolean
  /** Stands in errors and events. @default 'adaptive limiter' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /** A source of chance, for algorithms that use it. @default the system's */
  readonly random?: Random
}

/** What `configure` can change. */
export type AdaptiveLimiterPatch = Partial<Omit<AdaptiveLimiterOptions, 'initialLimit' | 'name' | 'clock' | 'random'>>

/** @internal */
export interface AdaptiveLimiterSettings {
  readonly algorithm: LimitAlgorithm
  readonly initialLimit: number
  readonly minLimit: number
  readonly maxLimit: number
  readonly classify: Classify
  readonly dryRun: boolean
  readonly name: string
  readonly clock: Clock
  readonly random: Random
}

/** The defaults of {@link AdaptiveLimiterOptions}. The limits are failsafe-go's, the start also Netflix's. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  initialLimit: 20,
  minLimit: 1,
  maxLimit: 200,
  dryRun: false,
  name: 'adaptive limiter',
})

/** @internal Checks and copies. `algorithm`: the one in use, which a patch without one keeps. */
export function readAdaptiveLimiterOptions(options: AdaptiveLimiterOptions | undefined): AdaptiveLimiterSettings {
  const read = new OptionReader('AdaptiveLimiter', options)
  const minLimit = read.number('minLimit', { default: DEFAULTS.minLimit, min: 1, integer: true })
  const maxLimit = read.number('maxLimit', { default: DEFAULTS.maxLimit, min: 1, integer: true })
  if (maxLimit < minLimit) read.refuse('maxLimit', `an integer from minLimit, which is ${minLimit}`)
  const settings: AdaptiveLimiterSettings = {
    algorithm: read.implementing<LimitAlgorithm>('algorithm', ['create'], vegas()),
    initialLimit: read.number('initialLimit', {
      default: Math.min(maxLimit, Math.max(minLimit, DEFAULTS.initialLimit)),
      min: minLimit,
      max: maxLimit,
      integer: true,
    }),
    minLimit,
    maxLimit,
    classify: read.function<Classify>('classify', classifyByOverload),
    dryRun: read.boolean('dryRun', DEFAULTS.dryRun),
    name: read.string<string>('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function<Random>('random', systemRandom),
  }
  read.end()
  return settings
}

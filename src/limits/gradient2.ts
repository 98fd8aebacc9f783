import { OptionReader } from '../core/options.ts'
import { Ewma } from '../stats/ewma.ts'
import { SampleWindow } from '../stats/sample-window.ts'
import { type LimitAlgorithm, type LimitEstimator, type LimitSample, usesLimit } from './limit-algorithm.ts'

export interface Gradient2Options {
  /** How long it watches before each step, in milliseconds from 1; two round trips where those take longer. @default 1_000 */
  readonly windowMs?: number
  /** Calls a step needs at least, an integer from 1. @default 10 */
  readonly minSamples?: number
  /** How many windows the normal latency is an average of, an integer from 1. @default 600 */
  readonly longWindow?: number
  /** How often the normal latency is still normal, from 1. @default 1.5 */
  readonly tolerance?: number
  /** Calls that may queue at the service, from 1: what the limit grows by. @default 4 */
  readonly queueSize?: number
  /** Share of each step that is taken, above 0 up to 1. @default 0.2 */
  readonly smoothing?: number
}

/** The defaults of {@link Gradient2Options}: those of Netflix's Gradient2Limit and WindowedLimit. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  windowMs: 1_000,
  minSamples: 10,
  longWindow: 600,
  tolerance: 1.5,
  queueSize: 4,
  smoothing: 0.2,
})

/** The least that one window leaves of the limit, before smoothing: outliers must not close a service. */
const STEEPEST = 0.5

/**
 * Compares the latency of now with that of the last minutes: it grows while the two are alike, and shrinks as they part.
 *
 * When to use: where latency changes with the work (other routes, other sizes), so that there is no lowest one to go by.
 *
 * Gotcha: an overload that lasts becomes normal. Under a load that is always at the limit it grows slowly on, so give the
 * limiter a `maxLimit` that you mean.
 *
 * `gradient = max(0.5, min(1, tolerance × long / short))`; `limit = (1 - smoothing) × limit + smoothing × (gradient × limit +
 * queueSize)`, in a window with a drop `limit = (1 - smoothing / 2) × limit`; while the long average is above twice the short one, it loses 5 % per window. Source:
 * Netflix's Gradient2Limit in its WindowedLimit, which takes no notice of drops.
 */
export function gradient2(options?: Gradient2Options): LimitAlgorithm {
  const read = new OptionReader('gradient2', options)
  const windowMs = read.duration('windowMs', DEFAULTS.windowMs, 1)
  const minSamples = read.number('minSamples', { default: DEFAULTS.minSamples, min: 1, integer: true })
  const longWindow = read.number('longWindow', { default: DEFAULTS.longWindow, min: 1, integer: true })
  const rules: Rules = {
    tolerance: read.number('tolerance', { default: DEFAULTS.tolerance, min: 1 }),
    queueSize: read.number('queueSize', { default: DEFAULTS.queueSize, min: 1 }),
    smoothing: read.number('smoothing', { default: DEFAULTS.smoothing, min: 0, above: true, max: 1 }),
  }
  read.end()
  return Object.freeze({
    name: 'gradient2',
    create: () => new Gradient2(new SampleWindow(windowMs, minSamples), new Ewma(longWindow), rules),
  })
}

interface Rules {
  readonly tolerance: number
  readonly queueSize: number
  readonly smoothing: number
}

class Gradient2 implements LimitEstimator {
  readonly #window: SampleWindow
  readonly #long: Ewma
  readonly #rules: Rules

  constructor(window: SampleWindow, long: Ewma, rules: Rules) {
    this.#window = window
    this.#long = long
    this.#rules = rules
  }

  next({ endedAt, latencyMs, inFlight, dropped }: LimitSample, limit: number): number {
    const seen = this.#window.add(latencyMs, inFlight, dropped, endedAt)
    if (seen === undefined) return limit
    const similar = seen.averageMs === undefined ? STEEPEST : this.#similarity(seen.averageMs)
    if (!seen.dropped && !usesLimit(seen.maxInFlight, limit)) return limit
    const { queueSize, smoothing } = this.#rules
    const target = seen.dropped ? STEEPEST * limit : Math.max(STEEPEST, Math.min(1, similar)) * limit + queueSize
    return (1 - smoothing) * limit + smoothing * target
  }

  /** Also learned from windows that say nothing about the limit: they do about the latency. */
  #similarity(shortMs: number): number {
    const longMs = this.#long.add(shortMs)
    if (longMs > 2 * shortMs) this.#long.scale(0.95)
    return shortMs === 0 ? 1 : (this.#rules.tolerance * longMs) / shortMs
  }
}

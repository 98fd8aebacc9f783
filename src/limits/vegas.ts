import { OptionReader } from '../core/options.ts'
import { SampleWindow, type WindowSummary } from '../stats/sample-window.ts'
import type { Random } from '../time/random.ts'
import { type LimitAlgorithm, type LimitEstimator, type LimitSample, usesLimit } from './limit-algorithm.ts'

export interface VegasOptions {
  /** How long it watches before each step, in milliseconds from 1; two round trips where those take longer. @default 1_000 */
  readonly windowMs?: number
  /** Calls a step needs at least, an integer from 1. @default 10 */
  readonly minSamples?: number
  /** Looks for the latency without a queue every so many windows, times the limit; from 1. @default 30 */
  readonly probeMultiplier?: number
}

/** The defaults of {@link VegasOptions}: those of Netflix's VegasLimit, and the shortest window of its WindowedLimit. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ windowMs: 1_000, minSamples: 10, probeMultiplier: 30 })

/**
 * Keeps a few calls queueing at the service, and no more: what latency exceeds that without a queue is taken for queueing.
 *
 * When to use: the default. It needs no drops to find the limit, and no idea of what latency is normal.
 *
 * Gotcha: a service that slows down for good looks overloaded until the next probe. Ten windows after it began, and then
 * every 30 × limit windows (at random, up to half of that sooner), it halves the limit for two windows to see the latency
 * without a queue.
 *
 * `queue = ceil(limit × (1 - unloaded / latency))`, with `log = max(1, floor(log10(limit)))`: up to `log` in the queue the
 * limit grows by `6 × log`, below `3 × log` by `log`, above `6 × log` it shrinks by `log`, as after a drop. Source: TCP Vegas
 * (Brakmo and Peterson, 1995) as in Netflix's VegasLimit in its WindowedLimit. Different here: `unloaded` is a mean of windows
 * without a queue where Netflix has the lowest ever, which with latencies that scatter is luck and keeps the limit too low;
 * and a probe drains the queue first, where Netflix takes whatever latency is there, queue included, and creeps up with it.
 */
export function vegas(options?: VegasOptions): LimitAlgorithm {
  const read = new OptionReader('vegas', options)
  const windowMs = read.duration('windowMs', DEFAULTS.windowMs, 1)
  const minSamples = read.number('minSamples', { default: DEFAULTS.minSamples, min: 1, integer: true })
  const probeMultiplier = read.number('probeMultiplier', { default: DEFAULTS.probeMultiplier, min: 1 })
  read.end()
  return Object.freeze({
    name: 'vegas',
    create: ({ random }) => new Vegas(new SampleWindow(windowMs, minSamples), probeMultiplier, random),
  } satisfies LimitAlgorithm)
}

/** Netflix's unit of alpha, beta and every step. */
function unit(limit: number): number {
  return Math.max(1, Math.floor(Math.log10(limit)))
}

/** Windows before the first probe: what it began with may have been too much already. */
const FIRST_PROBE = 10

/** How much of a window without a queue goes into the latency that is taken for unloaded. */
const LEARNING = 0.2

/** While it probes: the limit to go back to, and whether calls from before may still be in the window. */
interface Probe {
  readonly limit: number
  drained: boolean
}

class Vegas implements LimitEstimator {
  readonly #window: SampleWindow
  readonly #probeMultiplier: number
  readonly #random: Random
  #unloadedMs: number | undefined
  #windows = 0
  /** Windows between probes, per call of the limit; undefined before the first. */
  #spacing: number | undefined
  #probe: Probe | undefined

  constructor(window: SampleWindow, probeMultiplier: number, random: Random) {
    this.#window = window
    this.#probeMultiplier = probeMultiplier
    this.#random = random
  }

  next({ endedAt, latencyMs, inFlight, dropped }: LimitSample, limit: number): number {
    const seen = this.#window.add(latencyMs, inFlight, dropped, endedAt)
    if (seen === undefined) return limit
    if (this.#probe !== undefined) return this.#probed(this.#probe, seen, limit)
    this.#windows += 1
    if (this.#windows >= (this.#spacing === undefined ? FIRST_PROBE : this.#spacing * limit)) {
      this.#probe = { limit, drained: false }
      return limit / 2
    }
    return this.#step(seen, limit)
  }

  #step({ averageMs, maxInFlight, dropped }: WindowSummary, limit: number): number {
    const log = unit(limit)
    if (averageMs === undefined) return limit - log
    this.#unloadedMs ??= averageMs
    const queue = averageMs === 0 ? 0 : Math.ceil(limit * (1 - this.#unloadedMs / averageMs))
    // A mean of those without a queue, and not the lowest ever: of many windows one is the luckiest, and never met again.
    if (queue <= log) this.#unloadedMs += LEARNING * (averageMs - this.#unloadedMs)
    if (dropped) return limit - log
    if (!usesLimit(maxInFlight, limit)) return limit
    if (queue <= log) return limit + 6 * log
    if (queue < 3 * log) return limit + log
    return queue > 6 * log ? limit - log : limit
  }

  /** The first window drains the queue; the second sees the service without one. */
  #probed(probe: Probe, { averageMs }: WindowSummary, limit: number): number {
    if (!probe.drained) {
      probe.drained = true
      return limit
    }
    if (averageMs !== undefined) this.#unloadedMs = averageMs
    this.#probe = undefined
    this.#windows = 0
    // At random: clients that started together would otherwise probe together.
    this.#spacing = this.#probeMultiplier * (0.5 + this.#random() / 2)
    return probe.limit
  }
}

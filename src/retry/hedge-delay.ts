import { OptionReader } from '../core/options.ts'
import { RollingQuantile } from '../stats/quantile.ts'

/** How long a try may take before another one is begun beside it. Pure: `now` is passed in. */

export interface HedgeDelay {
  /** How far back it looks, in milliseconds; undefined when it does not look back. */
  readonly windowMs: number | undefined
  /** What stands in a summary: "100 ms". */
  readonly words: string
  /** Milliseconds; undefined while too little is known. */
  delayMs(now: number): number | undefined
  record(latencyMs: number, now: number): void
}

export interface PercentileDelayOptions {
  /**
   * The share of calls, above 0 and up to 1, that is left alone: the rest is hedged, so that 0.95 means about 5 % more
   * calls. Source: Dean and Barroso, "The Tail at Scale", CACM 2013. @default 0.95
   */
  readonly percentile?: number
  /**
   * The shortest delay, in milliseconds from 0: without one, a service that answers from memory would be hedged at once.
   * Source: Finagle's BackupRequestFilter. @default 1
   */
  readonly minimumMs?: number
  /** The longest delay, in milliseconds from 0. @default none */
  readonly maximumMs?: number
  /** How long latencies are remembered, in milliseconds from 1000. Source: Finagle, 3 slices of 10 s. @default 30_000 */
  readonly windowMs?: number
  /**
   * Latencies that must be known before anything is hedged; an integer from 1. 20 are the fewest of which one is above
   * the 95th percentile. @default 20
   */
  readonly minimumSamples?: number
}

/** The defaults of {@link PercentileDelayOptions}. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  percentile: 0.95,
  minimumMs: 1,
  windowMs: 30_000,
  minimumSamples: 20,
})

export function fixedDelay(delayMs: number): HedgeDelay {
  return { windowMs: undefined, words: `${delayMs} ms`, delayMs: () => delayMs, record: () => {} }
}

export function percentileDelay(options: unknown): HedgeDelay {
  const read = new OptionReader('Hedge: delay', options)
  const percentile = read.number('percentile', { default: DEFAULTS.percentile, min: 0, above: true, max: 1 })
  const minimumMs = read.duration('minimumMs', DEFAULTS.minimumMs)
  const maximumMs = read.duration('maximumMs', undefined) ?? Number.POSITIVE_INFINITY
  if (maximumMs < minimumMs) read.refuse('maximumMs', `at least minimumMs (${minimumMs})`)
  const windowMs = read.duration('windowMs', DEFAULTS.windowMs, 1_000)
  const minimumSamples = read.number('minimumSamples', { default: DEFAULTS.minimumSamples, min: 1, integer: true })
  read.end()
  const latencies = new RollingQuantile(percentile, windowMs)
  return {
    windowMs,
    words: `the time that ${Number((percentile * 100).toFixed(3))} % of the calls need`,
    delayMs: (now) => {
      if (latencies.samples(now) < minimumSamples) return undefined
      return Math.min(maximumMs, Math.max(minimumMs, latencies.value(now) as number))
    },
    // Whoever measures by himself may hand in anything; Infinity would count as an hour.
    record: (latencyMs, now) => {
      if (Number.isFinite(latencyMs) && latencyMs >= 0) latencies.add(latencyMs, now)
    },
  }
}

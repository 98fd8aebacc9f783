import { OptionReader } from '../core/options.ts'
import { type LimitAlgorithm, type LimitEstimator, type LimitSample, usesLimit } from './limit-algorithm.ts'

export interface AimdOptions {
  /** What is left of the limit after a drop, from 0.5 to below 1. @default 0.9 */
  readonly backoffRatio?: number
  /** An answer that took longer counts as a drop; milliseconds from 1. @default 5_000 */
  readonly maxLatencyMs?: number
}

/** The defaults of {@link AimdOptions}: those of Netflix's AIMDLimit. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ backoffRatio: 0.9, maxLatencyMs: 5_000 })

/**
 * Additive increase, multiplicative decrease: one more per round trip, a tenth less after a drop.
 *
 * When to use: where the service says that it is overloaded, or has a latency it must not exceed. Gotcha: it only stops
 * growing when something is dropped, so a service that queues without end makes it fill the queue, up to `maxLatencyMs`.
 *
 * `limit += 1 / limit` per answer that used the limit, `limit = min(limit - 1, backoffRatio × limit)` per drop, at most
 * once per round trip: what began before the last cut says nothing about the limit since. Source: TCP congestion avoidance
 * (RFC 5681, 3.1), with the numbers of Netflix's AIMDLimit, which adds 1 and cuts at every sample.
 */
export function aimd(options?: AimdOptions): LimitAlgorithm {
  const read = new OptionReader('aimd', options)
  const backoffRatio = read.number('backoffRatio', { default: DEFAULTS.backoffRatio, min: 0.5, max: 1 })
  if (backoffRatio === 1) read.refuse('backoffRatio', 'below 1')
  const maxLatencyMs = read.duration('maxLatencyMs', DEFAULTS.maxLatencyMs, 1)
  read.end()
  return Object.freeze({ name: 'aimd', create: () => new Aimd(backoffRatio, maxLatencyMs) })
}

class Aimd implements LimitEstimator {
  readonly #backoffRatio: number
  readonly #maxLatencyMs: number
  /** When the limit was last cut. */
  #cutAt: number | undefined

  constructor(backoffRatio: number, maxLatencyMs: number) {
    this.#backoffRatio = backoffRatio
    this.#maxLatencyMs = maxLatencyMs
  }

  next({ startedAt, endedAt, latencyMs, inFlight, dropped }: LimitSample, limit: number): number {
    if (!dropped && latencyMs <= this.#maxLatencyMs) return usesLimit(inFlight, limit) ? limit + 1 / limit : limit
    // A cut in the future: the clock went backwards, and nothing would be cut until it is back.
    if (this.#cutAt !== undefined && startedAt < this.#cutAt && this.#cutAt <= endedAt) return limit
    this.#cutAt = endedAt
    return Math.min(limit - 1, limit * this.#backoffRatio)
  }
}

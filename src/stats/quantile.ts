/**
 * A quantile of what was recorded over the last `windowMs`, in a memory and a time that do not depend on how much that was.
 *
 * Values are counted in buckets that grow by a fixed ratio, so the answer is wrong by at most
 * {@link RollingQuantile.RELATIVE_ERROR} of itself between 0.1 ms and an hour, whatever the distribution. The buckets are
 * DDSketch's (Masson, Rim, Lee, VLDB 2019): γ = (1 + α) / (1 - α), bucket i holds (γ^(i-1), γ^i], and answers with the value
 * that is equally far, relatively, from both ends. Rejected: keeping and sorting samples (a sort of 200,000 of them blocks
 * the event loop for 16 ms), and P², which cannot forget.
 */

const ALPHA = 0.05
const GAMMA = (1 + ALPHA) / (1 - ALPHA)
const LOG_GAMMA = Math.log(GAMMA)
/** Milliseconds. Whatever is shorter or longer counts as these. */
const LOWEST = 0.1
const HIGHEST = 3_600_000
const BUCKETS = Math.ceil(Math.log(HIGHEST / LOWEST) / LOG_GAMMA) + 1

/** As many as Finagle's WindowedPercentileHistogram has: it saw no difference with more. */
const SLICES = 3

export class RollingQuantile {
  /** How far an answer may be from the true one, relative to it. */
  static readonly RELATIVE_ERROR: number = ALPHA

  readonly #quantile: number
  readonly #sliceMs: number
  /** counts[slice * BUCKETS + bucket] */
  readonly #counts = new Uint32Array(SLICES * BUCKETS)
  readonly #totals = new Uint32Array(BUCKETS)
  /** The period a slice belongs to. Of one that holds nothing it does not matter. */
  readonly #periods = new Float64Array(SLICES)
  #latest = Number.NEGATIVE_INFINITY
  #samples = 0

  /**
   * @param quantile Above 0, up to 1: 0.95 is the value that 95 of 100 do not exceed.
   * @param windowMs What is remembered is between two thirds of it and all of it.
   */
  constructor(quantile: number, windowMs: number) {
    this.#quantile = quantile
    this.#sliceMs = windowMs / SLICES
  }

  /** Counts one value, in milliseconds. What is no duration (NaN, or below 0 after a clock went backwards) is dropped. */
  add(value: number, now: number): void {
    if (!(value >= 0)) return
    const slice = this.#roll(now)
    const bucket = bucketOf(value)
    const at = slice * BUCKETS + bucket
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#totals[bucket] = (this.#totals[bucket] as number) + 1
    this.#samples += 1
  }

  /** Values remembered. */
  samples(now: number): number {
    this.#roll(now)
    return this.#samples
  }

  /** The quantile, in milliseconds: the smallest value that at least so large a share does not exceed. Undefined without any. */
  value(now: number): number | undefined {
    this.#roll(now)
    if (this.#samples === 0) return undefined
    // From the top: the quantiles worth asking for are high, and their rank there is small.
    let above = this.#samples - Math.ceil(this.#quantile * this.#samples)
    let bucket = BUCKETS - 1
    for (; bucket > 0; bucket -= 1) {
      const count = this.#totals[bucket] as number
      if (count > above) break
      above -= count
    }
    return bucket === 0 ? LOWEST : (LOWEST * GAMMA ** bucket * 2) / (1 + GAMMA)
  }

  clear(): void {
    this.#counts.fill(0)
    this.#totals.fill(0)
    this.#latest = Number.NEGATIVE_INFINITY
    this.#samples = 0
  }

  /** Forgets what is too old by `now`, and returns the slice that `now` falls into. */
  #roll(now: number): number {
    const period = Math.floor(now / this.#sliceMs)
    const current = ((period % SLICES) + SLICES) % SLICES
    if (period === this.#latest) return current
    // A clock that went backwards would make old slices look fresh for ever: forget them.
    if (period < this.#latest) this.clear()
    this.#latest = period
    for (let slice = 0; slice < SLICES; slice += 1) {
      if ((this.#periods[slice] as number) <= period - SLICES) this.#forget(slice * BUCKETS)
    }
    this.#periods[current] = period
    return current
  }

  #forget(from: number): void {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const count = this.#counts[from + bucket] as number
      this.#totals[bucket] = (this.#totals[bucket] as number) - count
      this.#samples -= count
    }
    this.#counts.fill(0, from, from + BUCKETS)
  }
}

function bucketOf(value: number): number {
  return Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log(value / LOWEST) / LOG_GAMMA)))
}

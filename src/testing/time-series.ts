/** Counts by moment: how many fell into each bucket of `bucketMs`. */
export class TimeSeries {
  readonly bucketMs: number
  readonly #counts: number[] = []

  /** @param bucketMs Width of a bucket, in milliseconds above 0. */
  constructor(bucketMs = 1_000) {
    if (!(bucketMs > 0)) throw new RangeError(`TimeSeries: bucketMs must be above 0, got ${String(bucketMs)}`)
    this.bucketMs = bucketMs
  }

  /** Counts by bucket, the first one beginning at 0. */
  get values(): readonly number[] {
    return this.#counts
  }

  add(timeMs: number): void {
    const bucket = Math.floor(timeMs / this.bucketMs)
    // Filled up to it: an array with holes is slow to read and to write.
    while (this.#counts.length <= bucket) this.#counts.push(0)
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
  }

  /** How many in the bucket of this moment. */
  at(timeMs: number): number {
    return this.#counts[Math.floor(timeMs / this.bucketMs)] ?? 0
  }

  /** How many in the buckets that begin in `[fromMs, untilMs)`. */
  sum(fromMs: number, untilMs: number): number {
    let sum = 0
    const end = Math.min(this.#counts.length, Math.ceil(untilMs / this.bucketMs))
    for (let i = Math.max(0, Math.ceil(fromMs / this.bucketMs)); i < end; i += 1) sum += this.#counts[i] as number
    return sum
  }
}

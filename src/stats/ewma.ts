/**
 * An exponentially weighted moving average over about `samples` of them: each weighs `2 / (samples + 1)`. The first
 * `warmup` are averaged plainly, so that the very first does not stand for all.
 *
 * Source: ExpAvgMeasurement of Netflix's concurrency-limits.
 */
export class Ewma {
  readonly #weight: number
  readonly #warmup: number
  #count = 0
  #value = 0

  constructor(samples: number, warmup = 10) {
    this.#weight = 2 / (samples + 1)
    this.#warmup = warmup
  }

  /** 0 before the first sample. */
  get value(): number {
    return this.#value
  }

  /** Takes a sample in, and returns the new average. */
  add(sample: number): number {
    let weight = this.#weight
    if (this.#count < this.#warmup) {
      this.#count += 1
      weight = 1 / this.#count
    }
    this.#value += weight * (sample - this.#value)
    return this.#value
  }

  /** Multiplies the average: for a reader who knows that it is off. */
  scale(factor: number): void {
    this.#value *= factor
  }
}

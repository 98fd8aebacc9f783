/** Every value, and exact quantiles of them. 8 bytes a sample: a million calls are 8 MB. */
export class Samples {
  #values = new Float64Array(1_024)
  #count = 0
  #sum = 0
  #sorted = true

  get count(): number {
    return this.#count
  }

  /** NaN without samples. */
  get mean(): number {
    return this.#sum / this.#count
  }

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count] = value
    this.#count += 1
    this.#sum += value
    this.#sorted = false
  }

  /**
   * The smallest sample that at least this share of all do not exceed (nearest rank: no value that never was); NaN without
   * samples.
   *
   * @param share From 0, the smallest, to 1, the largest.
   */
  quantile(share: number): number {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`Samples: share must be from 0 to 1, got ${String(share)}`)
    if (this.#count === 0) return Number.NaN
    if (!this.#sorted) this.#values.subarray(0, this.#count).sort()
    this.#sorted = true
    return this.#values[Math.max(0, Math.ceil(share * this.#count) - 1)] as number
  }
}

/** A quantile of the last few values, exactly. Adding and asking are a shift of at most `size` numbers. */
export class RecentQuantile {
  readonly #size: number
  readonly #quantile: number
  /** In the order in which they came, from #next on; and by size. */
  readonly #ring: number[] = []
  readonly #sorted: number[] = []
  #next = 0

  /**
   * @param quantile From 0 (the smallest) up to 1 (the largest).
   * @param size Values remembered.
   */
  constructor(quantile: number, size: number) {
    this.#quantile = quantile
    this.#size = size
  }

  add(value: number): void {
    if (this.#ring.length === this.#size) this.#sorted.splice(this.#sorted.indexOf(this.#ring[this.#next] as number), 1)
    this.#ring[this.#next] = value
    this.#next = this.#next + 1 < this.#size ? this.#next + 1 : 0
    let at = this.#sorted.length
    while (at > 0 && (this.#sorted[at - 1] as number) > value) at -= 1
    this.#sorted.splice(at, 0, value)
  }

  /** The smallest value that at least so large a share does not exceed; undefined before the first. */
  get value(): number | undefined {
    return this.#sorted[Math.max(0, Math.ceil(this.#quantile * this.#sorted.length) - 1)]
  }
}

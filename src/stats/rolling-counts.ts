/**
 * A few counters over the last `windowMs`, in slices that expire one by one. Time is passed in; a spell without calls
 * costs nothing and forgets everything, because slices are stamped with the period they belong to instead of being
 * rotated by a timer or by the calls (a sampler that rotates one slice per call still remembers an hour-old outage).
 *
 * Adding is O(1), memory and the roll to a new slice are O(slices), whatever the number of calls.
 */
export class RollingCounts {
  readonly #sliceMs: number
  readonly #slices: number
  readonly #columns: number
  /** counts[slice * columns + column] */
  readonly #counts: Float64Array
  readonly #totals: Float64Array
  readonly #periods: Float64Array
  #latest = Number.NEGATIVE_INFINITY

  /** @param slices More are more exact: what is remembered is between `windowMs` less one slice and `windowMs`. */
  constructor(windowMs: number, columns: number, slices = 10) {
    this.#sliceMs = windowMs / slices
    this.#slices = slices
    this.#columns = columns
    this.#counts = new Float64Array(slices * columns)
    this.#totals = new Float64Array(columns)
    this.#periods = new Float64Array(slices).fill(Number.NEGATIVE_INFINITY)
  }

  add(column: number, now: number): void {
    const at = this.#roll(now) * this.#columns + column
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#totals[column] = (this.#totals[column] as number) + 1
  }

  total(column: number, now: number): number {
    this.#roll(now)
    return this.#totals[column] as number
  }

  clear(): void {
    this.#counts.fill(0)
    this.#totals.fill(0)
    this.#periods.fill(Number.NEGATIVE_INFINITY)
    this.#latest = Number.NEGATIVE_INFINITY
  }

  /** Forgets what is too old by `now`, and returns the slice that `now` falls into. */
  #roll(now: number): number {
    const period = Math.floor(now / this.#sliceMs)
    const current = ((period % this.#slices) + this.#slices) % this.#slices
    if (period === this.#latest) return current
    // A clock that went backwards would make old slices look fresh for ever: forget them.
    if (period < this.#latest) this.clear()
    this.#latest = period
    for (let slice = 0; slice < this.#slices; slice += 1) {
      if ((this.#periods[slice] as number) > period - this.#slices) continue
      for (let column = 0; column < this.#columns; column += 1) {
        const at = slice * this.#columns + column
        this.#totals[column] = (this.#totals[column] as number) - (this.#counts[at] as number)
        this.#counts[at] = 0
      }
    }
    this.#periods[current] = period
    return current
  }
}

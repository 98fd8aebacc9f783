/**
 * The last `limit` calls by their times, in a ring: a call may go when the oldest of them is `intervalMs` old. Exact at
 * any moment, where counters per window let twice the limit through around a boundary, and two weighted counters guess.
 * Time is passed in; adding and asking are O(1), memory is 8 bytes per call of the limit.
 */
export class SlidingWindowLog {
  #intervalMs: number
  #times: Float64Array
  /** Where the oldest stands; the next call takes its place. */
  #oldest = 0
  #latest = Number.NEGATIVE_INFINITY

  constructor(limit: number, intervalMs: number) {
    this.#intervalMs = intervalMs
    this.#times = new Float64Array(limit).fill(Number.NEGATIVE_INFINITY)
  }

  /** Takes note of a call at `now`, if there is room for it. */
  tryTake(now: number): boolean {
    if (this.waitMs(now) > 0) return false
    this.#times[this.#oldest] = now
    this.#oldest = (this.#oldest + 1) % this.#times.length
    this.#latest = now
    return true
  }

  /** Milliseconds until `calls` more could have gone; 0 when they may now. */
  waitMs(now: number, calls = 1): number {
    if (now < this.#latest) this.#rebase(now)
    const before = calls - 1
    const freed = (this.#time(before % this.#times.length) as number) + this.#intervalMs
    // Whoever comes a whole ring later waits for one who waits himself.
    const rounds = Math.floor(before / this.#times.length)
    return Math.max(0, freed - now) + rounds * this.#intervalMs
  }

  /** Calls that may go now besides those that wait, from 0 to `limit`. */
  available(now: number, waiting = 0): number {
    if (now < this.#latest) this.#rebase(now)
    // The times rise from the oldest on: the first that is too young ends those that are free again.
    let low = 0
    let high = this.#times.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#time(middle) as number) + this.#intervalMs - now > 0) high = middle
      else low = middle + 1
    }
    return Math.max(0, low - waiting)
  }

  /** Other numbers from now on; the latest calls stay remembered. */
  configure(limit: number, intervalMs: number): void {
    const old = this.#times.length
    const times = new Float64Array(limit).fill(Number.NEGATIVE_INFINITY)
    // The latest at the end, so that the free places come first, as the oldest do.
    for (let back = 1; back <= Math.min(old, limit); back += 1) times[limit - back] = this.#time(old - back) as number
    this.#times = times
    this.#oldest = 0
    this.#intervalMs = intervalMs
  }

  /** The time that is `index` places younger than the oldest. */
  #time(index: number): number | undefined {
    return this.#times[(this.#oldest + index) % this.#times.length]
  }

  /** The clock went backwards: what was a moment ago still is, and nobody waits until the clock is back. */
  #rebase(now: number): void {
    const back = this.#latest - now
    for (let index = 0; index < this.#times.length; index += 1) {
      this.#times[index] = (this.#times[index] as number) - back
    }
    this.#latest = now
  }
}

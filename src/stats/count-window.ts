/**
 * A few counters over the last `calls` calls: a ring of two bits per call. The counterpart of `RollingCounts`, which looks
 * back by time; this one reads no clock, and an idle hour forgets nothing.
 *
 * Adding is O(1) whatever the size: the oldest call leaves as the newest comes. A thousand calls take 250 bytes.
 */
export class CountWindow {
  readonly #size: number
  /** The column of each call, two bits each. */
  readonly #ring: Uint8Array
  readonly #totals = new Uint32Array(4)
  #next = 0
  #full = false

  /** @param size Calls to look back on. */
  constructor(size: number) {
    this.#size = size
    this.#ring = new Uint8Array(Math.ceil(size / 4))
  }

  /** @param column 0 to 3. */
  add(column: number): void {
    const at = this.#next
    const cell = at >> 2
    const shift = (at & 3) << 1
    const four = this.#ring[cell] as number
    if (this.#full) this.#count((four >> shift) & 3, -1)
    this.#ring[cell] = (four & ~(3 << shift)) | (column << shift)
    this.#count(column, 1)
    this.#next = at + 1
    if (this.#next === this.#size) {
      this.#next = 0
      this.#full = true
    }
  }

  total(column: number): number {
    return this.#totals[column] as number
  }

  clear(): void {
    // The ring may keep what it says: nothing of it is read before it is written again.
    this.#totals.fill(0)
    this.#next = 0
    this.#full = false
  }

  #count(column: number, by: number): void {
    this.#totals[column] = (this.#totals[column] as number) + by
  }
}

import type { RateMeter } from './rate-limiter-options.ts'

/**
 * The queue of a dry run: how many would be waiting now if it were none. Their calls have long begun, so it is a number; no
 * timer serves it, but whoever comes next, each turn at the time it would have come.
 */
export class ImaginedQueue {
  #size = 0
  /** Up to when turns were given. */
  #at = 0

  get size(): number {
    return this.#size
  }

  /** To be called with the meter as it is `now`, behind a `serve`. */
  join(now: number): void {
    this.#size += 1
    this.#at = now
  }

  /** Gives everybody a turn who would have had it by `now`. */
  serve(meter: RateMeter, now: number): void {
    while (this.#size > 0) {
      const turnAt = this.#at + meter.waitMs(this.#at)
      if (turnAt > now || !meter.tryTake(turnAt)) break
      this.#size -= 1
      this.#at = turnAt
    }
    // Also after a clock went backwards: nobody waits until it is back.
    this.#at = now
  }

  clear(): void {
    this.#size = 0
  }
}

/**
 * A token bucket: refilled evenly, `limit` tokens in `intervalMs`, up to `burst` of them. Time is passed in.
 *
 * What has run in for those who wait is theirs, and no part of the burst: each has a turn at a time that is fixed when he
 * joins (the theoretical arrival time of the GCRA, ITU-T I.371), and a timer that is late takes nothing from those behind.
 *
 * Counted in tokens × `intervalMs`, so that a whole number of milliseconds adds a whole number (`limit` each): with fractions
 * of tokens, a hundred waits of a third of a token add up to a millisecond too many.
 */
export class TokenBucket {
  #limit: number
  #intervalMs: number
  #burst: number
  /** Tokens × intervalMs. */
  #level: number
  #at: number

  /** It begins full. */
  constructor(limit: number, intervalMs: number, burst: number, now: number) {
    this.#limit = limit
    this.#intervalMs = intervalMs
    this.#burst = burst
    this.#level = burst * intervalMs
    this.#at = now
  }

  /**
   * Takes one token, if there is one.
   *
   * @param waiting How many wait for a token, whoever takes this one included if he waited.
   */
  tryTake(now: number, waiting = 0): boolean {
    this.#level = Math.min((this.#burst + waiting) * this.#intervalMs, this.#levelAt(now))
    this.#at = now
    if (this.#level < this.#intervalMs) return false
    this.#level -= this.#intervalMs
    return true
  }

  /** Milliseconds until `calls` more tokens have been there to take; 0 when they are there now. */
  waitMs(now: number, calls = 1): number {
    return Math.max(0, (calls * this.#intervalMs - this.#levelAt(now)) / this.#limit)
  }

  /** Tokens there are besides those of who waits, from 0 to `burst`, with fractions. */
  available(now: number, waiting = 0): number {
    return Math.max(0, Math.min(this.#burst, this.#levelAt(now) / this.#intervalMs - waiting))
  }

  /** Other numbers from now on; the tokens there are stay, as far as they fit. */
  configure(limit: number, intervalMs: number, burst: number, now: number): void {
    const tokens = Math.min(burst, this.available(now))
    this.#limit = limit
    this.#intervalMs = intervalMs
    this.#burst = burst
    this.#level = tokens * intervalMs
    this.#at = now
  }

  /** Uncut, and without taking note: only whoever takes knows how many wait, and so what may stay. */
  #levelAt(now: number): number {
    // A clock that went backwards refills from where it is now, instead of not until it is back.
    if (now < this.#at) this.#at = now
    return this.#level + (now - this.#at) * this.#limit
  }
}

/**
 * A token bucket: refilled evenly, `limit` tokens in `intervalMs`, up to `burst` of them. Time is passed in.
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

  /** Takes one token, if there is one. */
  tryTake(now: number): boolean {
    this.#refill(now)
    if (this.#level < this.#intervalMs) return false
    this.#level -= this.#intervalMs
    return true
  }

  /** Milliseconds until `calls` more tokens have been there to take; 0 when they are there now. */
  waitMs(now: number, calls = 1): number {
    this.#refill(now)
    return Math.max(0, (calls * this.#intervalMs - this.#level) / this.#limit)
  }

  /** Tokens there are, from 0 to `burst`, with fractions. */
  available(now: number): number {
    this.#refill(now)
    return this.#level / this.#intervalMs
  }

  /** Other numbers from now on; the tokens there are stay, as far as they fit. */
  configure(limit: number, intervalMs: number, burst: number, now: number): void {
    const tokens = Math.min(burst, this.available(now))
    this.#limit = limit
    this.#intervalMs = intervalMs
    this.#burst = burst
    this.#level = tokens * intervalMs
  }

  #refill(now: number): void {
    // A clock that went backwards refills from where it is now, instead of not until it is back.
    if (now > this.#at) {
      this.#level = Math.min(this.#burst * this.#intervalMs, this.#level + (now - this.#at) * this.#limit)
    }
    this.#at = now
  }
}

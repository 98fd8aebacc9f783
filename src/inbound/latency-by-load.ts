/**
 * How long requests take when so many are in flight: the last few of each number are kept apart. One average over all
 * would still tell of the crowd after it has left, and clients that go by it run after each other (100 servers at 90 %
 * load: a 99th percentile of 615 service times with one average, 15 with this).
 *
 * Source: Prequal, NSDI 2024, section 4. Time is passed in.
 */

/** Numbers in flight told apart; further ones count as the last. */
const LEVELS = 256
/** Requests remembered of each, and for how long, in milliseconds. */
const SAMPLES = 9
const FRESH_MS = 10_000

export class LatencyByLoad {
  /** samples[level * SAMPLES + i] */
  readonly #samples = new Float64Array(LEVELS * SAMPLES)
  readonly #counts = new Uint32Array(LEVELS)
  readonly #seenAt = new Float64Array(LEVELS).fill(Number.NEGATIVE_INFINITY)

  /** @param inFlight When it arrived, itself included. */
  add(inFlight: number, latencyMs: number, now: number): void {
    const level = levelOf(inFlight)
    if (!isFresh(this.#seenAt[level] as number, now)) this.#counts[level] = 0
    const count = this.#counts[level] as number
    this.#samples[level * SAMPLES + (count % SAMPLES)] = latencyMs
    this.#counts[level] = count + 1
    this.#seenAt[level] = now
  }

  /** The median at the nearest number in flight that anything fresh is known of; 0 where nothing is. */
  median(inFlight: number, now: number): number {
    const level = levelOf(inFlight)
    for (let away = 0; away < LEVELS; away += 1) {
      // The busier neighbour first: to seem slower than one is does less harm.
      for (const near of [level + away, level - away]) {
        if (near >= 0 && near < LEVELS && isFresh(this.#seenAt[near] as number, now)) return this.#medianOf(near)
      }
    }
    return 0
  }

  #medianOf(level: number): number {
    const count = Math.min(SAMPLES, this.#counts[level] as number)
    const sorted = this.#samples.subarray(level * SAMPLES, level * SAMPLES + count).toSorted()
    return sorted[count >> 1] as number
  }
}

function levelOf(inFlight: number): number {
  return Math.min(LEVELS - 1, inFlight)
}

/** From the future is from before the clock went backwards. */
function isFresh(seenAt: number, now: number): boolean {
  return seenAt <= now && now - seenAt <= FRESH_MS
}

import { fnv1a, GOLDEN, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'

/**
 * Fills a table: every member has an order of his own in which he wants its places, and in turn each takes the next one
 * that is free, the lighter ones less often. In steps, so that it need not be done in one go.
 */
export class MaglevBuild {
  /** By id, whatever the order of the list: all clients must build the same table. */
  readonly members: readonly Member[]
  readonly #size: number
  /** Number of the owner + 1, of each place; 0 while it is free. */
  readonly #table: Int32Array
  /** The place each looks at next, and how far it goes on from there. */
  readonly #at: Int32Array
  readonly #skip: Int32Array
  /** What each gains per round, 1 for the heaviest, and what it has of its next turn. */
  readonly #share: Float64Array
  readonly #saved: Float64Array
  #taken = 0
  #turn = 0

  constructor(members: readonly Member[], size: number) {
    this.members = members.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    this.#size = size
    this.#table = new Int32Array(size)
    const seeds = this.members.map(({ id }) => mix32(fnv1a(id)))
    this.#at = Int32Array.from(seeds, (seed) => seed % size)
    this.#skip = Int32Array.from(seeds, (seed) => (mix32(seed + GOLDEN) % (size - 1)) + 1)
    const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0)
    this.#share = Float64Array.from(this.members, ({ weight }) => weight / heaviest)
    this.#saved = new Float64Array(members.length)
  }

  owner(hash: number): Member {
    // The hash as a fraction of all hashes; a remainder of a number beyond 2^31 costs three times as much.
    const place = (hash / 2 ** 32) * this.#size
    return this.members[(this.#table[place | 0] as number) - 1] as Member
  }

  /** Goes on for so many steps. Says whether it is done. */
  advance(steps: number): boolean {
    const saved = this.#saved
    let left = steps
    while (this.#taken < this.#size && left > 0) {
      const turn = this.#turn
      const sum = (saved[turn] as number) + (this.#share[turn] as number)
      saved[turn] = sum >= 1 ? sum - 1 : sum
      left -= sum >= 1 ? this.#take(turn) : 1
      this.#turn = turn + 1 < saved.length ? turn + 1 : 0
    }
    return this.#taken === this.#size
  }

  /** The next free place of one member's order. Returns how many it looked at. */
  #take(turn: number): number {
    const table = this.#table
    const skip = this.#skip[turn] as number
    let at = this.#at[turn] as number
    let looks = 1
    while (table[at] !== 0) {
      at += skip
      if (at >= this.#size) at -= this.#size
      looks += 1
    }
    table[at] = turn + 1
    this.#at[turn] = at
    this.#taken += 1
    return looks
  }
}

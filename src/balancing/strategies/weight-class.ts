import type { Member } from '../member.ts'

/** @internal Members whose weights differ by less than two, and whose turn it is among them. */
export class WeightClass {
  /** Weights from 2^exponent to 2^(exponent + 1). */
  readonly exponent: number
  /** Of all its members together. */
  readonly weight: number
  /** What the rotation of the classes owes it. */
  credit: number
  readonly #slots: Int32Array
  readonly #members: readonly Member[]
  /** What each has saved of its next turn, by slot. */
  readonly #saved: Float64Array
  /** What each saves when it comes round, in the order of #slots: 1 for the heaviest, and more than a half for all. */
  readonly #share: Float64Array
  #at: number

  constructor(
    exponent: number,
    slots: readonly number[],
    weights: Float64Array,
    saved: Float64Array,
    start: number,
    credit: number,
    members: readonly Member[],
  ) {
    this.exponent = exponent
    this.credit = credit
    this.#slots = Int32Array.from(slots)
    this.#members = members
    this.#saved = saved
    this.#at = start
    this.#share = Float64Array.from(slots, (slot) => weights[slot] as number)
    this.weight = this.#share.reduce((sum, weight) => sum + weight, 0)
    const heaviest = this.#share.reduce((most, weight) => Math.max(most, weight), 0)
    // Below a half only where classes had to be cut off at the light end: nobody may wait longer than two rounds.
    for (let i = 0; i < slots.length; i += 1) {
      this.#share[i] = Math.max(0.5, (this.#share[i] as number) / heaviest)
    }
  }

  /** The member whose turn comes next, if it has saved enough. */
  get next(): Member {
    return this.#members[this.#slots[this.#at] as number] as Member
  }

  /** Takes the next turn. Returns its slot. */
  take(): number {
    const slots = this.#slots
    const saved = this.#saved
    for (;;) {
      const at = this.#at
      this.#at = at + 1 < slots.length ? at + 1 : 0
      const slot = slots[at] as number
      const sum = (saved[slot] as number) + (this.#share[at] as number)
      if (sum >= 1) {
        saved[slot] = sum - 1
        return slot
      }
      saved[slot] = sum
    }
  }
}

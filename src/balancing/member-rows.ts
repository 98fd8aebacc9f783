import type { Member } from './member.ts'

/**
 * A few numbers for each member, in one array indexed by slot: reading them is one cache line and writing them allocates
 * nothing, where an object per member costs a pointer for itself and one for every fraction in it. They follow their
 * member from one update to the next, and wait for it while it is out of the rotation.
 */
export class MemberRows {
  readonly #blank: readonly number[]
  #members: readonly Member[] = []
  /** Of members that left the rotation and may come back: an ejection ends. */
  readonly #away = new WeakMap<Member, Float64Array>()
  /** Number `i` of a member stands at `slot * width + i`. */
  values: Float64Array = new Float64Array(0)

  /** @param blank What a newcomer's numbers are. */
  constructor(blank: readonly number[]) {
    this.#blank = blank
  }

  update(members: readonly Member[]): void {
    const width = this.#blank.length
    const former = this.values
    const values = new Float64Array(members.length * width)
    const known = new Uint8Array(members.length)
    for (const [i, member] of this.#members.entries()) {
      const row = former.subarray(i * width, (i + 1) * width)
      const { slot } = member
      if (members[slot] === member) {
        known[slot] = 1
        values.set(row, slot * width)
      } else this.#away.set(member, row.slice())
    }
    for (const [slot, member] of members.entries()) {
      if (known[slot] === 0) values.set(this.#away.get(member) ?? this.#blank, slot * width)
    }
    this.#members = members
    this.values = values
  }
}

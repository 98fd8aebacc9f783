/** Where something stands in two heaps, so that it can leave both from anywhere. */
export interface Ranked {
  readonly priority: number
  /** Its index in the heap of the lowest, and in that of the highest. */
  readonly slots: [lowest: number, highest: number]
}

/**
 * A binary heap whose members know where they stand: adding and removing anybody are O(log n), the first is at hand.
 * Rejected: a sorted array, of which every new priority moves half; forty thousand of them took seconds.
 */
export class IndexedHeap<T extends Ranked> {
  readonly #side: 0 | 1
  readonly #members: T[] = []

  /** @param side 0: the lowest priority is first. 1: the highest is. */
  constructor(side: 0 | 1) {
    this.#side = side
  }

  get first(): T | undefined {
    return this.#members[0]
  }

  add(member: T): void {
    this.#rise(member, this.#members.length)
  }

  /** Of one that is in it. */
  remove(member: T): void {
    const at = member.slots[this.#side]
    const last = this.#members.pop() as T
    if (last === member) return
    // What stood last belongs above the gap or below it.
    this.#rise(last, at)
    this.#sink(last, last.slots[this.#side])
  }

  #rise(member: T, from: number): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#members[above] as T
      if (!this.#precedes(member, parent)) break
      this.#place(parent, at)
      at = above
    }
    this.#place(member, at)
  }

  #sink(member: T, from: number): void {
    const size = this.#members.length
    let at = from
    for (let below = 2 * at + 1; below < size; below = 2 * at + 1) {
      const left = this.#members[below] as T
      const right = this.#members[below + 1]
      const child = right !== undefined && this.#precedes(right, left) ? right : left
      if (!this.#precedes(child, member)) break
      const next = child.slots[this.#side]
      this.#place(child, at)
      at = next
    }
    this.#place(member, at)
  }

  #place(member: T, at: number): void {
    this.#members[at] = member
    member.slots[this.#side] = at
  }

  #precedes(one: Ranked, other: Ranked): boolean {
    return this.#side === 0 ? one.priority < other.priority : one.priority > other.priority
  }
}

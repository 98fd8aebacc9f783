/** Members in the order of their use. Every step is a few pointers: there may be a hundred thousand, and each call is one. */

export interface Linked {
  newer: this | undefined
  older: this | undefined
}

export class RecencyList<T extends Linked> {
  #newest: T | undefined
  #oldest: T | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get oldest(): T | undefined {
    return this.#oldest
  }

  /** Puts a member that is in no list in front. */
  add(member: T): void {
    member.older = this.#newest
    if (this.#newest === undefined) this.#oldest = member
    else this.#newest.newer = member
    this.#newest = member
    this.#size += 1
  }

  remove(member: T): void {
    if (member.newer === undefined) this.#newest = member.older
    else member.newer.older = member.older
    if (member.older === undefined) this.#oldest = member.newer
    else member.older.newer = member.newer
    member.newer = undefined
    member.older = undefined
    this.#size -= 1
  }

  /** Puts a member of this list in front. */
  touch(member: T): void {
    if (this.#newest === member) return
    this.remove(member)
    this.add(member)
  }
}

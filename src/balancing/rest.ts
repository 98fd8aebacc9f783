import { IndexedHeap } from './indexed-heap.ts'
import { type MemberState, Rest } from './member-state.ts'

/**
 * Instances that asked to be left alone for a while (Retry-After on 429 and 503). Pure, like ejection: `now` is passed in,
 * and a rest ends when somebody looks. It is no verdict: nothing is probed afterwards, and nothing grows.
 */
export class Rests {
  readonly #resting = new IndexedHeap<Rest>()
  #lastNow = Number.NEGATIVE_INFINITY

  /** Members that are resting, obeyed or not. */
  get size(): number {
    return this.#resting.size
  }

  /** Lets a member rest, or for longer than it does already. Says whether the rest is new. */
  begin(member: MemberState, forMs: number, now: number): boolean {
    this.#follow(now)
    const { rest } = member
    if (rest === undefined) {
      member.rest = new Rest(member, now + forMs)
      this.#resting.push(member.rest)
      return true
    }
    if (now + forMs > rest.key) {
      rest.key = now + forMs
      this.#resting.moved(rest)
    }
    return false
  }

  /** Ends the rests whose time is over. Says whether there was one. O(1) when there was none. */
  wake(now: number): boolean {
    this.#follow(now)
    let woke = false
    for (let first = this.#resting.top; first !== undefined && first.key <= now; first = this.#resting.top) {
      this.end(first.member)
      woke = true
    }
    return woke
  }

  end(member: MemberState): void {
    if (member.rest !== undefined) this.#resting.remove(member.rest)
    member.rest = undefined
  }

  /** The clock went backwards (fake timers installed late): what is left is kept, instead of the old end. */
  #follow(now: number): void {
    if (now < this.#lastNow) {
      for (const rest of this.#resting.drain()) {
        rest.key += now - this.#lastNow
        this.#resting.push(rest)
      }
    }
    this.#lastNow = now
  }
}

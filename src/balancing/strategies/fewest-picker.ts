import { type Random, randomIndex } from '../../time/random.ts'
import { type HeapNode, IndexedHeap } from '../indexed-heap.ts'
import type { Load } from '../load.ts'
import type { Member } from '../member.ts'
import type { PickedCall, Picker, PickRequest } from '../strategy.ts'

/** The least busy of all: a heap by load, moved as calls begin and end. Among equals, who has waited longest. */
export class FewestPicker implements Picker {
  readonly #load: Load
  readonly #random: Random
  readonly #heap = new IndexedHeap<Entry>()
  #entries: Entry[] = []
  #turn = 0

  constructor(load: Load, random: Random) {
    this.#load = load
    this.#random = random
  }

  update(members: readonly Member[]): void {
    const former = new Map(this.#heap.drain().map((entry) => [entry.member, entry.tie]))
    // Newcomers line up behind a random one of themselves: every client would else begin with the same instance.
    const shift = members.length === 0 ? 0 : randomIndex(this.#random, members.length)
    this.#entries = members.map((member, i) => {
      const tie = former.get(member) ?? this.#turn + ((i + shift) % members.length)
      return { member, key: this.#load(member), tie, at: -1 }
    })
    this.#turn += members.length
    for (const entry of this.#entries) this.#heap.push(entry)
  }

  pick({ exclude }: PickRequest): Member | undefined {
    if (exclude === undefined) return this.#heap.top?.member
    return this.#heap.topWhere(({ member }) => !exclude.has(member.id))?.member
  }

  started({ member }: PickedCall): void {
    const entry = this.#entries[member.slot]
    if (entry === undefined) return
    entry.tie = ++this.#turn
    this.#weigh(entry)
  }

  settled({ member }: PickedCall): void {
    const entry = this.#entries[member.slot]
    if (entry !== undefined) this.#weigh(entry)
  }

  #weigh(entry: Entry): void {
    entry.key = this.#load(entry.member)
    this.#heap.moved(entry)
  }
}

interface Entry extends HeapNode {
  readonly member: Member
}

import { type Random, randomIndex } from '../../time/random.ts'
import type { LoadMeter } from '../load.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'
import { SlotHeap } from '../slot-heap.ts'
import type { PickedCall, Picker, PickRequest } from '../strategy.ts'

/**
 * The least busy of all: a heap by load, moved as calls begin and end. Among equals, who has waited longest. For loads
 * that change only when calls begin and end: one that fades with time would stand where it stood.
 */
export class FewestPicker implements Picker {
  readonly #meter: LoadMeter
  readonly #random: Random
  #members: readonly Member[] = []
  /** When each had its last turn: what decides among equals. */
  readonly #turns = new MemberRows([Number.NaN])
  #heap = new SlotHeap(new Float64Array(0), new Float64Array(0))
  #turn = 0

  constructor(meter: LoadMeter, random: Random) {
    this.#meter = meter
    this.#random = random
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#meter.update(members)
    this.#turns.update(members)
    // Newcomers line up behind a random one of themselves: every client would else begin with the same instance.
    const count = members.length
    const shift = count === 0 ? 0 : randomIndex(this.#random, count)
    const turns = this.#turns.values
    for (let slot = 0; slot < count; slot += 1) {
      if (Number.isNaN(turns[slot])) turns[slot] = this.#turn + ((slot + shift) % count)
    }
    this.#turn += count
    this.#heap = new SlotHeap(
      Float64Array.from(members, ({ slot }) => this.#meter.load(slot, Number.NaN)),
      turns,
    )
  }

  pick({ exclude }: PickRequest): Member | undefined {
    const slot =
      exclude === undefined
        ? this.#heap.top
        : this.#heap.topWhere((each) => !exclude.has((this.#members[each] as Member).id))
    return slot === undefined ? undefined : this.#members[slot]
  }

  /** How it rates a member, for reports. */
  score({ slot }: Member): number | undefined {
    return slot < 0 ? undefined : this.#meter.load(slot, Number.NaN)
  }

  started({ member }: PickedCall): void {
    const { slot } = member
    if (slot >= 0) this.#heap.set(slot, this.#meter.load(slot, Number.NaN), ++this.#turn)
  }

  settled({ member }: PickedCall): void {
    const { slot } = member
    if (slot >= 0) this.#heap.set(slot, this.#meter.load(slot, Number.NaN), this.#heap.tie(slot))
  }
}

import { fnv1a, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'
import type { PickedCall, Picker, PickRequest } from '../strategy.ts'
import { placeOf } from './hash-places.ts'
import type { HashTable } from './hash-table.ts'

/**
 * Hashing in which nobody has more in flight than `factor` times his fair share of all that are, rounded up, with the call
 * that is being placed counted: `inFlight ≤ ⌈factor × (total + 1) × weight / weights⌉`. There is always somebody with room,
 * since the shares add up to more than there are calls.
 *
 * Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016.
 */
export class BoundedHashPicker implements Picker {
  /** Without bounds: who is meant. */
  readonly #plain: Picker
  readonly #table: HashTable
  readonly #factor: number
  #members: readonly Member[] = []
  #inFlight = 0
  #weight = 0

  constructor(plain: Picker, table: HashTable, factor: number) {
    this.#plain = plain
    this.#table = table
    this.#factor = factor
  }

  update(members: readonly Member[]): void {
    this.#plain.update(members)
    this.#members = members
    this.#inFlight = 0
    this.#weight = 0
    for (const { inFlight, weight } of members) {
      this.#inFlight += inFlight
      this.#weight += weight
    }
  }

  pick(request: PickRequest): Member | undefined {
    const meant = this.#plain.pick(request)
    if (meant === undefined) return undefined
    const room = (this.#factor * (this.#inFlight + 1)) / this.#weight
    if (hasRoom(meant, room)) return meant
    const { key, exclude } = request
    const accepts = (member: Member): boolean => hasRoom(member, room) && exclude?.has(member.id) !== true
    const place = key === undefined ? meant : placeOf(this.#table, mix32(fnv1a(key)), accepts)
    // Full places all the way are as good as impossible by chance (at 1.25, a fifth of all have room), but not in theory.
    // Where only members that were tried already have room, one that was not is overfilled rather than tried again.
    return accepts(place) ? place : (this.#nextFrom(place.slot, accepts) ?? meant)
  }

  started({ member }: PickedCall): void {
    if (member.slot >= 0) this.#inFlight += 1
  }

  settled({ member }: PickedCall): void {
    if (member.slot >= 0) this.#inFlight -= 1
  }

  #nextFrom(start: number, accepts: (member: Member) => boolean): Member | undefined {
    const members = this.#members
    for (let i = 1; i < members.length; i += 1) {
      const member = members[(start + i) % members.length] as Member
      if (accepts(member)) return member
    }
    return undefined
  }
}

function hasRoom({ inFlight, weight }: Member, room: number): boolean {
  return inFlight < Math.ceil(room * weight)
}

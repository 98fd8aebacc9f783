import { fnv1a, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'
import type { Picker, PickRequest, StrategyContext } from '../strategy.ts'
import { allowedFrom } from './allowed.ts'
import { BoundedHashPicker } from './bounded-hash-picker.ts'
import { placeOf } from './hash-places.ts'
import type { HashTable } from './hash-table.ts'
import { RoundRobinPicker } from './round-robin.ts'

/** The same key to the same member; a call without a key goes round robin. */
class HashPicker implements Picker {
  readonly #table: HashTable
  readonly #keyless: RoundRobinPicker
  #members: readonly Member[] = []

  constructor(table: HashTable, { random }: StrategyContext) {
    this.#table = table
    this.#keyless = new RoundRobinPicker(random)
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#table.update(members)
    this.#keyless.update(members)
  }

  pick(request: PickRequest): Member | undefined {
    const { key, exclude } = request
    if (key === undefined) return this.#keyless.pick(request)
    if (this.#members.length === 0) return undefined
    const hash = mix32(fnv1a(key))
    if (exclude === undefined) return this.#table.home(hash)
    const { slot } = placeOf(this.#table, hash, ({ id }) => !exclude.has(id))
    return allowedFrom(this.#members, slot, exclude)
  }
}

/** @internal */
export function hashPicker(table: HashTable, balanceFactor: number | undefined, context: StrategyContext): Picker {
  const picker = new HashPicker(table, context)
  return balanceFactor === undefined ? picker : new BoundedHashPicker(picker, table, balanceFactor)
}

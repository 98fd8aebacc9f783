import { mix32 } from '../hash.ts'
import type { Member } from '../member.ts'
import type { HashTable } from './hash-table.ts'

/**
 * Places a key falls back to, one after the other, while those before are excluded or full. Hashing again, rather than
 * taking the neighbour, spreads an instance's keys over all the others, and does not fill up whoever comes next (Chen,
 * Coleman and Shrivastava, "Revisiting Consistent Hashing with Bounded Loads", AAAI 2021).
 */
const PLACES = 32

/** The first place of a hash that is accepted; the last one tried when none was. */
export function placeOf(table: HashTable, hash: number, accepts: (member: Member) => boolean): Member {
  let member = table.home(hash)
  for (let place = 1; place < PLACES && !accepts(member); place += 1) member = table.home(mix32(hash + place))
  return member
}

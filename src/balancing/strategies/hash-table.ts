import type { Member } from '../member.ts'

/** Who is at home where, among hashes of 32 bits: the part in which hashing strategies differ. */
export interface HashTable {
  update(members: readonly Member[]): void
  /** One of the members last given, of which there must be some; the same in every process that knows the same ids. */
  home(hash: number): Member
}

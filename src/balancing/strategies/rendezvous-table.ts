import { fnv1a, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'

/**
 * Which member owns a hash: the one that scores highest for its bucket. Asking all members for each call is O(n), so
 * hashes are taken together in buckets and each bucket remembers its owner. The number of buckets is fixed: one that
 * followed the fleet's size would move everybody's keys when the fleet grows.
 */
export class RendezvousTable {
  #members: readonly Member[] = []
  #seeds: number[] = []
  /** Slot + 1 of each bucket's owner; 0 where nobody asked yet. Made at the first key: most balancers never see one. */
  #owners: Int32Array | undefined

  update(members: readonly Member[]): void {
    this.#members = members
    this.#seeds = members.map(({ id }) => mix32(fnv1a(id)))
    this.#owners?.fill(0)
  }

  /** There must be members. */
  owner(hash: number): Member {
    this.#owners ??= new Int32Array(BUCKETS)
    const bucket = hash >>> BUCKET_SHIFT
    let slot = (this.#owners[bucket] as number) - 1
    if (slot < 0) {
      slot = this.#winner(bucket)
      this.#owners[bucket] = slot + 1
    }
    return this.#members[slot] as Member
  }

  #winner(bucket: number): number {
    const members = this.#members
    let best = 0
    let lowest = Number.POSITIVE_INFINITY
    for (let i = 0; i < members.length; i += 1) {
      const member = members[i] as Member
      // An exponential draw of rate `weight` per member: the lowest falls to each in proportion to its weight.
      const even = (mix32((this.#seeds[i] as number) ^ Math.imul(bucket + 1, GOLDEN)) + 0.5) / 2 ** 32
      const score = -Math.log(even) / member.weight
      // Equal scores must not be decided by the order of a list that every client receives in his own.
      if (score > lowest || (score === lowest && member.id > (members[best] as Member).id)) continue
      best = i
      lowest = score
    }
    return best
  }
}

/** Enough for shares within a few per cent among a hundred members, in a table of 256 kB. */
const BUCKETS = 65_536
const BUCKET_SHIFT = 16
/** 2^32 divided by the golden ratio: neighbouring buckets differ in many bits (Knuth, TAOCP 3, 6.4). */
const GOLDEN = 0x9e3779b1

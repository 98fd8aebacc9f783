import { fnv1a, GOLDEN, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'
import type { HashTable } from './hash-table.ts'

/**
 * Which member owns a hash: the one that scores highest for its bucket. Asking all members for each call is O(n), so
 * hashes are taken together in buckets and each bucket remembers its owner. The number of buckets is fixed: one that
 * followed the fleet's size would move everybody's keys when the fleet grows.
 */
export class RendezvousTable implements HashTable {
  #members: readonly Member[] = []
  #seeds = new Int32Array(0)
  #weights = new Float64Array(0)
  /** Slot + 1 of each bucket's owner; 0 where nobody asked yet. Made at the first key: most balancers never see one. */
  #owners: Int32Array | undefined

  update(members: readonly Member[]): void {
    const former = this.#members
    const before = this.#weights
    this.#members = members
    this.#seeds = Int32Array.from(members, ({ id }) => mix32(fnv1a(id)))
    this.#weights = Float64Array.from(members, ({ weight }) => weight)
    if (this.#owners === undefined) return
    /** Slot + 1 now, by slot before; 0 for who left, or weighs less: somebody else may score higher than he does now. */
    const moved = new Int32Array(former.length)
    const rivals = new Set(members.keys())
    for (const [i, { slot }] of former.entries()) {
      if (members[slot] !== former[i]) continue
      const grown = (this.#weights[slot] as number) - (before[i] as number)
      if (grown >= 0) moved[i] = slot + 1
      if (grown <= 0) rivals.delete(slot)
    }
    if (rivals.size > FEW) this.#owners.fill(0)
    else this.#follow(this.#owners, moved, Array.from(rivals))
  }

  home(hash: number): Member {
    this.#owners ??= new Int32Array(BUCKETS)
    const bucket = hash >>> BUCKET_SHIFT
    let slot = (this.#owners[bucket] as number) - 1
    if (slot < 0) {
      slot = 0
      for (let rival = 1; rival < this.#members.length; rival += 1) slot = this.#better(bucket, slot, rival)
      this.#owners[bucket] = slot + 1
    }
    return this.#members[slot] as Member
  }

  /** Keeps what is known of the buckets: of who is still there, only newcomers and those who grew can take one. */
  #follow(owners: Int32Array, moved: Int32Array, rivals: readonly number[]): void {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const owner = owners[bucket] as number
      if (owner === 0) continue
      let slot = (moved[owner - 1] as number) - 1
      if (slot >= 0) for (const rival of rivals) slot = this.#better(bucket, slot, rival)
      owners[bucket] = slot + 1
    }
  }

  #better(bucket: number, a: number, b: number): number {
    const scoreA = this.#score(bucket, a)
    const scoreB = this.#score(bucket, b)
    if (scoreA !== scoreB) return scoreA < scoreB ? a : b
    // Equal scores must not be decided by the order of a list that every client receives in his own.
    return (this.#members[a] as Member).id > (this.#members[b] as Member).id ? a : b
  }

  /** An exponential draw of rate `weight` per member: the lowest falls to each in proportion to its weight. */
  #score(bucket: number, slot: number): number {
    const even = (mix32((this.#seeds[slot] as number) ^ Math.imul(bucket + 1, GOLDEN)) + 0.5) / 2 ** 32
    return -Math.log(even) / (this.#weights[slot] as number)
  }
}

/** Enough for shares within a few per cent among a hundred members, in a table of 256 kB. */
const BUCKETS = 65_536
const BUCKET_SHIFT = 16
/** So many newcomers are compared with every owner at once, 1 ms each; more cost less when their buckets are asked for. */
const FEW = 4

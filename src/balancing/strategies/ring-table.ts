import { fnv1a, GOLDEN, mix32 } from '../hash.ts'
import type { Member } from '../member.ts'
import type { HashTable } from './hash-table.ts'

/**
 * A ring of points, each belonging to a member; a hash belongs to the first point at or after it.
 *
 * Whoever leaves the rotation keeps his points, and lookups pass over them: that is what a ring without them would answer,
 * it costs nothing, and nothing has to be put back when he returns. Only newcomers are merged in, and too many dead points
 * swept out.
 *
 * A point is one number, hash × 2^21 + owner: sorting, merging and searching compare numbers, and a table by the first bits
 * of the hash finds the place in one step where a binary search would take seventeen.
 */
export class RingTable implements HashTable {
  readonly #density: number
  #members: readonly Member[] = []
  /** Owners by the number in their points, and how many points each has. */
  #owners: Member[] = []
  #counts = new Map<Member, number>()
  #points = new Float64Array(0)
  /** The first point at or after each value of the leading bits. */
  #starts = new Int32Array(1)
  #shift = 0

  /** @param density Points for a member of average weight. */
  constructor(density: number) {
    this.#density = density
  }

  update(members: readonly Member[]): void {
    this.#members = members
    const wanted = this.#wanted(members)
    const fresh = members.filter((member) => this.#counts.get(member) !== wanted.get(member))
    let dead = 0
    for (const [member, count] of this.#counts) if (!this.#alive(member)) dead += count
    if (fresh.length > 0 || dead > this.#points.length / 2) this.#rebuild(fresh, wanted)
  }

  home(hash: number): Member {
    const points = this.#points
    const target = hash * OWNERS
    // Shifting by 32 would shift by nothing.
    let at = this.#shift === 32 ? 0 : (this.#starts[hash >>> this.#shift] as number)
    while (at < points.length && (points[at] as number) < target) at += 1
    for (;;) {
      if (at >= points.length) at = 0
      const point = points[at] as number
      const member = this.#ownerOf(point)
      at += 1
      if (!this.#alive(member)) continue
      return at < points.length && hashOf(points[at] as number) === hashOf(point) ? this.#tied(at, member) : member
    }
  }

  /** Points on the same spot: by id, since the order of owners is this process's own. */
  #tied(next: number, first: Member): Member {
    const hash = hashOf(this.#points[next] as number)
    let best = first
    for (let at = next; at < this.#points.length && hashOf(this.#points[at] as number) === hash; at += 1) {
      const member = this.#ownerOf(this.#points[at] as number)
      if (this.#alive(member) && member.id > best.id) best = member
    }
    return best
  }

  #ownerOf(point: number): Member {
    return this.#owners[point - hashOf(point) * OWNERS] as Member
  }

  #alive(member: Member): boolean {
    return this.#members[member.slot] === member
  }

  /** Powers of two, for a fleet that changes a little not to change everybody's points. */
  #wanted(members: readonly Member[]): Map<Member, number> {
    const mean = members.reduce((sum, { weight }) => sum + weight, 0) / members.length
    const room = powerOfTwo(MOST_POINTS / Math.max(1, members.length))
    const unit = Math.min(this.#density, Math.max(1, room)) / powerOfTwo(mean)
    // Beyond the ring's size only to one at a time: a weight may be a million times the others'.
    const most = MOST_POINTS / 4
    return new Map(members.map((member) => [member, Math.max(1, Math.min(most, Math.round(unit * member.weight)))]))
  }

  #rebuild(fresh: readonly Member[], wanted: ReadonlyMap<Member, number>): void {
    const owners: Member[] = [...fresh]
    const renewed = new Set(fresh)
    /** The number each former owner has now; -1 for who is gone, or gets new points. */
    const numbers = Int32Array.from(this.#owners, (member) =>
      renewed.has(member) || !this.#alive(member) ? -1 : owners.push(member) - 1,
    )
    const kept = this.#points.slice()
    let size = 0
    for (const point of this.#points) {
      const hash = hashOf(point)
      const owner = numbers[point - hash * OWNERS] as number
      if (owner >= 0) kept[size++] = hash * OWNERS + owner
    }
    this.#points = merge(kept.subarray(0, size), pointsOf(fresh, wanted))
    this.#owners = owners
    this.#counts = new Map(owners.map((member) => [member, wanted.get(member) as number]))
    this.#index()
  }

  #index(): void {
    const points = this.#points
    const bits = Math.min(20, Math.ceil(Math.log2(points.length + 1)))
    this.#shift = 32 - bits
    this.#starts = new Int32Array(2 ** bits)
    let at = 0
    for (let bucket = 0; bucket < this.#starts.length; bucket += 1) {
      const from = bucket * 2 ** this.#shift * OWNERS
      while (at < points.length && (points[at] as number) < from) at += 1
      this.#starts[bucket] = at
    }
  }
}

/** Room for the owner's number behind the hash: together the 53 bits that a number holds exactly. */
const OWNERS = 2 ** 21
const MOST_POINTS = 2 ** 20

function hashOf(point: number): number {
  return Math.floor(point / OWNERS)
}

function powerOfTwo(value: number): number {
  return 2 ** Math.floor(Math.log2(value))
}

/** Sorted. Owners are numbered as they stand. */
function pointsOf(owners: readonly Member[], counts: ReadonlyMap<Member, number>): Float64Array {
  const total = owners.reduce((sum, member) => sum + (counts.get(member) as number), 0)
  const points = new Float64Array(total)
  let at = 0
  for (const [owner, member] of owners.entries()) {
    const seed = mix32(fnv1a(member.id))
    const count = counts.get(member) as number
    for (let i = 1; i <= count; i += 1) points[at++] = mix32(seed + Math.imul(i, GOLDEN)) * OWNERS + owner
  }
  return points.toSorted()
}

function merge(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  const merged = new Float64Array(a.length + b.length)
  let i = 0
  let j = 0
  for (let at = 0; at < merged.length; at += 1) {
    const fromA = j >= b.length || (i < a.length && (a[i] as number) < (b[j] as number))
    merged[at] = (fromA ? a[i++] : b[j++]) as number
  }
  return merged
}

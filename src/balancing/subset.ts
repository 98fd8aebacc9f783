import { OptionReader } from '../core/options.ts'
import { type Random, randomIndex, seededRandom } from '../time/random.ts'
import { fnv1a, mix32 } from './hash.ts'
import type { MemberState } from './member-state.ts'

/** How many of the instances this client talks to, and which. */
export interface SubsetOptions {
  /**
   * Instances of the subset; an integer from 1. Below about 12 the spread over the instances grows uneven.
   * @default 20 (gRFC A68)
   */
  readonly size?: number
  /**
   * The number of this client among all of them, an integer from 0 without gaps. With it every instance gets equally many
   * clients; without it about as many, by chance.
   */
  readonly clientIndex?: number
  /**
   * What tells this client from the others without a `clientIndex`, an integer from 0 to 2³² − 1: the same number gives the
   * same subset after a restart. @default by chance
   */
  readonly seed?: number
}

/** @internal */
export interface SubsetRules {
  readonly size: number
  readonly clientIndex: number | undefined
  readonly seed: number | undefined
}

const SIZE = 20

/** @internal */
export function readSubsetOptions(options: unknown): SubsetRules | undefined {
  if (options === undefined || options === false) return undefined
  const read = new OptionReader('LoadBalancer: subset', options)
  const rules: SubsetRules = {
    size: read.number('size', { default: SIZE, min: 1, integer: true }),
    clientIndex: read.number('clientIndex', { default: undefined, min: 0, integer: true }),
    seed: read.number('seed', { default: undefined, min: 0, max: 2 ** 32 - 1, integer: true }),
  }
  read.end()
  return rules
}

/**
 * Each client ranks all instances in an order of its own and takes the first: rendezvous hashing, so that one instance more
 * or less changes one member of the subset at most. The healthy come first: a sick one is replaced by the next, and comes
 * back to its place. Source: gRFC A68.
 */
export function subsetByRank(members: readonly MemberState[], size: number, seed: number): readonly MemberState[] {
  const ranked = members.map((member) => ({
    member,
    rank: mix32(mix32(fnv1a(member.id)) ^ seed) + (member.healthy ? 0 : 2 ** 32),
  }))
  // Two of the same rank must not be ordered by the list, which comes to everybody in another order.
  ranked.sort((a, b) => a.rank - b.rank || (a.member.id < b.member.id ? -1 : 1))
  return ranked.slice(0, size).map(({ member }) => member)
}

/**
 * Clients in rounds: those of one round share a shuffle of all instances, and each takes another part of it, so a round
 * gives every instance exactly one client. Parts differ by one where the division leaves a rest. It looks at no health,
 * which clients see at different times: their shuffles must be the same. Source: Google's "Site Reliability Engineering",
 * chapter 20, deterministic subsetting; a change of membership moves most of a subset.
 */
export function subsetByIndex(
  members: readonly MemberState[],
  size: number,
  clientIndex: number,
): readonly MemberState[] {
  const parts = Math.max(1, Math.floor(members.length / size))
  const shuffled = members.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  shuffle(shuffled, seededRandom(mix32(Math.floor(clientIndex / parts) + 1)))
  const part = clientIndex % parts
  return shuffled.slice(Math.floor((part * members.length) / parts), Math.floor(((part + 1) * members.length) / parts))
}

/** Fisher and Yates. */
function shuffle(members: MemberState[], random: Random): void {
  for (let i = members.length - 1; i > 0; i -= 1) {
    const at = randomIndex(random, i + 1)
    const drawn = members[at] as MemberState
    members[at] = members[i] as MemberState
    members[i] = drawn
  }
}

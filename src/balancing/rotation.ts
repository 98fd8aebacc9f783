import type { Random } from '../time/random.ts'
import { fnv1a, mix32 } from './hash.ts'
import { type ZoneRules, zoneShares } from './locality.ts'
import type { MemberState } from './member-state.ts'
import type { PickerExtras } from './picker-extras.ts'
import { splitByPriority } from './priority.ts'
import type { PickRequest, Strategy, StrategyContext } from './strategy.ts'

/**
 * Who is picked from. Members are grouped by priority and, where the own zone is known, by zone; each group has a picker of
 * its own, and a share of the calls. Most balancers have one group, and pay nothing for the others.
 *
 * Arranging is O(n), and done only when something changed; a pick is one draw among the groups and one pick in it.
 */

export interface RotationRules {
  readonly panicThreshold: number
  readonly zone: ZoneRules | undefined
}

/** How many there are, for events and metrics. */
export interface RotationCounts {
  readonly eligible: number
  readonly inService: number
  readonly panic: boolean
}

interface Level {
  readonly priority: number
  readonly inService: MemberState[]
  readonly available: MemberState[]
  /** Available, and not resting. */
  readonly ready: MemberState[]
}

interface Group {
  readonly picker: PickerExtras
  readonly members: readonly MemberState[]
  /** Its share and those of the groups before it, from 0 to 1. */
  readonly upTo: number
}

export class Rotation {
  readonly #context: StrategyContext
  readonly #random: Random
  #strategy: Strategy
  #pickers = new Map<string, PickerExtras>()
  #groups: readonly Group[] = []
  /** The picker of the only group, as nearly always. */
  #only: PickerExtras | undefined
  #size = 0
  #weight = 0

  constructor(strategy: Strategy, context: StrategyContext) {
    this.#strategy = strategy
    this.#context = context
    this.#random = context.random
    // A strategy that cannot begin says so now, and not at the first list.
    this.#pickers.set(groupKey(0, WHOLE), strategy.create(context))
  }

  /** Members that are picked from. */
  get size(): number {
    return this.#size
  }

  /** Their weights together. */
  get weight(): number {
    return this.#weight
  }

  /** Another strategy; `arrange` is to be called next. When it throws, nothing has changed. */
  setStrategy(strategy: Strategy): void {
    const pickers = new Map<string, PickerExtras>()
    for (const [key, former] of this.#pickers) {
      const picker: PickerExtras = strategy.create(this.#context)
      picker.inherit?.(former)
      pickers.set(key, picker)
    }
    this.#strategy = strategy
    this.#pickers = pickers
  }

  /** Works out anew who is picked from, and tells the pickers. */
  arrange(members: Iterable<MemberState>, { panicThreshold, zone }: RotationRules): RotationCounts {
    const levels = levelsOf(members)
    const pools = levels.map((level) => obedientPool(level, panicThreshold))
    const loads = splitByPriority(
      levels.map(({ inService }, i) => ({ eligible: (pools[i] as MemberState[]).length, inService: inService.length })),
      panicThreshold,
    )
    const former = this.#pickers
    const groups: Group[] = []
    let upTo = 0
    this.#pickers = new Map()
    for (const [i, { priority, inService }] of levels.entries()) {
      const { share, panic } = loads[i] as (typeof loads)[number]
      if (share === 0) continue
      const pool = panic ? inService : (pools[i] as MemberState[])
      for (const [name, part, ofPool] of panic ? [whole(pool)] : byZone(pool, zone)) {
        upTo += share * ofPool
        const key = groupKey(priority, name)
        const picker = former.get(key) ?? this.#strategy.create(this.#context)
        this.#pickers.set(key, picker)
        groups.push({ picker, members: part, upTo })
      }
    }
    this.#hand(groups)
    this.#groups = groups
    this.#only = groups.length === 1 ? groups[0]?.picker : undefined
    this.#size = groups.reduce((sum, group) => sum + group.members.length, 0)
    this.#weight = groups.reduce((sum, group) => sum + weightOf(group.members), 0)
    return {
      eligible: pools.reduce((sum, pool) => sum + pool.length, 0),
      inService: levels.reduce((sum, { inService }) => sum + inService.length, 0),
      panic: loads.some(({ panic }) => panic),
    }
  }

  /** The choice; undefined when there is nobody, or only who is excluded. */
  pick(request: PickRequest, now: number | undefined): MemberState | undefined {
    if (this.#only !== undefined) return this.#only.pick(request, now) as MemberState | undefined
    const groups = this.#groups
    if (groups.length === 0) return undefined
    const first = this.#draw(request.key)
    const choice = (groups[first] as Group).picker.pick(request, now)
    if (choice !== undefined) return choice as MemberState
    // Everybody there was tried: another group is better than the same instance again.
    for (const [i, { picker }] of groups.entries()) {
      const other = i === first ? undefined : picker.pick(request, now)
      if (other !== undefined) return other as MemberState
    }
    return undefined
  }

  /** The group a call goes to; a key always to the same one, as long as shares stay. */
  #draw(key: string | undefined): number {
    const point = key === undefined ? this.#random() : mix32(fnv1a(key) ^ GROUP_SALT) / 2 ** 32
    let low = 0
    let high = this.#groups.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (point < (this.#groups[middle] as Group).upTo) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Each picker sees only its own members in slots: to the others, they have left. */
  #hand(groups: readonly Group[]): void {
    for (const { picker, members } of groups) {
      seat(members, picker)
      picker.update(members)
      if (groups.length > 1) for (const member of members) member.slot = -1
    }
    if (groups.length > 1) for (const { picker, members } of groups) seat(members, picker)
  }
}

function seat(members: readonly MemberState[], picker: PickerExtras): void {
  const { started, responded, settled } = picker
  const listener = (started ?? responded ?? settled) ? picker : undefined
  for (let slot = 0; slot < members.length; slot += 1) {
    const member = members[slot] as MemberState
    member.slot = slot
    member.picker = picker
    member.listener = listener
  }
}

/** The most preferred first. */
function levelsOf(members: Iterable<MemberState>): readonly Level[] {
  const levels = new Map<number, Level>()
  let level: Level | undefined
  for (const member of members) {
    member.slot = -1
    if (!member.inService) continue
    const { priority } = member.instance
    if (level?.priority !== priority) {
      level = levels.get(priority) ?? { priority, inService: [], available: [], ready: [] }
      levels.set(priority, level)
    }
    level.inService.push(member)
    if (!member.candidate || member.ejected) continue
    level.available.push(member)
    if (member.rest === undefined) level.ready.push(member)
  }
  return [...levels.values()].toSorted((a, b) => a.priority - b.priority)
}

/**
 * Rests are obeyed as long as enough others are left, and at least one: a service that is overloaded as a whole would
 * otherwise send everything to the last instance that has not complained yet.
 */
function obedientPool({ inService, available, ready }: Level, panicThreshold: number): MemberState[] {
  return ready.length > 0 && ready.length >= panicThreshold * inService.length ? ready : available
}

/** The name of a part that is all of it. A zone may be called the same: the picker is then simply kept. */
const WHOLE = ''

function groupKey(priority: number, part: string): string {
  return `${priority} ${part}`
}

/** A part of a pool: its name, its members, its share of the pool's calls. */
type Part = readonly [name: string, members: readonly MemberState[], share: number]

function whole(pool: readonly MemberState[]): Part {
  return [WHOLE, pool, 1]
}

function byZone(pool: readonly MemberState[], zone: ZoneRules | undefined): readonly Part[] {
  if (zone === undefined || pool.length < zone.minInstances) return [whole(pool)]
  const zones = Map.groupBy(pool, ({ instance }) => instance.zone ?? '')
  const shares = zoneShares(zone, new Map(Array.from(zones, ([name, members]) => [name, weightOf(members)])))
  if (shares === undefined) return [whole(pool)]
  return Array.from(shares, ([name, share]): Part => [name, zones.get(name) ?? [], share])
}

function weightOf(members: readonly MemberState[]): number {
  let total = 0
  for (const { weight } of members) total += weight
  return total
}

/** The strategy hashes the key too; its answer in the group must not depend on the group. */
const GROUP_SALT = 0x9b05688c

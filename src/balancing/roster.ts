import type { ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import { MemberState, sameIdentity } from './member-state.ts'
import { subsetByIndex, subsetByRank, type SubsetRules } from './subset.ts'

/** Who is there: turns the lists of a registry into members that keep their identity from one list to the next. */
export class Roster {
  readonly #members = new Map<string, MemberState>()
  #round = 0
  #healthy = 0
  #candidates = 0

  get size(): number {
    return this.#members.size
  }

  /** Members that are well and wanted by their operator, ejected or not. */
  get healthy(): number {
    return this.#healthy
  }

  /** Of those, the ones in the subset of this client. */
  get candidates(): number {
    return this.#candidates
  }

  get(id: string): MemberState | undefined {
    return this.#members.get(id)
  }

  /** In the order in which they came; those that stay keep their place. */
  members(): Iterable<MemberState> {
    return this.#members.values()
  }

  /**
   * Takes a list over. Returns undefined when it says nothing new about who may be picked.
   *
   * @throws {TypeError | RangeError} for no list, or a weight that is no finite number from 0; then nothing changed.
   */
  update(instances: readonly ServiceInstance[]): RosterChange | undefined {
    checkInstances(instances)
    const round = ++this.#round
    const added: MemberState[] = []
    const removed: MemberState[] = []
    const recovered: MemberState[] = []
    let changed = false
    let named = 0
    for (const instance of instances) {
      const known = this.#members.get(instance.id)
      // A second entry with the same id: two members under one id could not be told apart when a retry excludes one.
      if (known?.round === round) continue
      named += 1
      if (known !== undefined && sameIdentity(known.instance, instance)) {
        known.round = round
        if (known.instance === instance) continue
        const wasHealthy = known.healthy
        if (!known.refresh(instance)) continue
        changed = true
        if (known.healthy && !wasHealthy) recovered.push(known)
        continue
      }
      if (known !== undefined) removed.push(known)
      const member = new MemberState(instance)
      member.round = round
      this.#members.set(instance.id, member)
      added.push(member)
    }
    if (named < this.#members.size) {
      for (const member of this.#members.values()) if (member.round !== round) removed.push(member)
    }
    for (const member of removed) this.#forget(member)
    if (!changed && added.length === 0 && removed.length === 0) return undefined
    return { added, removed, recovered }
  }

  /** To be called when health or membership changed: chooses the subset, and counts. */
  choose(rules: SubsetRules | undefined, seed: number): void {
    if (rules === undefined) for (const member of this.#members.values()) member.chosen = true
    else this.#chooseSubset(rules, seed)
    this.#healthy = 0
    this.#candidates = 0
    for (const member of this.#members.values()) {
      if (!member.healthy) continue
      this.#healthy += 1
      if (member.chosen) this.#candidates += 1
    }
  }

  #chooseSubset({ size, clientIndex }: SubsetRules, seed: number): void {
    const offered: MemberState[] = []
    for (const member of this.#members.values()) {
      member.chosen = true
      if (member.inService) offered.push(member)
    }
    const subset =
      clientIndex === undefined ? subsetByRank(offered, size, seed) : subsetByIndex(offered, size, clientIndex)
    for (const member of offered) member.chosen = false
    for (const member of subset) member.chosen = true
  }

  #forget(member: MemberState): void {
    member.known = false
    member.slot = -1
    // Its id may have been taken over by its successor at another address.
    if (this.#members.get(member.id) === member) this.#members.delete(member.id)
  }
}

export interface RosterChange {
  readonly added: readonly MemberState[]
  readonly removed: readonly MemberState[]
  /** Known before, and healthy again. */
  readonly recovered: readonly MemberState[]
}

/** Before anything changes: a NaN among the weights would silently win or lose every comparison. */
function checkInstances(instances: readonly ServiceInstance[]): void {
  if (!Array.isArray(instances)) throw new TypeError(`update: instances must be an array, got ${show(instances)}`)
  for (const { id, weight } of instances) {
    if (Number.isFinite(weight) && weight >= 0) continue
    throw new RangeError(`update: weight of ${show(id)} must be a finite number from 0, got ${show(weight)}`)
  }
}

import { Gate, type GateRules } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { HeapNode } from './indexed-heap.ts'
import type { Member } from './member.ts'
import type { Picker } from './strategy.ts'

/**
 * What a balancer knows of one instance. It belongs to an identity (id and address), not to an object: as long as both
 * stay, news about status, weight or metadata keep what was learned; the same id at a new address starts afresh.
 */

/** @internal The state behind a {@link Member}. */
export class MemberState implements Member {
  readonly id: string
  instance: ServiceInstance
  weight: number
  inFlight = 0
  slot = -1
  /** Good answers so far. */
  successes = 0
  consecutiveFailures = 0
  /** Verdicts of the present interval, for the rules that compare. */
  intervalSuccesses = 0
  intervalFailures = 0
  /** Whether the subset of this client has it. */
  chosen = true
  /** Somebody who asks it regularly says that it is not well. */
  failsChecks = false
  /** Only while it rests, or has just come. */
  rest: Rest | undefined = undefined
  warmUp: WarmUp | undefined = undefined
  /** Who picks among its like, since it was first among those picked from. */
  picker: Picker | undefined = undefined
  /** The same, if it wants to be told of calls: looking for hooks that are not there is half the cost of a plain pick. */
  listener: Picker | undefined = undefined
  /** Made at the first ejection: most members never need one. */
  ejection: Ejection | undefined = undefined
  /** False once an update left it out: calls in flight finish, and count for nothing any more. */
  known = true
  /** The last update that named it. */
  round = 0

  constructor(instance: ServiceInstance) {
    this.id = instance.id
    this.instance = instance
    this.weight = instance.weight
  }

  /** Takes news in. Says whether they may change who is picked. */
  refresh(instance: ServiceInstance): boolean {
    const former = this.instance
    const changed =
      instance.status !== former.status ||
      instance.weight !== this.weight ||
      instance.zone !== former.zone ||
      instance.priority !== former.priority
    this.instance = instance
    this.weight = instance.weight
    return changed
  }

  /** Well, and wanted by its operator. */
  get healthy(): boolean {
    return this.known && this.instance.status === 'healthy' && this.weight > 0 && !this.failsChecks
  }

  /** Belongs into the rotation, unless our own calls say otherwise. */
  get candidate(): boolean {
    return this.chosen && this.healthy
  }

  get ejected(): boolean {
    return this.ejection !== undefined && this.ejection.out
  }

  /**
   * Offers its services at all, to us. What panic disbelieves is an opinion about the instance (a health check, our own
   * ejection); that it is not up yet, on its way out, or drained by an operator is no opinion.
   */
  get inService(): boolean {
    const { status } = this.instance
    return this.known && this.chosen && status !== 'stopping' && status !== 'starting' && this.weight > 0
  }

  /** Grows at every ejection and return; a verdict is worth something only while the one it began in lasts. */
  get generation(): number {
    return this.ejection === undefined ? 0 : this.ejection.gate.generation
  }
}

/** @internal The ejections of one member: its gate is open, then half-open for one probe, then closed again. */
export class Ejection implements HeapNode {
  readonly member: MemberState
  readonly gate: Gate
  /** From the moment it leaves the rotation until a probe brings it back. */
  out = false
  /** How many baseEjectionMs it gets: grows with each ejection, shrinks with time in rotation. */
  severity = 0
  restoredAt = 0
  /** When its next probe is due. */
  key = 0
  tie = 0
  at = -1

  constructor(member: MemberState, rules: GateRules) {
    this.member = member
    this.gate = new Gate(rules)
  }
}

/** @internal One rest of one member. */
export class Rest implements HeapNode {
  readonly member: MemberState
  /** When it ends. */
  key: number
  tie = 0
  at = -1

  constructor(member: MemberState, until: number) {
    this.member = member
    this.key = until
  }
}

/** @internal What slow start keeps of one beginner. */
export interface WarmUp {
  since: number
  seenPicks: number
  /** Calls it may have. */
  credit: number
}

/** Equal `instanceIdentity`, without building two strings for each of ten thousand instances at every update. */
export function sameIdentity(a: ServiceInstance, b: ServiceInstance): boolean {
  return a.id === b.id && a.host === b.host && a.port === b.port && a.secure === b.secure
}

import { Gate } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { HeapNode } from './indexed-heap.ts'

/**
 * What a balancer knows of one instance. It belongs to an identity (id and address), not to an object: as long as both
 * stay, news about status, weight or metadata keep what was learned; the same id at a new address starts afresh.
 */

/** One instance as strategies see it. */
export interface Member {
  /** As last given to `update`. */
  readonly instance: ServiceInstance
  readonly id: string
  /** Share of calls relative to the others; above 0 for everybody a picker is given. */
  readonly weight: number
  /** Calls picked and not settled, body included. */
  readonly inFlight: number
  /** Its index among the members last given to the picker; -1 when it is none of them. */
  readonly slot: number
}

/** @internal The state behind {@link Member}. */
export class MemberState implements Member {
  readonly id: string
  instance: ServiceInstance
  weight: number
  inFlight = 0
  slot = -1
  /** Good answers so far. */
  successes = 0
  consecutiveFailures = 0
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
    const changed = instance.status !== this.instance.status || instance.weight !== this.weight
    this.instance = instance
    this.weight = instance.weight
    return changed
  }

  /** Belongs into the rotation as far as registry and operator are concerned. */
  get healthy(): boolean {
    return this.known && this.instance.status === 'healthy' && this.weight > 0
  }

  get ejected(): boolean {
    return this.ejection !== undefined && this.ejection.out
  }

  /**
   * Offers its services at all. What panic disbelieves is an opinion about the instance (a health check, our own
   * ejection); that it is not up yet, on its way out, or drained by an operator is no opinion.
   */
  get inService(): boolean {
    const { status } = this.instance
    return this.known && status !== 'stopping' && status !== 'starting' && this.weight > 0
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

  constructor(member: MemberState, probeTimeoutMs: number) {
    this.member = member
    this.gate = new Gate({ probes: 1, successThreshold: 1, probeTimeoutMs })
  }
}

/** Equal `instanceIdentity`, without building two strings for each of ten thousand instances at every update. */
export function sameIdentity(a: ServiceInstance, b: ServiceInstance): boolean {
  return a.id === b.id && a.host === b.host && a.port === b.port && a.secure === b.secure
}

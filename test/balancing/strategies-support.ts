import type { ServiceInstance } from '../../src/core/instance.ts'
import type { Member } from '../../src/balancing/member.ts'
import type { PickedCall } from '../../src/balancing/strategy.ts'
import { instance } from './fleet.ts'

/** Members as pickers see them, without a balancer around. */
export interface BareMember extends Member {
  readonly instance: ServiceInstance
  weight: number
  inFlight: number
  slot: number
}

export function bare(id: string, weight = 1): BareMember {
  return { id, instance: instance(id, { weight }), weight, inFlight: 0, slot: -1 }
}

/** Seats them as a balancer does before it tells a picker. */
export function seated<M extends BareMember>(...members: M[]): M[] {
  for (const [slot, member] of members.entries()) member.slot = slot
  return members
}

export function crowd(count: number, weight: (i: number) => number = () => 1): BareMember[] {
  return seated(...Array.from({ length: count }, (_, i) => bare(`i${i}`, weight(i))))
}

/** A call as the balancer would begin it. */
export function callTo(member: BareMember, startedAt: number = Number.NaN): PickedCall {
  member.inFlight += 1
  return { member, startedAt }
}

import type { InstanceStatus } from '../core/instance.ts'
import type { MemberState } from './member.ts'

/** Why an instance is picked from, or not: the first that holds, in this order of weight. */
export type Standing =
  | 'in-rotation'
  /** Would be left out, but too few are eligible. */
  | 'panic'
  | 'drained'
  | 'ejected'
  /** Still out, and its time is over: the next call, or one that is under way, decides. */
  | 'probing'
  | Exclude<InstanceStatus, 'healthy'>

/** What a balancer knows of one instance. */
export interface MemberReport {
  readonly id: string
  readonly weight: number
  /** Calls picked and not settled, body included. */
  readonly inFlight: number
  /** Whether an ordinary call may be sent there now. */
  readonly eligible: boolean
  readonly why: Standing
  /** Milliseconds until it is probed; null unless ejected. */
  readonly ejectedForMs: number | null
  readonly consecutiveFailures: number
}

/** @internal */
export function reportOn(member: MemberState, now: number): MemberReport {
  const { id, weight, inFlight, consecutiveFailures } = member
  const remaining = member.ejected ? (member.ejection?.gate.remainingMs(now) ?? 0) : 0
  return {
    id,
    weight,
    inFlight,
    eligible: member.slot >= 0,
    why: standing(member, remaining),
    ejectedForMs: remaining > 0 ? remaining : null,
    consecutiveFailures,
  }
}

function standing(member: MemberState, remainingMs: number): Standing {
  const { status } = member.instance
  if (member.slot >= 0) return member.healthy && !member.ejected ? 'in-rotation' : 'panic'
  if (status !== 'healthy') return status
  if (member.weight === 0) return 'drained'
  return remainingMs > 0 ? 'ejected' : 'probing'
}

import type { InstanceStatus } from '../core/instance.ts'
import type { MemberState } from './member-state.ts'
import type { PickerExtras } from './picker-extras.ts'

/** Why an instance is picked from, or not: the first that holds, in this order of weight. */
export type Standing =
  | 'in-rotation'
  /** Would be left out, but too few are eligible. */
  | 'panic'
  | 'drained'
  | 'ejected'
  /** Still out, and its time is over: the next call, or one that is under way, decides. */
  | 'probing'
  /** Asked for time (Retry-After). */
  | 'resting'
  /** Its calls go elsewhere: to a better priority, or to the own zone. */
  | 'spare'
  /** Not one of those this client talks to. */
  | 'outside-subset'
  | Exclude<InstanceStatus, 'healthy'>

/** What a balancer knows of one instance. */
export interface MemberReport {
  readonly id: string
  readonly weight: number
  /** The weight as far as slow start lets it count; 0 where ordinary calls are not sent. */
  readonly effectiveWeight: number
  /** How the strategy rates it: the lower, the sooner it is picked. null where the strategy has no such number. */
  readonly score: number | null
  /** Its average latency in milliseconds, where the strategy measures it. */
  readonly ewmaMs: number | null
  /** Calls picked and not settled, body included. */
  readonly inFlight: number
  /** Whether an ordinary call may be sent there now. */
  readonly eligible: boolean
  readonly why: Standing
  /** Milliseconds until it is probed; null unless ejected. */
  readonly ejectedForMs: number | null
  /** Milliseconds until its rest is over; null unless it asked for one. */
  readonly restingForMs: number | null
  readonly consecutiveFailures: number
}

/** @internal @param factor What slow start grants of its weight. */
export function reportOn(member: MemberState, factor: number, now: number): MemberReport {
  const { id, weight, inFlight, consecutiveFailures } = member
  const eligible = member.slot >= 0
  const ejectedFor = member.ejected ? (member.ejection?.gate.remainingMs(now) ?? 0) : 0
  const restingFor = member.rest === undefined ? 0 : Math.max(0, member.rest.key - now)
  return {
    id,
    weight,
    effectiveWeight: eligible ? weight * factor : 0,
    score: askPicker('score', member),
    ewmaMs: askPicker('ewmaMs', member),
    inFlight,
    eligible,
    why: standing(member, ejectedFor),
    ejectedForMs: ejectedFor > 0 ? ejectedFor : null,
    restingForMs: restingFor > 0 ? restingFor : null,
    consecutiveFailures,
  }
}

/** A strategy may be a user's; one that throws must not keep anybody from seeing the rest. */
function askPicker(question: 'score' | 'ewmaMs', member: MemberState): number | null {
  const picker: PickerExtras | undefined = member.slot >= 0 ? member.picker : undefined
  try {
    return picker?.[question]?.(member) ?? null
  } catch {
    return null
  }
}

function standing(member: MemberState, ejectedForMs: number): Standing {
  const { status } = member.instance
  if (member.slot >= 0) return member.healthy && !member.ejected ? 'in-rotation' : 'panic'
  if (status !== 'healthy') return status
  if (member.weight === 0) return 'drained'
  if (member.failsChecks) return 'unhealthy'
  if (!member.chosen) return 'outside-subset'
  if (member.ejected) return ejectedForMs > 0 ? 'ejected' : 'probing'
  return member.rest === undefined ? 'spare' : 'resting'
}

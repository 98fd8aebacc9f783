import type { OutcomeInfo, Verdict } from '../core/outcome.ts'
import type { Clock } from '../time/clock.ts'
import type { Random } from '../time/random.ts'
import type { Member } from './member.ts'

/**
 * Which instance? A strategy is a frozen description; every balancer makes its own picker from it, so one description
 * can serve many balancers. A picker only chooses: who may be chosen at all (health, ejection, panic, draining) is the
 * balancer's business, and so are the in-flight counts.
 */

export interface Strategy {
  readonly name: string
  /** Has every call timed for the picker: two clock reads a call, so only those who need it pay. @default false */
  readonly needsLatency?: boolean
  create(context: StrategyContext): Picker
}

/** What a picker may use; never the globals, so that seeds and fake timers reach it. */
export interface StrategyContext {
  readonly random: Random
  readonly clock: Clock
}

/** What is known of the call that needs an instance. */
export interface PickRequest {
  /** Calls with the same key go together, under strategies that hash. */
  readonly key?: string | undefined
  /** Ids of instances already tried for this call. */
  readonly exclude?: ReadonlySet<string> | undefined
}

/** One call as pickers see it: the same object at every hook, so that notes may be keyed by it. */
export interface PickedCall {
  readonly member: Member
  /** When it was picked, on the clock's monotonic scale; NaN unless the strategy `needsLatency`. */
  readonly startedAt: number
}

export interface Picker {
  /**
   * The members to choose from have changed, or a weight among them has. The array is dense, ordered stably, belongs to
   * the picker until the next update, holds no weight of 0, and `members[i].slot === i`: arrays indexed by slot are
   * the cheapest place for a picker's own state. Whoever left has slot -1.
   */
  update(members: readonly Member[]): void

  /**
   * The choice, in less than O(n): one of the members last given. Undefined when there is none, or only excluded ones;
   * the balancer decides what happens then (it asks again without `exclude`).
   *
   * @param now The monotonic time in milliseconds, from a balancer that has just read it for a strategy that
   * `needsLatency`: a reading costs about 40 ns. A picker that goes by time reads its own clock where it is left out.
   */
  pick(request: PickRequest, now?: number): Member | undefined

  /**
   * A call began (`member.inFlight` counts it already). Also called for calls that did not come from `pick`: probes of
   * ejected members. A member with slot -1 is not among those last given; the same goes for the other hooks.
   */
  started?(call: PickedCall): void

  /**
   * What became of it is known: at the final headers, or at the end where nobody reported those. Once per call, and a
   * second time with `failure` when the body broke after a good beginning.
   *
   * @param latencyMs NaN unless the strategy `needsLatency`.
   */
  responded?(call: PickedCall, verdict: Verdict, latencyMs: number, info: OutcomeInfo | undefined): void

  /** It is over, body included (`member.inFlight` no longer counts it). Exactly once per call. */
  settled?(call: PickedCall): void
}

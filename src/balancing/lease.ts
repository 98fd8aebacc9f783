import type { Pass } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { OutcomeInfo, Permit, Verdict } from '../core/outcome.ts'
import type { MemberState } from './member.ts'
import type { PickedCall } from './strategy.ts'

/**
 * One call to one instance. It has two ends that may be far apart: the final headers say what the instance is worth
 * (latency, ejection, a probe's verdict), the end of the body gives the place back. A slow reader or an endless event
 * stream therefore blames nobody and blocks no probe, but counts as in flight for as long as it lasts.
 */
export interface Lease extends Permit {
  readonly instance: ServiceInstance
  /** Whether this call decides if an ejected instance comes back. */
  readonly probe: boolean
  /**
   * The final headers have arrived: gives the verdict, once, and goes on counting as in flight. What settles the lease
   * afterwards only ends it, with one exception: `failure` after `responded('success')` (the body broke) counts as if
   * the headers had been the failure. Optional: without it, what settles the lease is the verdict.
   */
  responded(verdict: Verdict, info?: OutcomeInfo): void
}

/** @internal Whom leases report to. */
export interface LeaseKeeper {
  /** The verdict is known: once per lease. */
  verdict(lease: BalancerLease, verdict: Verdict, info: OutcomeInfo | undefined): void
  /** The body broke after a good beginning. */
  broke(lease: BalancerLease, info: OutcomeInfo | undefined): void
  /** Nothing comes any more: once per lease. */
  release(lease: BalancerLease): void
}

/** @internal */
export class BalancerLease implements Lease, PickedCall {
  readonly member: MemberState
  readonly instance: ServiceInstance
  /** 0 for an ordinary call, the number of its slot for a probe. */
  pass: Pass
  /** The member's generation when the call began. */
  generation: number
  readonly startedAt: number
  /** The member's failures in a row, and its successes, around a verdict of success: what a broken body takes back. */
  failuresBefore = 0
  successesAfter = 0
  #keeper: LeaseKeeper | undefined
  #verdict: Verdict | undefined = undefined

  constructor(keeper: LeaseKeeper, member: MemberState, pass: Pass, startedAt: number) {
    this.#keeper = keeper
    this.member = member
    this.instance = member.instance
    this.pass = pass
    this.generation = member.generation
    this.startedAt = startedAt
  }

  get probe(): boolean {
    return this.pass > 0
  }

  responded(verdict: Verdict, info?: OutcomeInfo): void {
    if (this.#keeper === undefined || this.#verdict !== undefined) return
    this.#verdict = verdict
    this.#keeper.verdict(this, verdict, info)
  }

  success(info?: OutcomeInfo): void {
    this.#settle('success', info)
  }

  failure(info?: OutcomeInfo): void {
    this.#settle('failure', info)
  }

  ignore(): void {
    this.#settle('ignore', undefined)
  }

  #settle(verdict: Verdict, info: OutcomeInfo | undefined): void {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    if (this.#verdict === undefined) keeper.verdict(this, verdict, info)
    else if (verdict === 'failure' && this.#verdict === 'success') keeper.broke(this, info)
    keeper.release(this)
  }
}

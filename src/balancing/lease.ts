import type { Pass } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { OutcomeInfo, Permit, Verdict } from '../core/outcome.ts'
import type { MemberState } from './member-state.ts'
import type { PickedCall, Picker } from './strategy.ts'

/** What a lease may be settled with. */
export interface LeaseInfo extends OutcomeInfo {
  /**
   * The connection the call was lost with, any object that stands for it. Of all calls that name the same one, only the
   * first failure counts: a lost HTTP/2 connection is one event, however many streams it carried.
   */
  readonly lostConnection?: object | undefined
}

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
   *
   * A `retryAfterMs` with anything but a success lets the instance rest for as long. Leave it out where the answer is
   * about one user's quota, and not about the instance.
   */
  responded(verdict: Verdict, info?: LeaseInfo): void
  success(info?: LeaseInfo): void
  failure(info?: LeaseInfo): void
}

/** @internal Whom leases report to. */
export interface LeaseKeeper {
  /** The verdict is known: once per lease. */
  verdict(lease: BalancerLease, verdict: Verdict, info: LeaseInfo | undefined): void
  /** The body broke after a good beginning. */
  broke(lease: BalancerLease, info: LeaseInfo | undefined): void
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
  /** Who was told of the beginning; another one that has taken over since can make nothing of the outcome. */
  readonly listener: Picker | undefined
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
    this.listener = member.listener
    this.startedAt = startedAt
  }

  get probe(): boolean {
    return this.pass > 0
  }

  responded(verdict: Verdict, info?: LeaseInfo): void {
    if (this.#keeper === undefined || this.#verdict !== undefined) return
    this.#verdict = verdict
    this.#keeper.verdict(this, verdict, info)
  }

  success(info?: LeaseInfo): void {
    this.#settle('success', info)
  }

  failure(info?: LeaseInfo): void {
    this.#settle('failure', info)
  }

  ignore(): void {
    this.#settle('ignore', undefined)
  }

  #settle(verdict: Verdict, info: LeaseInfo | undefined): void {
    const keeper = this.#keeper
    if (keeper === undefined) return
    this.#keeper = undefined
    if (this.#verdict === undefined) keeper.verdict(this, verdict, info)
    else if (verdict === 'failure' && this.#verdict === 'success') keeper.broke(this, info)
    keeper.release(this)
  }
}

import type { ServiceInstance } from '../core/instance.ts'
import type { Verdict } from '../core/outcome.ts'
import { Ejector } from './ejection.ts'
import type { BalancerEvents, EjectionReason, RestoreReason } from './events.ts'
import type { BalancerLease } from './lease.ts'
import type { MemberState } from './member-state.ts'
import type { BalancerSettings } from './options.ts'
import { Rests } from './rest.ts'
import { Roster } from './roster.ts'
import { Rotation, type RotationCounts } from './rotation.ts'
import { SlowStart } from './slow-start.ts'

/**
 * The instances of one balancer and what is held for or against them: who is known, healthy, chosen, ejected, resting, new.
 * Whatever changes that ends in a new rotation, and here is the one place that makes it.
 */

/** Who is told. */
export type Announce = <E extends keyof BalancerEvents>(event: E, payload: BalancerEvents[E]) => void

export class Fleet {
  readonly roster: Roster = new Roster()
  readonly rests: Rests = new Rests()
  readonly rotation: Rotation
  readonly ejector: Ejector
  readonly slowStart: SlowStart
  counts: RotationCounts = { eligible: 0, inService: 0, panic: false }
  /** Whether a pick has to know the time: somebody is out or resting, or the strategy measures. Else it reads no clock. */
  timed = false
  /** Calls that got an instance so far, and of those the ones that are not settled. */
  picks = 0
  inFlight = 0
  ejections = 0
  #settings: BalancerSettings
  readonly #announce: Announce
  /** What tells this client's subset from the others', unless the options say. */
  #seed: number | undefined

  constructor(settings: BalancerSettings, announce: Announce) {
    const { strategy, ejection, slowStart, random, clock } = settings
    this.#settings = settings
    this.#announce = announce
    this.rotation = new Rotation(strategy, { random, clock })
    this.ejector = new Ejector(ejection, random)
    this.slowStart = new SlowStart(slowStart, random)
  }

  get settings(): BalancerSettings {
    return this.#settings
  }

  update(instances: readonly ServiceInstance[]): void {
    const first = this.roster.size === 0
    const change = this.roster.update(instances)
    if (change === undefined) return
    const now = this.#settings.clock.now()
    for (const member of change.removed) {
      this.rests.end(member)
      this.slowStart.end(member)
    }
    // Who is there from the beginning is not new; it may be as old as this process is young.
    if (!first) for (const member of [...change.added, ...change.recovered]) this.#begin(member, now)
    const restored = this.#rearrange(change.removed, now)
    for (const { instance, inFlight } of change.removed) this.#announce('removed', { instance, inFlight })
    for (const { instance } of change.added) this.#announce('added', { instance })
    this.#announceRestored(restored, 'over-cap')
  }

  /** What somebody found who asked the instance. False when there is none of this id. */
  setHealth(id: string, healthy: boolean): boolean {
    const member = this.roster.get(id)
    if (member === undefined) return false
    if (member.failsChecks !== healthy) return true
    const now = this.#settings.clock.now()
    member.failsChecks = !healthy
    this.#begin(member, now)
    this.#announceRestored(this.#rearrange([], now), 'over-cap')
    return true
  }

  configure(settings: BalancerSettings): void {
    // First, because a strategy of the user's own may throw.
    if (settings.strategy !== this.#settings.strategy) this.rotation.setStrategy(settings.strategy)
    this.#settings = settings
    this.ejector.configure(settings.ejection)
    this.slowStart.configure(settings.slowStart)
    this.#announceRestored(this.#rearrange([], settings.clock.now()), 'over-cap')
  }

  /** Ends the rests that are over. */
  wake(now: number): void {
    if (this.rests.wake(now)) this.#rotate()
  }

  /** It asked to be left alone. */
  rest(member: MemberState, retryAfterMs: number): void {
    const forMs = Math.min(retryAfterMs, this.#settings.maxRestMs)
    if (!(forMs > 0) || !this.rests.begin(member, forMs, this.#settings.clock.now())) return
    this.#rotate()
    if (member.slot < 0) this.#announce('resting', { instance: member.instance, forMs })
  }

  /** Counts a failure of a member in rotation. */
  failed(member: MemberState): void {
    const now = this.#settings.clock.now()
    const out: [MemberState, EjectionReason, forMs: number][] = []
    if (this.ejector.compares) {
      for (const { member: outlier, reason } of this.ejector.judge(this.roster.members(), now)) {
        if (!outlier.ejected && this.ejector.hasRoom) out.push([outlier, reason, this.#eject(outlier, now)])
      }
    }
    // Its failure may have ended the interval in which it was an outlier itself; then it is out already.
    if (!member.ejected && this.ejector.failed(member)) {
      out.push([member, 'consecutive-failures', this.#eject(member, now)])
    }
    if (out.length === 0) return
    this.#rotate()
    for (const [{ instance }, reason, forMs] of out) this.#announceEjected(instance, reason, forMs)
  }

  /** The verdict about a probe. */
  probed(lease: BalancerLease, verdict: Verdict): void {
    const { member, pass } = lease
    const { ejection } = member
    if (ejection === undefined || !member.known || !ejection.gate.isCurrent(pass, lease.generation)) return
    const now = this.#settings.clock.now()
    const forMs = this.ejector.probed(ejection, pass, verdict, now)
    if (forMs === undefined) return
    if (forMs > 0) {
      this.ejections += 1
      this.#announceEjected(member.instance, 'probe-failed', forMs)
      return
    }
    // From here on it is an ordinary call of the restored member: its body may still break.
    lease.generation = member.generation
    lease.successesAfter = member.successes
    this.#begin(member, now)
    this.#rotate()
    this.#announceRestored([member], 'probe-succeeded')
  }

  #begin(member: MemberState, now: number): void {
    if (member.healthy) this.slowStart.begin(member, now, this.picks)
  }

  #eject(member: MemberState, now: number): number {
    this.ejections += 1
    this.slowStart.end(member)
    return this.ejector.eject(member, now)
  }

  #announceEjected(instance: ServiceInstance, reason: EjectionReason, forMs: number): void {
    this.#announce('ejected', { instance, reason, forMs, ejectedCount: this.ejector.size })
  }

  #announceRestored(members: readonly MemberState[], reason: RestoreReason): void {
    const ejectedCount = this.ejector.size
    for (const { instance } of members) this.#announce('restored', { instance, reason, ejectedCount })
  }

  /** Membership, health or rules changed. Returns those that may not stay out any more. */
  #rearrange(removed: readonly MemberState[], now: number): readonly MemberState[] {
    const { subset, random } = this.#settings
    if (subset !== undefined) this.#seed ??= Math.floor(random() * 2 ** 32)
    this.roster.choose(subset, subset?.seed ?? this.#seed ?? 0)
    const restored = this.ejector.follow(this.roster.members(), removed, this.roster.candidates, now)
    for (const member of restored) this.#begin(member, now)
    this.#rotate()
    return restored
  }

  /** Works out anew who is picked from. O(n), and called only when that changed. */
  #rotate(): void {
    const former = this.counts.panic
    this.counts = this.rotation.arrange(this.roster.members(), this.#settings)
    this.timed = this.#settings.strategy.needsLatency === true || this.ejector.size > 0 || this.rests.size > 0
    const { panic: on, eligible, inService } = this.counts
    if (on !== former) this.#announce('panic', { on, eligible, inService })
  }
}

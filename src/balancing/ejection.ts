import { type GateRules, type Pass, REFUSED } from '../core/gate.ts'
import type { Verdict } from '../core/outcome.ts'
import type { Random } from '../time/random.ts'
import type { EjectionRules } from './ejection-options.ts'
import { IndexedHeap } from './indexed-heap.ts'
import { Ejection, type MemberState } from './member-state.ts'
import { type Outlier, OutlierIntervals } from './outliers.ts'

/**
 * Takes instances that keep failing out of the rotation, and finds out by single probes when they are well again. Pure:
 * `now` is passed in, and nothing here waits: the next probe's time is a number that callers look at.
 *
 * The cap is the important part. Without one, a fault of this client's own network ejects everybody, and what was a
 * brown-out is an outage made by the library.
 */

/** Sorts before every time: due at once. */
const AT_ONCE = Number.NEGATIVE_INFINITY

export class Ejector {
  #rules: EjectionRules
  #gateRules: GateRules
  readonly #random: Random
  readonly #intervals: OutlierIntervals
  /** Candidates that are out, by when their probe is due. */
  readonly #out = new IndexedHeap<Ejection>()
  #cap = 0
  #lastNow = AT_ONCE

  constructor(rules: EjectionRules, random: Random) {
    this.#rules = rules
    this.#gateRules = gateRulesOf(rules)
    this.#random = random
    this.#intervals = new OutlierIntervals(rules)
  }

  /** Other rules from now on. Who is out stays out for as long as was said; `follow` is to be called next, for the cap. */
  configure(rules: EjectionRules): void {
    this.#rules = rules
    this.#gateRules = gateRulesOf(rules)
    this.#intervals.configure(rules)
  }

  /** Candidates that are out. */
  get size(): number {
    return this.#out.size
  }

  /** Whether there are rules that compare, which want `judge` to be called at each failure. */
  get compares(): boolean {
    return this.#intervals.active
  }

  /** Whether one more may be out. */
  get hasRoom(): boolean {
    return this.#out.size < this.#cap
  }

  /** Counts a success of a member in rotation. */
  succeeded(member: MemberState): void {
    member.successes += 1
    member.intervalSuccesses += 1
    member.consecutiveFailures = 0
  }

  /** Counts a failure of a member in rotation. Says whether it should be ejected now. */
  failed(member: MemberState): boolean {
    member.intervalFailures += 1
    member.consecutiveFailures += 1
    if (member.consecutiveFailures < this.#rules.consecutiveFailures) return false
    return member.candidate && this.hasRoom
  }

  /** Those that should be ejected for standing out in the interval that is over, the worst first; nobody before that. */
  judge(members: Iterable<MemberState>, now: number): readonly Outlier[] {
    return this.#intervals.failing(members, now)
  }

  /** Takes a member out. Returns for how long, in milliseconds. */
  eject(member: MemberState, now: number): number {
    const ejection = (member.ejection ??= new Ejection(member, this.#gateRules))
    ejection.gate.configure(this.#gateRules)
    const { baseEjectionMs } = this.#rules
    // Envoy takes one step back per sweep; without a timer the steps are counted when they matter.
    const forgiven = Math.floor(Math.max(0, now - ejection.restoredAt) / baseEjectionMs)
    ejection.severity = Math.max(0, ejection.severity - forgiven)
    ejection.out = true
    this.#out.push(ejection)
    return this.#open(ejection, now, 'tripped')
  }

  /**
   * The member whose probe is due, and has been for `patienceMs`, if any. O(1), and to be asked only while `size` is not 0.
   */
  due(now: number, patienceMs = 0): Ejection | undefined {
    if (now < this.#lastNow) this.#rebase(now)
    this.#lastNow = now
    const first = this.#out.top
    return first !== undefined && first.key + patienceMs <= now ? first : undefined
  }

  /** Milliseconds until the next probe is due; undefined when nobody is out. */
  dueInMs(now: number): number | undefined {
    const first = this.#out.top
    return first === undefined ? undefined : Math.max(0, first.key - now)
  }

  /** Asks for the probe of a member that is due; a pass, or REFUSED. */
  probe(ejection: Ejection, now: number): Pass {
    const pass = ejection.gate.enter(now)
    // Next in question when the gate ends, or this probe (or the one that is still running) counts as lost.
    const wait = (pass === REFUSED && ejection.gate.remainingMs(now)) || this.#rules.probeTimeoutMs
    this.#schedule(ejection, now + wait)
    return pass
  }

  /** Counts a probe's verdict. Returns for how long the member stays out: 0 when it is back, undefined when undecided. */
  probed(ejection: Ejection, pass: Pass, verdict: Verdict, now: number): number | undefined {
    const { gate, member } = ejection
    if (verdict === 'ignore') {
      gate.release(pass)
      this.#schedule(ejection, AT_ONCE)
      return undefined
    }
    if (verdict === 'failure') {
      member.consecutiveFailures += 1
      return this.#open(ejection, now, 'probe-failed')
    }
    gate.probeSucceeded(pass)
    member.successes += 1
    this.#restore(ejection, now)
    return 0
  }

  /**
   * Follows a change of membership: who is a candidate, and how many of them may be out. Returns those that came back because the
   * fleet shrank, soonest due first: with half of the fleet gone, the share of the ejected would stand above the cap.
   */
  follow(
    members: Iterable<MemberState>,
    removed: readonly MemberState[],
    candidates: number,
    now: number,
  ): MemberState[] {
    for (const { ejection } of removed) if (ejection !== undefined) this.#leave(ejection)
    for (const { ejection, candidate: counts } of members) {
      if (ejection === undefined || !ejection.out) continue
      if (!counts) this.#leave(ejection)
      else if (ejection.at < 0) {
        ejection.key = probeTime(ejection, now)
        this.#out.push(ejection)
      }
    }
    this.#cap = ejectionCap(this.#rules.maxEjectedShare, candidates)
    const restored: MemberState[] = []
    for (let first = this.#out.top; first !== undefined && this.#out.size > this.#cap; first = this.#out.top) {
      first.gate.close('reset')
      this.#restore(first, now)
      restored.push(first.member)
    }
    return restored
  }

  #open(ejection: Ejection, now: number, reason: 'tripped' | 'probe-failed'): number {
    const { baseEjectionMs, maxEjectionMs, jitter } = this.#rules
    ejection.severity += 1
    const forMs = Math.min(maxEjectionMs, baseEjectionMs * ejection.severity) * (1 + jitter * this.#random())
    // Beyond the longest there is nothing to grow to, and each step more would have to be forgiven.
    ejection.severity = Math.min(ejection.severity, Math.ceil(maxEjectionMs / baseEjectionMs))
    ejection.gate.open(now, forMs, reason)
    this.#schedule(ejection, now + forMs)
    return forMs
  }

  #restore(ejection: Ejection, now: number): void {
    ejection.out = false
    ejection.restoredAt = now
    ejection.member.consecutiveFailures = 0
    this.#leave(ejection)
  }

  #schedule(ejection: Ejection, key: number): void {
    ejection.key = key
    if (ejection.at >= 0) this.#out.moved(ejection)
  }

  #leave(ejection: Ejection): void {
    if (ejection.at >= 0) this.#out.remove(ejection)
  }

  /** The clock went backwards (fake timers installed late): gates begin their wait again, and so do we. */
  #rebase(now: number): void {
    for (const ejection of this.#out.drain()) {
      ejection.key = probeTime(ejection, now)
      this.#out.push(ejection)
    }
  }
}

function gateRulesOf({ probeTimeoutMs }: EjectionRules): GateRules {
  return { probes: 1, successThreshold: 1, probeTimeoutMs }
}

/** When the gate may let a probe in. One that is half-open is asked at once, and says no while a probe is running. */
function probeTime({ gate }: Ejection, now: number): number {
  return gate.kind(now) === 'open' ? now + gate.remainingMs(now) : AT_ONCE
}

/** How many of so many healthy members may be out: never the last one, and one of three even at a small share. */
export function ejectionCap(share: number, healthy: number): number {
  if (share === 0) return 0
  const cap = Math.max(Math.floor(share * healthy), healthy >= 3 ? 1 : 0)
  return Math.max(0, Math.min(cap, healthy - 1))
}

import type { Verdict } from '../../core/outcome.ts'
import { RecentQuantile } from '../../stats/recent-quantile.ts'
import { deadlinesOf } from '../../time/deadlines.ts'
import { type Random, randomIndex } from '../../time/random.ts'
import { InFlightMeter } from '../load.ts'
import { nextFailureShare, remaining } from '../loads/failure-share.ts'
import { type ProbeJudge, ProbePool } from '../loads/probe-pool.ts'
import { type PoolPlan, planPool } from '../loads/pool-plan.ts'
import { type LoadProbe, type ProbedLoad, Probing } from '../loads/probing.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'
import type { PickedCall, Picker, PickRequest, StrategyContext } from '../strategy.ts'
import { SampledPicker } from './sampled-picker.ts'

/** @internal */
export interface PrequalRules {
  readonly probe: LoadProbe
  readonly probesPerCall: number
  readonly probeTimeoutMs: number
  readonly maxAgeMs: number
  readonly hotQuantile: number
  readonly poolSize: number
}

/** Probes remembered for the line between hot and cold. */
const HISTORY = 64
/** Who fails every call is taken for so many times as busy as the line between hot and cold. As with `peakEwma`. */
const FAILURE_PENALTY = 20
const FORGET_FAILURES_MS = 10_000

const FAILURES = 0
const SEEN_AT = 1
const WIDTH = 2

export class PrequalPicker implements Picker, ProbeJudge {
  readonly #rules: PrequalRules
  readonly #random: Random
  readonly #clock: StrategyContext['clock']
  readonly #probing: Probing
  readonly #pool: ProbePool
  readonly #loads: RecentQuantile
  /** While too little is known. */
  readonly #fallback: SampledPicker
  readonly #failures = new MemberRows([0, Number.NaN])
  #members: readonly Member[] = []
  #plan: PoolPlan
  #probesDue = 0
  #removalsDue = 0
  #removeOldest = true

  constructor(rules: PrequalRules, { random, clock }: StrategyContext) {
    this.#rules = rules
    this.#plan = planPool(0, rules.poolSize, rules.probesPerCall)
    this.#random = random
    this.#clock = clock
    this.#pool = new ProbePool(rules.maxAgeMs, this)
    this.#loads = new RecentQuantile(rules.hotQuantile, HISTORY)
    this.#fallback = new SampledPicker(2, new InFlightMeter(), random)
    this.#probing = new Probing(rules.probe, rules.probeTimeoutMs, deadlinesOf(clock), this.#probed)
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#fallback.update(members)
    this.#failures.update(members)
    this.#pool.keep((member) => this.#alive(member))
    this.#plan = planPool(members.length, this.#rules.poolSize, this.#rules.probesPerCall)
  }

  pick(request: PickRequest, now: number = this.#clock.now()): Member | undefined {
    const result = this.#pool.choose(now, request.exclude)
    if (result === undefined) return this.#fallback.pick(request)
    this.#pool.use(result)
    return result.member
  }

  started({ startedAt }: PickedCall): void {
    const count = this.#members.length
    if (count < 2) return
    this.#probesDue += this.#rules.probesPerCall
    for (; this.#probesDue >= 1; this.#probesDue -= 1) {
      this.#probing.send(this.#members[randomIndex(this.#random, count)] as Member, startedAt)
    }
    this.#removalsDue += this.#plan.removalsPerCall
    for (; this.#removalsDue >= 1; this.#removalsDue -= 1) this.#remove(startedAt)
  }

  responded(call: PickedCall, verdict: Verdict, latencyMs: number): void {
    const { member } = call
    if (member.slot < 0 || verdict === 'ignore') return
    const { values } = this.#failures
    const row = member.slot * WIDTH
    const now = call.startedAt + latencyMs
    values[row + FAILURES] = nextFailureShare(this.#failureShare(member.slot, now), verdict === 'failure')
    values[row + SEEN_AT] = now
    // What it said of itself came before this.
    if (verdict === 'failure') this.#pool.drop(member)
  }

  readonly #probed = (member: Member, load: ProbedLoad | undefined): void => {
    if (load === undefined || !this.#alive(member)) {
      this.#pool.drop(member)
      return
    }
    const { inFlight, latencyMs } = load
    this.#loads.add(inFlight / member.weight)
    const uses = Math.floor(this.#plan.uses + this.#random())
    this.#pool.add({ member, latencyMs, inFlight, at: this.#clock.now(), uses }, this.#plan.size)
  }

  #remove(now: number): void {
    if (this.#removeOldest) this.#pool.removeOldest()
    else this.#pool.removeWorst(now)
    this.#removeOldest = !this.#removeOldest
  }

  get hotAbove(): number {
    return this.#loads.value ?? 0
  }

  handicap({ slot }: Member, now: number): number {
    return FAILURE_PENALTY * (this.hotAbove + 1) * this.#failureShare(slot, now)
  }

  #failureShare(slot: number, now: number): number {
    const { values } = this.#failures
    const row = slot * WIDTH
    return (
      (values[row + FAILURES] as number) * remaining((now - (values[row + SEEN_AT] as number)) / FORGET_FAILURES_MS)
    )
  }

  #alive(member: Member): boolean {
    return this.#members[member.slot] === member
  }
}

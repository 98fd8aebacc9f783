import type { Member } from '../member.ts'

/**
 * What is known from the last probes, a few at a time: kept small, and used up, so that many clients with the same news do
 * not all go to the same member.
 */

/** @internal One answer of a member to "how busy are you?". */
export interface ProbeResult {
  readonly member: Member
  readonly latencyMs: number
  readonly at: number
  /** As reported, and one more for each call sent there since: others will not see them in time. */
  inFlight: number
  /** How many more calls it may send there. */
  uses: number
}

/** @internal By what results are compared. */
export interface ProbeJudge {
  /** The line between hot and cold, in calls in flight. */
  readonly hotAbove: number
  /** How much busier a member is taken for than it says. */
  handicap(member: Member, now: number): number
}

export class ProbePool {
  readonly #maxAgeMs: number
  readonly #judge: ProbeJudge
  #results: ProbeResult[] = []

  constructor(maxAgeMs: number, judge: ProbeJudge) {
    this.#maxAgeMs = maxAgeMs
    this.#judge = judge
  }

  get size(): number {
    return this.#results.length
  }

  /** Takes a result in, instead of the former one of the same member; beyond `limit` the oldest goes. */
  add(result: ProbeResult, limit: number): void {
    this.drop(result.member)
    this.#results.push(result)
    while (this.#results.length > limit) this.#results.shift()
  }

  drop(member: Member): void {
    this.#results = this.#results.filter((result) => result.member !== member)
  }

  /** Keeps the results of members that are still there. */
  keep(there: (member: Member) => boolean): void {
    this.#results = this.#results.filter(({ member }) => there(member))
  }

  /**
   * The hot-cold rule: the fastest of those that are not too busy, or else the least busy of all. Undefined with fewer than
   * two results: one alone is no choice.
   */
  choose(now: number, exclude: ReadonlySet<string> | undefined): ProbeResult | undefined {
    this.#expire(now)
    if (this.#results.length < 2) return undefined
    let best: ProbeResult | undefined
    for (const result of this.#results) {
      if (exclude?.has(result.member.id) === true) continue
      if (best === undefined || this.#isBetter(result, best, now)) best = result
    }
    return best
  }

  /** A call goes there. */
  use(result: ProbeResult): void {
    result.inFlight += 1
    result.uses -= 1
    if (result.uses <= 0) this.#remove(result)
  }

  removeOldest(): void {
    this.#results.shift()
  }

  /** The one the rule would take last: what is never chosen would otherwise fill the pool. */
  removeWorst(now: number): void {
    let worst: ProbeResult | undefined
    for (const result of this.#results) if (worst === undefined || this.#isBetter(worst, result, now)) worst = result
    if (worst !== undefined) this.#remove(worst)
  }

  #remove(result: ProbeResult): void {
    this.#results.splice(this.#results.indexOf(result), 1)
  }

  #expire(now: number): void {
    // They stand in the order in which they came. One from the future is from before the clock went backwards.
    while (this.#results.length > 0) {
      const age = now - (this.#results[0] as ProbeResult).at
      if (age >= 0 && age <= this.#maxAgeMs) return
      this.#results.shift()
    }
  }

  #isBetter(a: ProbeResult, b: ProbeResult, now: number): boolean {
    const { hotAbove } = this.#judge
    const busyA = this.#busyness(a, now)
    const busyB = this.#busyness(b, now)
    const coldA = busyA <= hotAbove
    if (coldA !== busyB <= hotAbove) return coldA
    return coldA ? a.latencyMs < b.latencyMs : busyA < busyB
  }

  #busyness({ member, inFlight }: ProbeResult, now: number): number {
    return (inFlight + this.#judge.handicap(member, now)) / member.weight
  }
}

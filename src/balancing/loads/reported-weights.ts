import type { LoadReport } from '../load-report.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'

/**
 * How much each member can do, by its own report: `requests/s ÷ (utilization + errors/s ÷ requests/s × penalty)`. Who is
 * half as busy with the same calls can take twice as many.
 *
 * Source: gRFC A58. There a weight of 0 means "not known", and who has none gets the mean of the others. (grpc-js
 * 1.14 takes the mean for an interval between calls instead of one over it, and so starves him: 8 calls of a million.)
 */

/** @internal */
export interface ReportedWeightRules {
  readonly blackoutMs: number
  readonly expirationMs: number
  readonly errorPenalty: number
}

const WEIGHT = 0
/** Since when there have been reports without a break, and when the last one came. */
const SINCE = 1
const AT = 2
const WIDTH = 3

export class ReportedWeights {
  readonly #rules: ReportedWeightRules
  readonly #rows = new MemberRows([0, Number.NaN, Number.NaN])
  #members: readonly Member[] = []

  constructor(rules: ReportedWeightRules) {
    this.#rules = rules
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#rows.update(members)
  }

  report(slot: number, report: LoadReport, now: number): void {
    const weight = weightOf(report, this.#rules.errorPenalty)
    if (weight === undefined) return
    const { values } = this.#rows
    const row = slot * WIDTH
    values[row + WEIGHT] = weight
    if (Number.isNaN(values[row + SINCE])) values[row + SINCE] = now
    values[row + AT] = now
  }

  /** The weights to pick by, in proportion to those of the operator. By slot. */
  weights(now: number): Float64Array {
    const own = Float64Array.from(this.#members, (_, slot) => this.weight(slot, now))
    let sum = 0
    let known = 0
    for (const weight of own) {
      if (weight === 0) continue
      sum += weight
      known += 1
    }
    // One alone says nothing about the others.
    const mean = known < 2 ? 0 : sum / known
    for (const [slot, { weight }] of this.#members.entries()) {
      const reported = mean === 0 ? 1 : (own[slot] as number) || mean
      own[slot] = weight * reported
    }
    return own
  }

  /** What a member's reports make it; 0 where there is none that counts. */
  weight(slot: number, now: number): number {
    const { blackoutMs, expirationMs } = this.#rules
    const { values } = this.#rows
    const row = slot * WIDTH
    const at = values[row + AT] as number
    // Before 0 the clock went backwards: then they count from now on.
    if (now < at) {
      values[row + AT] = now
      values[row + SINCE] = now
    }
    if (now - at >= expirationMs) values[row + SINCE] = Number.NaN
    return now - (values[row + SINCE] as number) >= blackoutMs ? (values[row + WEIGHT] as number) : 0
  }
}

/** Undefined for a report that says too little. */
function weightOf(report: LoadReport, penalty: number): number | undefined {
  const { requestsPerSecond = 0, errorsPerSecond = 0 } = report
  const utilization = report.applicationUtilization || report.cpuUtilization || 0
  if (requestsPerSecond === 0 || utilization === 0) return undefined
  const weight = requestsPerSecond / (utilization + (errorsPerSecond / requestsPerSecond) * penalty)
  // Both are finite, and yet their quotient may be none, or nothing.
  return Number.isFinite(weight) && weight > 0 ? weight : undefined
}

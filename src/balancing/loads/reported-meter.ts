import type { OutcomeInfo, Verdict } from '../../core/outcome.ts'
import type { LoadMeter } from '../load.ts'
import { loadReportOf } from '../load-report.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'
import type { PickedCall } from '../strategy.ts'
import { remaining } from './failure-share.ts'

/**
 * Calls in flight at a member, everybody's: those of others by its last report, ours by our own count, which is exact and
 * of now. A report fades into the mean of all: where nothing is known a member is as busy as the others.
 */

const OTHERS = 0
const AT = 1
const WIDTH = 2
/** How fast a report gets old, in milliseconds, and how many the mean is over. */
const FADE_MS = 1_000
const MEAN_OF = 32

export class ReportedMeter implements LoadMeter {
  readonly #rows = new MemberRows([Number.NaN, Number.NaN])
  #members: readonly Member[] = []
  #mean = 0

  update(members: readonly Member[]): void {
    this.#members = members
    this.#rows.update(members)
  }

  load(slot: number, now: number): number {
    const { inFlight, weight } = this.#members[slot] as Member
    const { values } = this.#rows
    const reported = values[slot * WIDTH + OTHERS] as number
    const kept = remaining((now - (values[slot * WIDTH + AT] as number)) / FADE_MS)
    const others = Number.isNaN(reported) ? this.#mean : this.#mean + (reported - this.#mean) * kept
    return (others + inFlight + 1) / weight
  }

  responded(call: PickedCall, _verdict: Verdict, latencyMs: number, info: OutcomeInfo | undefined): void {
    const { slot, inFlight } = call.member
    const reported = loadReportOf(info?.load)?.inFlight
    if (slot < 0 || reported === undefined) return
    const others = Math.max(0, reported - inFlight)
    const { values } = this.#rows
    values[slot * WIDTH + OTHERS] = others
    values[slot * WIDTH + AT] = call.startedAt + latencyMs
    this.#mean += (others - this.#mean) / MEAN_OF
  }
}

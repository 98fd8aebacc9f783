import type { OutcomeInfo, Verdict } from '../../core/outcome.ts'
import { loadReportOf } from '../load-report.ts'
import type { ReportedWeights } from '../loads/reported-weights.ts'
import type { Member } from '../member.ts'
import type { PickedCall, Picker, PickRequest, StrategyContext } from '../strategy.ts'
import { WeightedPicker } from './weighted-picker.ts'

/** Weighing everybody anew costs about so many members per millisecond of patience: a tenth of a per cent of the time. */
const MEMBERS_PER_MS = 10

/** In turn, as often as their reports say. Weights are taken over once per `updateMs`, when the next call comes. */
export class ReportedPicker implements Picker {
  readonly #weights: ReportedWeights
  readonly #updateMs: number
  readonly #clock: StrategyContext['clock']
  readonly #turns: WeightedPicker
  #members: readonly Member[] = []
  #weighedAt = Number.NaN

  constructor(weights: ReportedWeights, updateMs: number, { random, clock }: StrategyContext) {
    this.#weights = weights
    this.#updateMs = updateMs
    this.#clock = clock
    this.#turns = new WeightedPicker(random)
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#weights.update(members)
    this.#weigh(this.#clock.now())
  }

  pick(request: PickRequest, now: number = this.#clock.now()): Member | undefined {
    const since = now - this.#weighedAt
    // Below 0 the clock went backwards.
    if (since >= Math.max(this.#updateMs, this.#members.length / MEMBERS_PER_MS) || since < 0) this.#weigh(now)
    return this.#turns.pick(request)
  }

  responded(call: PickedCall, _verdict: Verdict, latencyMs: number, info: OutcomeInfo | undefined): void {
    const report = loadReportOf(info?.load)
    const { slot } = call.member
    if (report !== undefined && slot >= 0) this.#weights.report(slot, report, call.startedAt + latencyMs)
  }

  #weigh(now: number): void {
    this.#weighedAt = now
    this.#turns.update(this.#members, this.#weights.weights(now))
  }
}

import { roundRobin, type Strategy, type Verdict } from 'gateless'

/** Counts leases through the public hooks of a strategy, and notes what is said about whom. */
export class LeaseWatch implements Strategy {
  readonly name = 'lease watch'
  /** `instance verdict`, in order. */
  readonly verdicts: string[] = []
  inFlight = 0
  settledCount = 0
  onPick: (() => void) | undefined
  readonly #inner: Strategy

  constructor(inner: Strategy = roundRobin()) {
    this.#inner = inner
  }

  create(context: Parameters<Strategy['create']>[0]): ReturnType<Strategy['create']> {
    const picker = this.#inner.create(context)
    return {
      update: (members) => picker.update(members),
      pick: (request) => {
        this.onPick?.()
        return picker.pick(request)
      },
      started: (call) => {
        this.inFlight += 1
        picker.started?.(call)
      },
      responded: (call, verdict: Verdict, latencyMs, info) => {
        this.verdicts.push(`${call.member.id} ${verdict}`)
        picker.responded?.(call, verdict, latencyMs, info)
      },
      settled: (call) => {
        this.inFlight -= 1
        this.settledCount += 1
        picker.settled?.(call)
      },
    }
  }
}

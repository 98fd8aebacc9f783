import type { Change, Decision, DecisionKind, LaneReport, LostCall, SecondOfLane } from './measurements.ts'
import type { AttemptEnd } from './lane.ts'
import { closed, type OpenSecond, quantiles } from './open-second.ts'
import { type LaneName, SUCCESS_WITHIN_MS } from './scene.ts'
import { Tally } from './tally.ts'

/** Keeps the books of one lane: per call, per second of its scheduled arrival, and per instance. */

const LOST_CALLS_KEPT = 100

/** How one call ended. */
export interface CallEnd {
  readonly scheduledMs: number
  readonly call: string
  /** Undefined for a 2xx; otherwise what went wrong. */
  readonly why: string | undefined
  /** What the lane knows about its attempts, for a call that is lost. */
  readonly attempts: string
}

export interface RecorderOutput {
  second(second: SecondOfLane): void
  decision(decision: Decision): void
}

export class Recorder {
  readonly #lane: LaneName
  readonly #now: () => number
  readonly #output: RecorderOutput
  readonly #latencies: number[] = []
  readonly #seconds = new Map<number, OpenSecond>()
  readonly #failures = new Tally()
  readonly #retries = new Tally()
  readonly #lost: LostCall[] = []
  #successes = 0
  #attempts = 0
  #worstStartDelayMs = 0
  #inFlight = 0

  /** `now`: milliseconds since the start of the run. */
  constructor(lane: LaneName, now: () => number, output: RecorderOutput) {
    this.#lane = lane
    this.#now = now
    this.#output = output
  }

  get inFlight(): number {
    return this.#inFlight
  }

  started(scheduledMs: number): void {
    this.#inFlight += 1
    this.#second(scheduledMs).pending += 1
    this.#worstStartDelayMs = Math.max(this.#worstStartDelayMs, this.#now() - scheduledMs)
  }

  attempt(scheduledMs: number, instance: string, { failed, durationMs }: AttemptEnd): void {
    const second = this.#second(scheduledMs)
    const open = second.instances.get(instance) ?? { failures: 0, durations: [] }
    second.instances.set(instance, open)
    open.durations.push(durationMs)
    if (failed) open.failures += 1
    second.attempts += 1
    this.#attempts += 1
  }

  retried(why: string): void {
    this.#retries.add(why)
  }

  ended({ scheduledMs, call, why, attempts }: CallEnd): void {
    this.#inFlight -= 1
    const latencyMs = this.#now() - scheduledMs
    const second = this.#second(scheduledMs)
    second.pending -= 1
    second.latencies.push(latencyMs)
    this.#latencies.push(latencyMs)
    const problem = why ?? (latencyMs > SUCCESS_WITHIN_MS ? 'too late' : undefined)
    if (problem === undefined) {
      second.successes += 1
      this.#successes += 1
      return
    }
    this.#failures.add(problem)
    if (this.#lost.length < LOST_CALLS_KEPT) {
      this.#lost.push({ atMs: scheduledMs, call, latencyMs, why: problem, attempts })
    }
  }

  decide(kind: DecisionKind, text: string, change?: Change): void {
    this.#output.decision({ atMs: this.#now(), source: this.#lane, kind, text, ...(change && { change }) })
  }

  /** Once a second: sums up what happened too often for a line each. */
  flush(): void {
    const retries = this.#retries.take()
    if (retries !== undefined) this.decide('retries', `${retries.count} retried: ${retries.text}`)
    const failures = this.#failures.take()
    if (failures !== undefined) this.decide('failures', `${failures.count} calls failed: ${failures.text}`)
    this.handOut()
  }

  /** Hands out the seconds that are complete. May be asked more often: a live view is then less behind. */
  handOut(): void {
    for (const [number, second] of this.#seconds) {
      // In order, and only when the fate of every call in it is known.
      if (second.pending > 0 || this.#now() < (number + 1) * 1_000) break
      this.#seconds.delete(number)
      this.#output.second(closed(number, second))
    }
  }

  report(leftovers: Pick<LaneReport, 'handles'>): LaneReport {
    return {
      calls: this.#latencies.length + this.#inFlight,
      successes: this.#successes,
      attempts: this.#attempts,
      ...quantiles(this.#latencies),
      worstStartDelayMs: this.#worstStartDelayMs,
      lost: this.#lost,
      inFlight: this.#inFlight,
      ...leftovers,
    }
  }

  #second(scheduledMs: number): OpenSecond {
    const number = Math.floor(scheduledMs / 1_000)
    let second = this.#seconds.get(number)
    if (second === undefined) {
      second = { pending: 0, successes: 0, attempts: 0, latencies: [], instances: new Map() }
      this.#seconds.set(number, second)
    }
    return second
  }
}

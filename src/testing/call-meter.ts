import { Samples } from './samples.ts'
import { TimeSeries } from './time-series.ts'

/** How a simulated call ended. `rejected`: this process refused (a guard, no instance), without asking anybody. */
export type CallEnd = 'ok' | 'failed' | 'rejected'

/**
 * What came of the calls: how many, how fast, and when.
 *
 * When to use: one for everything that is to be looked at together; a hundred clients can share one. `SimulatedClient`
 * fills its own; work that awaits is measured by `measure`.
 */
export class CallMeter {
  /** Latency of the calls that succeeded, in milliseconds, retries and backoffs included. */
  readonly latencyMs: Samples = new Samples()
  /** Calls by the moment they began. */
  readonly offered: TimeSeries
  /** Calls that succeeded, by the moment they *began*: the share of a second's calls that came to good. */
  readonly good: TimeSeries
  /** Attempts by the moment they were sent: the load. */
  readonly sent: TimeSeries
  #calls = 0
  #succeeded = 0
  #rejected = 0
  #failed = 0
  #attempts = 0

  /** @param bucketMs How fine the series are, in milliseconds. */
  constructor(bucketMs = 1_000) {
    this.offered = new TimeSeries(bucketMs)
    this.good = new TimeSeries(bucketMs)
    this.sent = new TimeSeries(bucketMs)
  }

  /** Calls begun. */
  get calls(): number {
    return this.#calls
  }

  get succeeded(): number {
    return this.#succeeded
  }

  get failed(): number {
    return this.#failed
  }

  get rejected(): number {
    return this.#rejected
  }

  /** Requests sent, first tries and others. */
  get attempts(): number {
    return this.#attempts
  }

  /** Attempts per call: 1 without retries, 0 where everything is rejected. NaN without calls. */
  get load(): number {
    return this.#attempts / this.#calls
  }

  /** Share of the calls that succeeded. NaN without calls. */
  get successRate(): number {
    return this.#succeeded / this.#calls
  }

  begin(nowMs: number): void {
    this.#calls += 1
    this.offered.add(nowMs)
  }

  attempt(nowMs: number): void {
    this.#attempts += 1
    this.sent.add(nowMs)
  }

  end(end: CallEnd, beganMs: number, nowMs: number): void {
    if (end === 'failed') this.#failed += 1
    else if (end === 'rejected') this.#rejected += 1
    else {
      this.#succeeded += 1
      this.latencyMs.add(nowMs - beganMs)
      this.good.add(beganMs)
    }
  }

  /** Counts a promise as one call. Never rejects: what came of it is in the meter. */
  async measure(clock: { now(): number }, work: () => Promise<unknown>): Promise<void> {
    const began = clock.now()
    this.begin(began)
    let end: CallEnd = 'ok'
    try {
      await work()
    } catch (error) {
      end = (error as { local?: unknown } | undefined)?.local === true ? 'rejected' : 'failed'
    }
    this.end(end, began, clock.now())
  }

  /** Share of the calls begun in `[fromMs, untilMs)`, in whole buckets, that succeeded. NaN when none began. */
  goodput(fromMs: number, untilMs: number): number {
    return this.good.sum(fromMs, untilMs) / this.offered.sum(fromMs, untilMs)
  }

  /**
   * When things were good again: the first moment from `afterMs` on at which a bucket of calls, and the next two, came to
   * good. Three, because one good bucket in a bad time may be chance. Undefined when there is none.
   *
   * @param share From which share of successes on a bucket is good, from 0 to 1.
   */
  recoveredAt(afterMs: number, share = 0.95): number | undefined {
    const { bucketMs, values } = this.offered
    for (let bucket = Math.ceil(afterMs / bucketMs); bucket + 3 <= values.length; bucket += 1) {
      const fromMs = bucket * bucketMs
      const allGood = [0, 1, 2].every((i) => this.goodput(fromMs + i * bucketMs, fromMs + (i + 1) * bucketMs) >= share)
      if (allGood) return fromMs
    }
    return undefined
  }
}

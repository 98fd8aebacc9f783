/** What the calls of one {@link SampleWindow} came to. */
export interface WindowSummary {
  /** Mean latency of those that were answered, in milliseconds; undefined where none was. */
  readonly averageMs: number | undefined
  /** The most calls in flight that any of them saw. */
  readonly maxInFlight: number
  /** Whether any was dropped. */
  readonly dropped: boolean
}

/**
 * Gathers calls until there is something to go by: a window of `windowMs`, at least two round trips long and of at least
 * `minSamples` calls. Shorter than two round trips, and what is measured would still be the effect of the limit before last.
 *
 * Source: WindowedLimit of Netflix's concurrency-limits (at least twice the latency, ten samples). Time is passed in.
 */
export class SampleWindow {
  readonly #windowMs: number
  readonly #minSamples: number
  #since: number | undefined
  #lengthMs: number
  #samples = 0
  #answered = 0
  #sumMs = 0
  #maxInFlight = 0
  #dropped = false

  constructor(windowMs: number, minSamples: number) {
    this.#windowMs = windowMs
    this.#minSamples = minSamples
    this.#lengthMs = windowMs
  }

  /** Takes note of a call that ended at `now`; returns the summary when that fills the window, and begins the next. */
  add(latencyMs: number, inFlight: number, dropped: boolean, now: number): WindowSummary | undefined {
    // Also when the clock went backwards: else the window would not end before the clock is back.
    if (this.#since === undefined || now < this.#since) this.#since = now
    this.#samples += 1
    this.#maxInFlight = Math.max(this.#maxInFlight, inFlight)
    if (dropped) this.#dropped = true
    else {
      // Of the answered alone: a refusal comes fast, and would look like a service with nothing to do.
      this.#answered += 1
      this.#sumMs += latencyMs
    }
    if (this.#samples < this.#minSamples || now - this.#since < this.#lengthMs) return undefined
    const averageMs = this.#answered === 0 ? undefined : this.#sumMs / this.#answered
    const summary = { averageMs, maxInFlight: this.#maxInFlight, dropped: this.#dropped }
    this.#lengthMs = Math.max(this.#windowMs, 2 * (averageMs ?? 0))
    this.#since = now
    this.#samples = 0
    this.#answered = 0
    this.#sumMs = 0
    this.#maxInFlight = 0
    this.#dropped = false
    return summary
  }
}

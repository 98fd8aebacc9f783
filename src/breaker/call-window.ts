import type { OptionReader } from '../core/options.ts'
import { CountWindow } from '../stats/count-window.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
import type { TripCounts, TripMemory } from './trip-rule.ts'

/** The calls a rule looks back on, by time or by number, and what share of them is too bad. */

/** What `failureRate` and `slowCallRate` have in common, checked. */
export interface WindowRule {
  /** Share of bad calls that opens the breaker. */
  readonly share: number
  /** Undefined when it looks back by number. */
  readonly windowMs: number | undefined
  readonly windowCalls: number
  readonly minimumCalls: number
  /** A call that takes longer is bad; when undefined, one that fails is. */
  readonly thresholdMs: number | undefined
}

const WINDOW_DEFAULTS = /* @__PURE__ */ Object.freeze({ windowMs: 10_000, minimumCalls: 20 })

/** A ring of a million calls is 250 kB; more than that is no recent past. */
const MAX_WINDOW_CALLS = 1_000_000

/** Reads `windowMs`, `windowCalls` and `minimumCalls`. */
export function readWindow(read: OptionReader): Pick<WindowRule, 'windowMs' | 'windowCalls' | 'minimumCalls'> {
  const windowMs = read.duration('windowMs', undefined, 100)
  const calls = read.number('windowCalls', { default: undefined, min: 1, max: MAX_WINDOW_CALLS, integer: true })
  if (calls === undefined) {
    const minimumCalls = read.number('minimumCalls', { default: WINDOW_DEFAULTS.minimumCalls, min: 1, integer: true })
    return { windowMs: windowMs ?? WINDOW_DEFAULTS.windowMs, windowCalls: 0, minimumCalls }
  }
  if (windowMs !== undefined) read.refuse('windowMs', 'left out when windowCalls is given')
  const byDefault = Math.min(WINDOW_DEFAULTS.minimumCalls, calls)
  // More than the window can hold would never be reached.
  const minimumCalls = read.number('minimumCalls', { default: byDefault, min: 1, max: calls, integer: true })
  return { windowMs: undefined, windowCalls: calls, minimumCalls }
}

/** The window in words. */
export function windowName({ windowMs, windowCalls }: WindowRule): string {
  return windowMs === undefined
    ? windowCalls === 1
      ? 'the last call'
      : `the last ${windowCalls} calls`
    : `${windowMs} ms`
}

/** A call's column: 1 for failed, plus 2 for slow. A rule that measures nothing only ever uses the first two. */
const FAILED = 1
const SLOW = 2

type Window = Pick<RollingCounts, 'add' | 'total' | 'clear'>

/** The memory of both rules. */
export class WindowMemory implements TripMemory {
  readonly #rule: WindowRule
  /** Made at the first call: most breakers of a large set are idle. */
  #window: Window | undefined

  constructor(rule: WindowRule) {
    this.#rule = rule
  }

  get timed(): boolean {
    return this.#rule.windowMs !== undefined
  }

  get measured(): boolean {
    return this.#rule.thresholdMs !== undefined
  }

  record(failed: boolean, now: number, tookMs: number): boolean {
    const { measured } = this
    const slow = measured && this.tooSlow(tookMs)
    this.#window ??= makeWindow(this.#rule)
    this.#window.add((failed ? FAILED : 0) + (slow ? SLOW : 0), now)
    // Only a bad call can raise the share: a good one never opens anything.
    if (!(measured ? slow : failed)) return false
    const { successes, failures, slow: slowCalls } = this.counts(now)
    const calls = successes + failures
    const bad = measured ? slowCalls : failures
    return calls >= this.#rule.minimumCalls && bad >= this.#rule.share * calls
  }

  tooSlow(tookMs: number): boolean {
    return tookMs > (this.#rule.thresholdMs ?? Number.POSITIVE_INFINITY)
  }

  reset(): void {
    this.#window?.clear()
  }

  counts(now: number): Required<TripCounts> {
    const window = this.#window
    if (window === undefined) return { successes: 0, failures: 0, slow: 0 }
    const successes = window.total(0, now)
    const failures = window.total(FAILED, now)
    if (!this.measured) return { successes, failures, slow: 0 }
    const slowSuccesses = window.total(SLOW, now)
    const slowFailures = window.total(FAILED + SLOW, now)
    return {
      successes: successes + slowSuccesses,
      failures: failures + slowFailures,
      slow: slowSuccesses + slowFailures,
    }
  }

  /** Counts without their times would be believed for too long: a restored breaker starts with an empty window. */
  save(): undefined {}

  restore(): void {
    this.reset()
  }

  /** Another threshold or minimum over the same window goes on with what is in it. */
  adopt(previous: TripMemory): void {
    if (!(previous instanceof WindowMemory)) return
    const [a, b] = [this.#rule, previous.#rule]
    if (a.windowMs !== b.windowMs || a.windowCalls !== b.windowCalls || a.thresholdMs !== b.thresholdMs) return
    if (this.#window !== undefined) return
    this.#window = previous.#window
    // Moved, not shared: two rules that wrote into one window would count every call twice.
    previous.#window = undefined
  }
}

function makeWindow({ windowMs, windowCalls, thresholdMs }: WindowRule): Window {
  if (windowMs === undefined) return new CountWindow(windowCalls)
  return new RollingCounts(windowMs, thresholdMs === undefined ? 2 : 4)
}

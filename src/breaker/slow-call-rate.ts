import { OptionReader } from '../core/options.ts'
import { readWindow, windowName, WindowMemory, type WindowRule } from './call-window.ts'
import type { TripRule } from './trip-rule.ts'

export interface SlowCallRateOptions {
  /** A call that takes longer is slow, however it ends; milliseconds from 0. */
  readonly thresholdMs: number
  /** Share of slow calls that opens the breaker, above 0 up to 1. @default 0.5 */
  readonly rate?: number
  /** How far back it looks, in milliseconds from 100. Not together with `windowCalls`. @default 10_000 */
  readonly windowMs?: number
  /** Looks back by so many calls instead of by time; an integer from 1 to 1_000_000. */
  readonly windowCalls?: number
  /** Calls in the window below which it never opens; an integer from 1, at most `windowCalls`. @default 20 */
  readonly minimumCalls?: number
}

/**
 * Opens when too large a share of the calls is slow. Slow calls are counted, not cancelled: the caller gets his answer.
 *
 * When to use: where slowness comes before failure (a database that fills up), and callers that wait use up what others
 * need. Mostly in `anyOf`, next to a rule for failures.
 *
 * Gotchas: a call is counted when it ends, so one that hangs is not: put a `timeout` inside the breaker. Half-open, a
 * probe that is slow has failed, or the breaker would close on a service that is as slow as before. It reads the clock
 * twice per call.
 *
 * Window and minimum are those of `failureRate`. The rate is its 50 % as well: at the 100 % of resilience4j and Sentinel
 * one fast answer keeps everybody waiting. There is no default for `thresholdMs`, which nobody but you can know.
 */
export function slowCallRate(options: SlowCallRateOptions): TripRule {
  const read = new OptionReader('slowCallRate', options)
  const thresholdMs = read.duration('thresholdMs', undefined) ?? read.refuse('thresholdMs', 'given, in milliseconds')
  const share = read.number('rate', { default: 0.5, min: 0, above: true, max: 1 })
  const rule: WindowRule = { share, ...readWindow(read), thresholdMs }
  read.end()
  return Object.freeze({
    name: `${share * 100} % slower than ${thresholdMs} ms over ${windowName(rule)}`,
    windowMs: rule.windowMs,
    create: () => new WindowMemory(rule),
  })
}

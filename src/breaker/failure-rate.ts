import { OptionReader } from '../core/options.ts'
import { readWindow, windowName, WindowMemory, type WindowRule } from './call-window.ts'
import type { TripRule } from './trip-rule.ts'

export interface FailureRateOptions {
  /** Share of failures that opens the breaker, above 0 up to 1. @default 0.5 */
  readonly threshold?: number
  /** How far back it looks, in milliseconds from 100. Not together with `windowCalls`. @default 10_000 */
  readonly windowMs?: number
  /** Looks back by so many calls instead of by time; an integer from 1 to 1_000_000. */
  readonly windowCalls?: number
  /** Calls in the window below which it never opens; an integer from 1, at most `windowCalls`. @default 20 */
  readonly minimumCalls?: number
}

/**
 * Opens when the share of failures over a sliding window reaches the threshold.
 *
 * When to use: for a whole service, where single failures are normal. By time, unless calls are so rare or so uneven
 * that "the last 100 calls" says more than "the last 10 seconds".
 *
 * Gotchas: below `minimumCalls` in a window it says nothing, so a service called once a second needs a longer window. A
 * window of time slides in ten slices and is empty after an idle spell; a window of calls forgets nothing by itself.
 * Either costs the same per call, however many calls it holds.
 *
 * Defaults: Hystrix's (50 % of at least 20 calls within 10 s); of fewer `windowCalls` than 20, all of them.
 */
export function failureRate(options?: FailureRateOptions): TripRule {
  const read = new OptionReader('failureRate', options)
  const share = read.number('threshold', { default: 0.5, min: 0, above: true, max: 1 })
  const rule: WindowRule = { share, ...readWindow(read), thresholdMs: undefined }
  read.end()
  return Object.freeze({
    name: `${share * 100} % failures over ${windowName(rule)}`,
    windowMs: rule.windowMs,
    create: () => new WindowMemory(rule),
  })
}

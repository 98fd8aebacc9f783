import { OptionReader } from '../../core/options.ts'
import { PeakEwmaMeter } from '../loads/peak-ewma-meter.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { PeakEwmaPicker } from './peak-ewma-picker.ts'

/** Options of {@link peakEwma}. */
export interface PeakEwmaOptions {
  /** How many members are compared for each call, an integer from 2 up to 10. @default 2 */
  readonly choices?: number
  /**
   * How fast what was seen of a member fades: after so long without news about two thirds of it are forgotten.
   * Milliseconds from 1 up to 24 days.
   * @default 10_000 (Finagle, linkerd, Envoy)
   */
  readonly decayMs?: number
  /**
   * What a member that fails every call is taken for: so many times as busy as the average one. A share of failures
   * counts in proportion. From 0 (errors are not looked at) up to 1000.
   * @default 20
   */
  readonly failurePenalty?: number
  /**
   * A member that nobody has called for so long wins its next comparison, so that one of which bad was seen gets a
   * chance to show that it is well again; for at most one call in fifty. Milliseconds from 1 up to 24 days.
   * @default 3_000 (Kratos)
   */
  readonly reprobeMs?: number
}

/**
 * The one that is likely to answer soonest: of two random members, the one with the smaller product of latency and calls
 * in flight, with failures costed.
 *
 * When to use: calls that are alike, to instances that are not: slow machines, cold caches, garbage collections, a
 * replica that hangs. Latency is a peak-sensitive moving average (a slow answer counts at once, good ones win it back
 * over `decayMs`), or the age of a call that is still out, whichever is longer, so an instance that hangs is left alone
 * before its calls time out. A failure never counts as a quick answer: what fails fast draws nothing.
 *
 * Gotchas: latency misleads where calls differ (long polls, uploads, one slow route): use `leastConnections` there. What
 * is not known of an instance is taken to be as with the median of the others, so that a newcomer gets its share and not
 * everything. Weights divide the score: they shift the balance, and are no exact share. O(1); reads the clock twice a call.
 *
 * Sources: Finagle's PeakEwma and linkerd (the average and 10 s), Kratos (calls still out count, forced re-probes). Finagle
 * lets an idle member's latency fade to 0, and then sends it a burst; here it fades to that of the others.
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: peakEwma() })
 */
export function peakEwma(options?: PeakEwmaOptions): Strategy {
  const read = new OptionReader('peakEwma', options)
  const choices = read.number('choices', { default: 2, min: 2, max: 10, integer: true })
  const rules = {
    decayMs: read.duration('decayMs', 10_000, 1),
    failurePenalty: read.number('failurePenalty', { default: 20, min: 0, max: 1_000 }),
    reprobeMs: read.duration('reprobeMs', 3_000, 1),
  }
  read.end()
  return Object.freeze({
    name: 'peak-ewma',
    needsLatency: true,
    create: (context: StrategyContext) => new PeakEwmaPicker(choices, new PeakEwmaMeter(rules), context),
  })
}

import { OptionReader } from '../../core/options.ts'
import { CountedMeter, InFlightMeter } from '../load.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { FewestPicker } from './fewest-picker.ts'
import { MeteredPicker } from './sampled-picker.ts'

export interface LeastConnectionsOptions {
  /**
   * How many members are compared for each call, an integer from 2 up to 10, or `'all'` of them.
   * @default 2
   */
  readonly choices?: number | 'all'
}

/**
 * The one with the fewest calls in flight for its weight: the smallest `(inFlight + 1) / weight`.
 *
 * When to use: the safe default, and the best choice where latency misleads (long polls, streams, calls of very
 * different cost). By default the better of two random members, which comes close to the best of all (Mitzenmacher,
 * "The Power of Two Choices", 2001) and keeps many clients from all finding the same one; default and bounds of
 * `choices` as in gRPC's least_request (A48). `'all'` is best for a single client or for few calls that run very long.
 *
 * Gotchas: an instance that fails fast has the fewest calls in flight and draws traffic, so keep ejection on. A weight
 * shifts the balance, but is no exact share: two idle members are compared by weight alone, so with little load the
 * heavier of two wins. O(1), or O(log n) with `'all'` (a heap, not a scan).
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: leastConnections({ choices: 'all' }) })
 */
export function leastConnections(options?: LeastConnectionsOptions): Strategy {
  const read = new OptionReader('leastConnections', options)
  const given = read.raw('choices')
  const choices = given === 'all' ? given : readChoices(read)
  read.end()
  return Object.freeze({
    name: choices === 2 ? 'least-connections' : `least-connections of ${choices}`,
    create: ({ random }: StrategyContext) =>
      choices === 'all'
        ? new FewestPicker(new InFlightMeter(), random)
        : new MeteredPicker(choices, new CountedMeter(), random),
  })
}

function readChoices(read: OptionReader): number {
  if (typeof read.raw('choices') === 'string') read.refuse('choices', "an integer from 2 up to 10, or 'all'")
  return read.number('choices', { default: 2, min: 2, max: 10, integer: true })
}

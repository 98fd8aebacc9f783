import { OptionReader } from '../../core/options.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { type HashOptions, readBalanceFactor } from './hash-options.ts'
import { hashPicker } from './hash-picker.ts'
import { RingTable } from './ring-table.ts'

/** Options of {@link ringHash}. */
export interface RingHashOptions extends HashOptions {
  /**
   * Points on the ring for an instance of average weight: the more, the more even, and the larger. Shares differ by about
   * 1 / √points. An integer from 1 up to 10_000.
   * @default 160 (ketama, Dubbo)
   */
  readonly points?: number
}

/**
 * The same key to the same instance, in every client: the one whose point on a ring comes first after the key's.
 *
 * When to use: where keys must move as little as possible and the fleet changes often: an instance that goes, or comes
 * back, costs nothing but its own keys. Otherwise `maglev` is more even, and `rendezvous` for small fleets. Weights are
 * honoured by the number of points.
 *
 * Gotchas: those of `rendezvous`. At 160 points shares differ by 8 %. A ring holds about a million points at most: in
 * fleets above some thousands each gets fewer.
 *
 * Source: Karger et al., "Consistent Hashing and Random Trees", 1997; libketama.
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: ringHash({ points: 400 }) })
 */
export function ringHash(options?: RingHashOptions): Strategy {
  const read = new OptionReader('ringHash', options)
  const points = read.number('points', { default: 160, min: 1, max: 10_000, integer: true })
  const factor = readBalanceFactor(read)
  read.end()
  return Object.freeze({
    name: 'ring-hash',
    create: (context: StrategyContext) => hashPicker(new RingTable(points), factor, context),
  })
}

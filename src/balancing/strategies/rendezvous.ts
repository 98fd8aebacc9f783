import { OptionReader } from '../../core/options.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { type HashOptions, readBalanceFactor } from './hash-options.ts'
import { hashPicker } from './hash-picker.ts'
import { RendezvousTable } from './rendezvous-table.ts'

/** Options of {@link rendezvous}. */
export type RendezvousOptions = HashOptions

/**
 * The same key to the same instance, in every client: the one that scores highest for it.
 *
 * When to use: caches and sessions on up to a few hundred instances. When an instance goes, only its keys move, spread over
 * all the others; when one comes, only those it takes. Weights are exact shares of the keys.
 *
 * Gotchas: a key that makes half of the calls makes half of the load, unless `balanceFactor` bounds it; a call without a
 * key goes round robin; a probe of an ejected instance, due once in a while, takes a call away from its place. Instances
 * are told apart by id: let ids survive a restart.
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998) of 65,536 buckets: a pick hashes the key to a bucket, and a bucket's
 * instance is worked out when first asked for, so a pick is O(1) but for the first of each bucket after instances came or
 * went. With n instances their shares differ by about √(n / 65,536) of themselves: 4 % among a hundred, 12 % among a
 * thousand, where `maglev` is more even.
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: rendezvous({ balanceFactor: 1.25 }) })
 */
export function rendezvous(options?: RendezvousOptions): Strategy {
  const read = new OptionReader('rendezvous', options)
  const factor = readBalanceFactor(read)
  read.end()
  return Object.freeze({
    name: 'rendezvous',
    create: (context: StrategyContext) => hashPicker(new RendezvousTable(), factor, context),
  })
}

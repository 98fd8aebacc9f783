import { OptionReader } from '../../core/options.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { type HashOptions, readBalanceFactor } from './hash-options.ts'
import { hashPicker } from './hash-picker.ts'
import { MaglevTable, isPrime } from './maglev-table.ts'

/** Options of {@link maglev}. */
export interface MaglevOptions extends HashOptions {
  /**
   * Places in the table, a prime from 101 up to 5_000_011: a hundred times the number of instances keeps shares within
   * 1 % and makes few keys move needlessly. All clients must have the same.
   * @default 65_537 up to 655 instances, 655_373 up to 6_553, 5_000_011 above
   */
  readonly tableSize?: number
}

/**
 * The same key to the same instance, in every client, with shares that are even to a fraction of a per cent.
 *
 * When to use: hashing for many instances, or where even shares matter more than the last moved key. A lookup is one step
 * in a table. Weights are honoured as shares of the table.
 *
 * Gotchas: those of `rendezvous`. When an instance goes, a few keys of others move, too: at a table of 65,537 about 0.2 %
 * of all among ten instances and 0.5 % among a hundred. The table for a changed fleet is built in slices between other
 * work, some tens of milliseconds long; until it is ready newcomers get no keys, and those of who went go to their next
 * place. The very first table is built at once: 10 ms, at 5,000,011 a second. The default size changes with the
 * fleet, which moves most keys: name one if yours may cross 655.
 *
 * Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016 (3.4).
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: maglev({ balanceFactor: 1.25 }) })
 */
export function maglev(options?: MaglevOptions): Strategy {
  const read = new OptionReader('maglev', options)
  const size = read.number('tableSize', { default: undefined, min: 101, max: 5_000_011, integer: true })
  if (size !== undefined && !isPrime(size)) read.refuse('tableSize', 'a prime number')
  const factor = readBalanceFactor(read)
  read.end()
  return Object.freeze({
    name: 'maglev',
    create: (context: StrategyContext) => hashPicker(new MaglevTable(size, context.clock), factor, context),
  })
}

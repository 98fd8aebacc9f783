import type { OptionReader } from '../../core/options.ts'

/** What all strategies that hash keys have in common. */
export interface HashOptions {
  /**
   * The most a member may have in flight, relative to its fair share of all calls in flight: a key whose home is full goes
   * to its next home. Above 1 up to 100 (1.25 is usual: Mirrokni, Thorup and Zadimoghaddam, 2016; HAProxy's
   * hash-balance-factor), or `false` for no bound. Off because it breaks up keys that belong together whenever few calls
   * are in flight: of ten instances each may have one of the first eight.
   * @default false
   */
  readonly balanceFactor?: number | false
}

/** @internal */
export function readBalanceFactor(read: OptionReader): number | undefined {
  if (read.raw('balanceFactor') === false) return undefined
  return read.number('balanceFactor', { default: undefined, min: 1, above: true, max: 100 })
}

import type { OptionReader } from '../core/options.ts'
import type { Random } from './random.ts'

/**
 * How far the delays of clients that failed together are spread: without it they come back together. Sources: Marc
 * Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full, equal); gRFC A6 and Polly (proportional).
 */

/**
 * - `none`: the computed delay exactly.
 * - `full`: anywhere between 0 and the computed delay, evenly. Fewest calls in all, and some at once.
 * - `equal`: half of the computed delay, and anywhere between 0 and the other half.
 * - `proportional`: the computed delay ± `jitterRatio` of it.
 */
export type Jitter = 'none' | 'full' | 'equal' | 'proportional'

const JITTERS: readonly Jitter[] = ['none', 'full', 'equal', 'proportional']

/** As in Polly. gRPC has 0.2, mollitia 0.1, resilience4j 0.5. */
const DEFAULT_RATIO = 0.25

/** @internal */
export type Spread = (delayMs: number, random: Random) => number

/** @internal The options `jitter` and `jitterRatio` as a function. */
export function readJitter(read: OptionReader, fallback: Jitter): Spread {
  const jitter = read.oneOf('jitter', JITTERS, fallback)
  const ratio = read.number('jitterRatio', { default: undefined, min: 0, max: 1 })
  if (jitter === 'proportional') return proportional(ratio ?? DEFAULT_RATIO)
  if (ratio !== undefined) read.refuse('jitterRatio', `left out with jitter '${jitter}'`)
  return SPREADS[jitter]
}

const SPREADS: Readonly<Record<Exclude<Jitter, 'proportional'>, Spread>> = /* @__PURE__ */ Object.freeze({
  none: (delayMs: number) => delayMs,
  full: (delayMs: number, random: Random) => random() * delayMs,
  equal: (delayMs: number, random: Random) => (delayMs + random() * delayMs) / 2,
})

/** @internal */
export function proportional(ratio: number): Spread {
  return (delayMs, random) => delayMs * (1 - ratio + 2 * ratio * random())
}

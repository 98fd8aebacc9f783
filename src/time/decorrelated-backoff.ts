import { OptionReader } from '../core/options.ts'
import type { Backoff, BackoffInput } from './backoff.ts'

/** Backoffs whose every delay is drawn anew instead of being spread around a computed one. */

/**
 * - `aws`: `min(maxMs, random between baseMs and 3 × the delay before)`. Source: Marc Brooker, "Exponential Backoff And
 *   Jitter", AWS Architecture Blog, 2015.
 * - `polly`: the steps between evenly drawn points of the curve `2^t × tanh(√(4t))`, divided by 1.4 so that the tries
 *   begin, in the median, near `baseMs × 1, 2, 4` after the first failure. Source: Polly's DecorrelatedJitterBackoffV2
 *   (App-vNext/Polly, issue 530).
 */
export type DecorrelatedFormula = 'aws' | 'polly'

export interface DecorrelatedBackoffOptions {
  /** `aws`: the shortest delay; `polly`: about the median of the first. Milliseconds, from 0. @default 100 */
  readonly baseMs?: number
  /** Upper bound, milliseconds. @default 10_000 */
  readonly maxMs?: number
  /** @default 'aws' */
  readonly formula?: DecorrelatedFormula
}

const FORMULAS: readonly DecorrelatedFormula[] = ['aws', 'polly']

/** Smooths the first step of Polly's curve. */
const CURVE_FACTOR = 4
/** Brings the medians of Polly's curve near 1, 2, 4 instead of 1.4, 2.8, 5.6. */
const CURVE_SCALE = 1.4

/**
 * Delays that grow on average and are spread over their whole range.
 *
 * When to use: many clients that fail at the same moment and know nothing of each other. `polly` has the smoother
 * distribution, `aws` never comes back before `baseMs`.
 *
 * Gotchas: `polly` remembers where its last delay ended. `RetryPolicy.execute` keeps that for it; whoever uses `decide`
 * alone hands it the call's `RetryProgress`, or successive delays are drawn independently of each other.
 *
 * @example
 * new RetryPolicy({ backoff: decorrelatedBackoff({ baseMs: 50, maxMs: 5_000 }) })
 */
export function decorrelatedBackoff(options?: DecorrelatedBackoffOptions): Backoff {
  const read = new OptionReader('decorrelatedBackoff', options)
  const baseMs = read.duration('baseMs', 100)
  const maxMs = read.duration('maxMs', 10_000)
  const formula = read.oneOf('formula', FORMULAS, 'aws')
  read.end()
  const drawn = formula === 'aws' ? threefold : alongCurve
  return Object.freeze({
    name: 'decorrelated',
    delayMs: (input: BackoffInput) => Math.min(maxMs, drawn(input, baseMs)),
  })
}

function threefold({ previousDelayMs, random }: BackoffInput, baseMs: number): number {
  const range = Math.max(0, (previousDelayMs ?? baseMs) * 3 - baseMs)
  return baseMs + random() * range
}

function alongCurve({ attempt, random, memory }: BackoffInput, baseMs: number): number {
  // Far out the curve is infinite, and the step from infinity to infinity is no number.
  if (baseMs === 0) return 0
  const begun = attempt === 1 ? 0 : (memory?.phase ?? onCurve(attempt - 2 + random()))
  const ended = onCurve(attempt - 1 + random())
  if (memory !== undefined) memory.phase = ended
  return ended === Number.POSITIVE_INFINITY ? ended : ((ended - begun) / CURVE_SCALE) * baseMs
}

function onCurve(t: number): number {
  return 2 ** t * Math.tanh(Math.sqrt(CURVE_FACTOR * t))
}

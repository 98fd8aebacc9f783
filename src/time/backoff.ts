import { OptionReader } from '../core/options.ts'
import { type Jitter, readJitter, type Spread } from './jitter.ts'
import type { Random } from './random.ts'

/**
 * How long to wait before the next try. Backoffs are frozen descriptions without state: one can serve any number of
 * policies, and the same inputs give the same delay.
 */

/** What went wrong, as far as waiting is concerned: it broke, or it asked to be left alone. */
export type FailureKind = 'transient' | 'throttling'

/** What one call remembers for its backoff, from one delay to the next. */
export interface BackoffMemory {
  /** Where on its curve the last delay ended. */
  phase?: number | undefined
}

/** What a delay may depend on. */
export interface BackoffInput {
  /** Tries made so far: 1 after the first failure. */
  readonly attempt: number
  /** The delay before the last try; undefined after the first failure. */
  readonly previousDelayMs?: number | undefined
  readonly random: Random
  /** What the last try failed of. @default 'transient' */
  readonly kind?: FailureKind | undefined
  /** The same object for all delays of one call; without it, what would be remembered is drawn again. */
  readonly memory?: BackoffMemory | undefined
}

export interface Backoff {
  readonly name: string
  /** Milliseconds, never negative. */
  delayMs(input: BackoffInput): number
}

export interface FixedBackoffOptions {
  /** Milliseconds, from 0. @default 100 */
  readonly delayMs?: number
  /** @default 'none' */
  readonly jitter?: Jitter
  /** How far proportional jitter goes to either side, as a share of the delay, from 0 to 1. @default 0.25 */
  readonly jitterRatio?: number
}

/** The same delay each time. When to use: polling something that is expected to need a known time. */
export function fixedBackoff(options?: FixedBackoffOptions): Backoff {
  const read = new OptionReader('fixedBackoff', options)
  const delayMs = read.duration('delayMs', 100)
  const spread = readJitter(read, 'none')
  read.end()
  return backoff('fixed', spread, () => delayMs)
}

export interface LinearBackoffOptions {
  /** Added at each try, milliseconds, from 0. @default 100 */
  readonly stepMs?: number
  /** Upper bound before the jitter, milliseconds. @default 10_000 */
  readonly maxMs?: number
  /** @default 'none' */
  readonly jitter?: Jitter
  /** How far proportional jitter goes to either side, as a share of the delay, from 0 to 1. @default 0.25 */
  readonly jitterRatio?: number
}

/** `stepMs × attempt`, up to `maxMs`. When to use: few tries against a service that recovers in a foreseeable time. */
export function linearBackoff(options?: LinearBackoffOptions): Backoff {
  const read = new OptionReader('linearBackoff', options)
  const stepMs = read.duration('stepMs', 100)
  const maxMs = read.duration('maxMs', 10_000)
  const spread = readJitter(read, 'none')
  read.end()
  return backoff('linear', spread, ({ attempt }) => Math.min(maxMs, stepMs * attempt))
}

export interface ExponentialBackoffOptions {
  /** The first delay, milliseconds, from 0. @default 100 */
  readonly baseMs?: number
  /** The first delay after a failure of the kind `throttling`, milliseconds, from 0. @default baseMs */
  readonly throttlingBaseMs?: number
  /** Growth per try, from 1. @default 2 */
  readonly factor?: number
  /** Upper bound before the jitter, milliseconds. @default 10_000 */
  readonly maxMs?: number
  /** @default 'full' */
  readonly jitter?: Jitter
  /** How far proportional jitter goes to either side, as a share of the delay, from 0 to 1. @default 0.25 */
  readonly jitterRatio?: number
}

/**
 * `baseMs × factor^(attempt - 1)`, up to `maxMs`.
 *
 * When to use: the default for anything across a network.
 *
 * Gotchas: the jitter comes after the bound, so that delays at the bound are spread as well; proportional jitter may
 * therefore exceed `maxMs` by `jitterRatio` of it.
 */
export function exponentialBackoff(options?: ExponentialBackoffOptions): Backoff {
  const read = new OptionReader('exponentialBackoff', options)
  const baseMs = read.duration('baseMs', 100)
  const throttlingBaseMs = read.duration('throttlingBaseMs', baseMs)
  const factor = read.number('factor', { default: 2, min: 1, max: 1_000 })
  const maxMs = read.duration('maxMs', 10_000)
  const spread = readJitter(read, 'full')
  read.end()
  return backoff('exponential', spread, ({ attempt, kind }) => {
    const base = kind === 'throttling' ? throttlingBaseMs : baseMs
    // 0 × Infinity is NaN: a base of 0 stays 0 however large the power grows.
    return base === 0 ? 0 : Math.min(maxMs, base * factor ** (attempt - 1))
  })
}

function backoff(name: string, spread: Spread, computed: (input: BackoffInput) => number): Backoff {
  return Object.freeze({ name, delayMs: (input: BackoffInput) => spread(computed(input), input.random) })
}

import { OptionReader } from '../core/options.ts'
import type { Random } from './random.ts'

/**
 * How long to wait before the next try. Backoffs are frozen descriptions without state: one can serve any number of
 * policies, and the same inputs give the same delay.
 *
 * Jitter is on by default: without it, clients that failed together come back together. Source for the formulas: Marc
 * Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */

/** What a delay may depend on. */
export interface BackoffInput {
  /** Tries made so far: 1 after the first failure. */
  readonly attempt: number
  /** The delay before the last try; undefined after the first failure. */
  readonly previousDelayMs?: number | undefined
  readonly random: Random
}

export interface Backoff {
  readonly name: string
  /** Milliseconds, never negative. */
  delayMs(input: BackoffInput): number
}

/** `full`: anywhere between 0 and the computed delay, evenly. `none`: the computed delay exactly. */
export type Jitter = 'none' | 'full'

const JITTERS: readonly Jitter[] = ['none', 'full']

export interface FixedBackoffOptions {
  /** Milliseconds, from 0. @default 100 */
  readonly delayMs?: number
  /** @default 'none' */
  readonly jitter?: Jitter
}

/** The same delay each time. When to use: polling something that is expected to need a known time. */
export function fixedBackoff(options?: FixedBackoffOptions): Backoff {
  const read = new OptionReader('fixedBackoff', options)
  const delayMs = read.duration('delayMs', 100)
  const jitter = read.oneOf('jitter', JITTERS, 'none')
  read.end()
  return backoff('fixed', jitter, () => delayMs)
}

export interface LinearBackoffOptions {
  /** Added at each try, milliseconds, from 0. @default 100 */
  readonly stepMs?: number
  /** Upper bound, milliseconds. @default 10_000 */
  readonly maxMs?: number
  /** @default 'none' */
  readonly jitter?: Jitter
}

/** `stepMs × attempt`, up to `maxMs`. When to use: few tries against a service that recovers in a foreseeable time. */
export function linearBackoff(options?: LinearBackoffOptions): Backoff {
  const read = new OptionReader('linearBackoff', options)
  const stepMs = read.duration('stepMs', 100)
  const maxMs = read.duration('maxMs', 10_000)
  const jitter = read.oneOf('jitter', JITTERS, 'none')
  read.end()
  return backoff('linear', jitter, (attempt) => Math.min(maxMs, stepMs * attempt))
}

export interface ExponentialBackoffOptions {
  /** The first delay, milliseconds, from 0. @default 100 */
  readonly baseMs?: number
  /** Growth per try, from 1. @default 2 */
  readonly factor?: number
  /** Upper bound, milliseconds. @default 10_000 */
  readonly maxMs?: number
  /** @default 'full' */
  readonly jitter?: Jitter
}

/** `baseMs × factor^(attempt - 1)`, up to `maxMs`. When to use: the default for anything across a network. */
export function exponentialBackoff(options?: ExponentialBackoffOptions): Backoff {
  const read = new OptionReader('exponentialBackoff', options)
  const baseMs = read.duration('baseMs', 100)
  const factor = read.number('factor', { default: 2, min: 1, max: 1_000 })
  const maxMs = read.duration('maxMs', 10_000)
  const jitter = read.oneOf('jitter', JITTERS, 'full')
  read.end()
  // 0 × Infinity is NaN: a base of 0 stays 0 however large the power grows.
  const computed = (attempt: number): number => (baseMs === 0 ? 0 : Math.min(maxMs, baseMs * factor ** (attempt - 1)))
  return backoff('exponential', jitter, computed)
}

function backoff(name: string, jitter: Jitter, computed: (attempt: number) => number): Backoff {
  return Object.freeze({
    name,
    delayMs: ({ attempt, random }: BackoffInput) => {
      const delay = computed(attempt)
      return jitter === 'full' ? random() * delay : delay
    },
  })
}

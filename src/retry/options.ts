import { OptionReader } from '../core/options.ts'
import { type Backoff, exponentialBackoff, type FailureKind } from '../time/backoff.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { type Budget, isBudget, RetryBudget, type RetryBudgetOptions } from './budget.ts'
import type { RetryAdvice } from './decision.ts'
import { failureKindOf } from './failure-kind.ts'
import { type ErrorMatcher, matchErrors } from './match-errors.ts'
import { retryAfterHint } from './retry-after-hint.ts'
import { isTransient } from './transient.ts'

/** The options of a {@link RetryPolicy}, and how they are read. */

/**
 * What becomes of the wait that a remote asked for. `at-least`: it lengthens the backoff, and never shortens it.
 * `exact`: it stands in place of the backoff, which begins anew after it.
 */
export type RetryAfterMode = 'at-least' | 'exact'

/** What a retry has to know of a breaker: a `CircuitBreaker`, or anything that says how it is. */
export interface Circuit {
  /** `open` stops the retries. */
  readonly state: string
  /** `isolated` stops them as well. */
  readonly mode?: string
}

export interface RetryOptions {
  /** Tries in all, the first included; an integer from 1 to 1000. 1 never retries. @default 3 */
  readonly maxAttempts?: number
  /**
   * How long to wait before the next try. One that throws, or answers no milliseconds from 0, is reported as an `error`
   * event, and there is no next try (`not-retryable`). @default exponentialBackoff(): 100 ms × 2 up to 10 s, full jitter
   */
  readonly backoff?: Backoff
  /**
   * Whether trying again may help. One that throws, or answers anything but true and false, is reported as an `error`
   * event and taken for a no. @default isTransient
   */
  readonly retryable?: (error: unknown) => boolean
  /** The errors that are retried, and no others; instead of `retryable`. @default none: `retryable` decides */
  readonly retryOn?: readonly ErrorMatcher[]
  /** Whether a failure is a request for patience, for backoffs and budgets that care. @default failureKindOf */
  readonly kindOf?: (error: unknown) => FailureKind
  /**
   * The longest one try may take, in milliseconds from 1; less where the call itself has less left. Its end is a
   * `TimeoutError` and is retried. @default none
   */
  readonly attemptTimeoutMs?: number | undefined
  /** The breaker that the tries go through: once it is open, there is no further one. @default none */
  readonly breaker?: Circuit | undefined
  /**
   * What bounds the retries of all calls together: a budget shared with others, the options of an own one, or false
   * for no bound. @default an own budget with the defaults of RetryBudgetOptions
   */
  readonly budget?: Budget | RetryBudgetOptions | false
  /**
   * What the remote said about coming back, read off the error: milliseconds, `'never'`, or undefined for nothing. One
   * that throws is reported as an `error` event and says nothing. @default the error's `retryAfterMs`, whoever made it
   */
  readonly retryAfterOf?: (error: unknown) => RetryAdvice | undefined
  /** What becomes of the wait that the remote asked for. @default 'at-least' */
  readonly retryAfterMode?: RetryAfterMode
  /**
   * The longest wait for a remote's sake, in milliseconds from 0: a Retry-After beyond it is cut down to it, since
   * otherwise one header could park a call for days. (One beyond the call's deadline ends the call instead.)
   * @default 30_000
   */
  readonly maxRetryAfterMs?: number
  /** How far a Retry-After may lengthen the backoff, in milliseconds from 0. @default none: only `maxRetryAfterMs` bounds it */
  readonly maxRetryAfterExtraMs?: number | undefined
  /** Stands in messages and in `info`. @default 'retry' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /** A source of chance, in [0, 1), for the jitter. @default Math.random */
  readonly random?: Random
}

/** What `configure` may change: everything but what other objects hold on to. */
export type RetryPatch = Omit<RetryOptions, 'budget' | 'name' | 'clock' | 'random'>

/** @internal */
export const FIXED_OPTIONS = ['budget', 'name', 'clock', 'random'] as const

/**
 * The defaults that are plain values. Three tries as in AWS's standard mode and SRE's advice; 30 s is where undici's
 * RetryHandler cuts a Retry-After.
 */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  maxAttempts: 3,
  maxRetryAfterMs: 30_000,
  retryAfterMode: 'at-least',
  name: 'retry',
} as const)

/** @internal */
export interface RetrySettings {
  readonly maxAttempts: number
  readonly backoff: Backoff
  readonly retryable: (error: unknown) => boolean
  readonly kindOf: (error: unknown) => FailureKind
  readonly attemptTimeoutMs: number | undefined
  readonly breaker: Circuit | undefined
  readonly budget: Budget | undefined
  readonly retryAfterOf: (error: unknown) => RetryAdvice | undefined
  readonly retryAfterMode: RetryAfterMode
  readonly maxRetryAfterMs: number
  readonly maxRetryAfterExtraMs: number
  readonly name: string
  readonly clock: Clock
  readonly random: Random
}

/** @internal */
export function readRetryOptions(options: RetryOptions | undefined): RetrySettings {
  const read = new OptionReader('RetryPolicy', options)
  const clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
  const backoff = read.implementing<Backoff | undefined>('backoff', ['delayMs'], undefined)
  const settings = {
    maxAttempts: read.number('maxAttempts', { default: DEFAULTS.maxAttempts, min: 1, max: 1_000, integer: true }),
    backoff: backoff ?? exponentialBackoff(),
    retryable: readRetryable(read),
    kindOf: read.function('kindOf', failureKindOf),
    attemptTimeoutMs: read.duration('attemptTimeoutMs', undefined, 1),
    breaker: readBreaker(read),
    budget: readBudget(read, clock),
    retryAfterOf: read.function('retryAfterOf', retryAfterHint),
    retryAfterMode: read.oneOf('retryAfterMode', ['at-least', 'exact'], DEFAULTS.retryAfterMode),
    maxRetryAfterMs: read.duration('maxRetryAfterMs', DEFAULTS.maxRetryAfterMs),
    maxRetryAfterExtraMs: read.duration('maxRetryAfterExtraMs', undefined) ?? Number.POSITIVE_INFINITY,
    name: read.string('name', DEFAULTS.name),
    clock,
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

function readRetryable(read: OptionReader): (error: unknown) => boolean {
  const named = read.raw('retryOn')
  if (named === undefined) return read.function('retryable', isTransient)
  if (read.raw('retryable') !== undefined) read.refuse('retryable', 'left out when retryOn is given')
  if (Array.isArray(named) && named.length === 0) read.refuse('retryOn', 'a list that is not empty')
  return matchErrors(named as readonly ErrorMatcher[], 'RetryPolicy: retryOn')
}

function readBreaker(read: OptionReader): Circuit | undefined {
  const given = read.raw('breaker')
  if (given === undefined) return undefined
  if (typeof given !== 'object' || given === null || !('state' in given)) read.refuse('breaker', 'an object with state')
  return given as Circuit
}

function readBudget(read: OptionReader, clock: Clock): Budget | undefined {
  const given = read.raw('budget')
  if (given === false) return undefined
  if (given === undefined) return new RetryBudget({ clock })
  if (typeof given !== 'object' || given === null) read.refuse('budget', 'a budget, the options of one, or false')
  if (isBudget(given)) return given
  return new RetryBudget({ clock, ...(given as RetryBudgetOptions) })
}

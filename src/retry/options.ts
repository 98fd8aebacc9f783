import { OptionReader } from '../core/options.ts'
import { type Backoff, exponentialBackoff } from '../time/backoff.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { type Budget, RetryBudget, type RetryBudgetOptions } from './budget.ts'
import { isTransient } from './transient.ts'

/** The options of a {@link RetryPolicy}, and how they are read. */

export interface RetryOptions {
  /** Tries in all, the first included; an integer from 1 to 1000. 1 never retries. @default 3 */
  readonly maxAttempts?: number
  /** How long to wait before the next try. @default exponentialBackoff(): 100 ms × 2 up to 10 s, full jitter */
  readonly backoff?: Backoff
  /**
   * Whether trying again may help. One that throws, or answers anything but true and false, is reported as an `error`
   * event and taken for a no. @default isTransient
   */
  readonly retryable?: (error: unknown) => boolean
  /**
   * What bounds the retries of all calls together: a budget shared with others, the options of an own one, or false
   * for no bound. @default an own budget with the defaults of RetryBudgetOptions
   */
  readonly budget?: Budget | RetryBudgetOptions | false
  /**
   * The longest wait for a remote's sake, in milliseconds from 0: a Retry-After beyond it is cut down to it, since
   * otherwise one header could park a call for days. (One beyond the call's deadline ends the call instead.)
   * @default 30_000
   */
  readonly maxRetryAfterMs?: number
  /** Stands in messages and in `info`. @default 'retry' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /** A source of chance, in [0, 1), for the jitter. @default Math.random */
  readonly random?: Random
}

/**
 * The defaults that are plain values. Three tries as in AWS's standard mode and SRE's advice; 30 s is where undici's
 * RetryHandler cuts a Retry-After.
 */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ maxAttempts: 3, maxRetryAfterMs: 30_000, name: 'retry' })

/** @internal */
export interface RetrySettings {
  readonly maxAttempts: number
  readonly backoff: Backoff
  readonly retryable: (error: unknown) => boolean
  readonly budget: Budget | undefined
  readonly maxRetryAfterMs: number
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
    retryable: read.function('retryable', isTransient),
    budget: readBudget(read, clock),
    maxRetryAfterMs: read.duration('maxRetryAfterMs', DEFAULTS.maxRetryAfterMs),
    name: read.string('name', DEFAULTS.name),
    clock,
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

function readBudget(read: OptionReader, clock: Clock): Budget | undefined {
  const given = read.raw('budget')
  if (given === false) return undefined
  if (given === undefined) return new RetryBudget({ clock })
  if (typeof given !== 'object' || given === null) read.refuse('budget', 'a budget, the options of one, or false')
  // By its methods, not by instanceof: a budget from another copy of the package would pass for empty options.
  const { deposit, tryWithdraw } = given as Partial<Budget>
  if (typeof deposit === 'function' && typeof tryWithdraw === 'function') return given as Budget
  return new RetryBudget({ clock, ...(given as RetryBudgetOptions) })
}

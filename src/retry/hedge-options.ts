import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Budget, isBudget, RetryBudget, type RetryBudgetOptions } from './budget.ts'
import type { RetryAdvice } from './decision.ts'
import { fixedDelay, type HedgeDelay, percentileDelay, type PercentileDelayOptions } from './hedge-delay.ts'
import { retryAfterHint } from './retry-after-hint.ts'
import { isTransient } from './transient.ts'

/** The options of a {@link Hedge}, and how they are read. */

export interface HedgeOptions {
  /** Tries beside the first one, for one call; an integer from 1 to 4. Source: Polly; 4 is gRPC's limit. @default 1 */
  readonly maxHedges?: number
  /** A fixed delay before each hedge, in milliseconds from 0. Not together with `delay`. @default none */
  readonly delayMs?: number
  /** A delay learnt from the latency of the recent calls. @default PercentileDelayOptions' own: the 95th percentile of 30 s */
  readonly delay?: PercentileDelayOptions
  /**
   * Whether another try may cure this failure (what gRPC calls non-fatal); if not, it settles the call. One that throws,
   * or answers anything but true and false, is reported as an `error` event and taken for a no. @default isTransient
   */
  readonly retryable?: (error: unknown) => boolean
  /**
   * What the remote said about coming back, read off the error: milliseconds, after which the next try begins; `'never'`,
   * after which none does; or undefined for nothing. One that throws is reported as an `error` event and says nothing.
   * @default the error's `retryAfterMs`, whoever made it
   */
  readonly retryAfterOf?: (error: unknown) => RetryAdvice | undefined
  /**
   * What bounds the hedges of all calls together: a budget shared with the retries to the same service, the options of an
   * own one, or false for no bound. @default an own budget with the defaults of RetryBudgetOptions
   */
  readonly budget?: Budget | RetryBudgetOptions | false
  /**
   * Is handed the answer of a try that lost and answered all the same, for instance to drain a body. One that throws or
   * rejects is reported as an `error` event. @default nothing is done with it
   */
  readonly discard?: (value: unknown) => unknown
  /** Stands in messages and in `info`. @default 'hedge' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults that are plain values. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ maxHedges: 1, name: 'hedge' })

/** gRPC (proposal A6) allows five tries for one call, whatever a configuration says. */
const MAX_HEDGES = 4

/** @internal */
export interface HedgeSettings {
  readonly maxHedges: number
  readonly delay: HedgeDelay
  readonly retryable: (error: unknown) => boolean
  readonly retryAfterOf: (error: unknown) => RetryAdvice | undefined
  readonly budget: Budget | undefined
  readonly discard: ((value: unknown) => unknown) | undefined
  readonly name: string
  readonly clock: Clock
}

/** @internal */
export function readHedgeOptions(options: HedgeOptions | undefined): HedgeSettings {
  const read = new OptionReader('Hedge', options)
  const clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
  const delayMs = read.duration('delayMs', undefined)
  const learnt = read.raw('delay')
  if (delayMs !== undefined && learnt !== undefined) read.refuse('delayMs', 'left out when delay is given')
  const settings = {
    maxHedges: read.number('maxHedges', { default: DEFAULTS.maxHedges, min: 1, max: MAX_HEDGES, integer: true }),
    delay: delayMs === undefined ? percentileDelay(learnt) : fixedDelay(delayMs),
    retryable: read.function('retryable', isTransient),
    retryAfterOf: read.function('retryAfterOf', retryAfterHint),
    budget: readBudget(read, clock),
    discard: read.function<((value: unknown) => unknown) | undefined>('discard', undefined),
    name: read.string('name', DEFAULTS.name),
    clock,
  }
  read.end()
  return settings
}

function readBudget(read: OptionReader, clock: Clock): Budget | undefined {
  const given = read.raw('budget')
  if (given === false) return undefined
  if (given === undefined) return new RetryBudget({ clock })
  if (typeof given !== 'object' || given === null) read.refuse('budget', 'a budget, the options of one, or false')
  if (isBudget(given)) return given
  return new RetryBudget({ clock, ...(given as RetryBudgetOptions) })
}

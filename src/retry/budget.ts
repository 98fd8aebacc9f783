import { OptionReader, show } from '../core/options.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
import type { FailureKind } from '../time/backoff.ts'
import { type Clock, toClock } from '../time/clock.ts'

/**
 * Bounds retries by the calls they belong to. Attempts per call bound nothing: when everything fails, three tries each
 * are three times the load, on whoever is failing because of its load.
 */

/** What a retry has to ask. Share one between everything that talks to the same service. */
export interface Budget {
  /** Retries that could be withdrawn now; may be fractional, never negative. */
  readonly available: number
  /** Retries refused so far. */
  readonly suppressed: number
  /** A first try begins, and pays in its share. */
  deposit(): void
  /**
   * Takes one retry out; false when there is none, and the retry must not be made.
   *
   * @param kind What it is to make good: a request for patience may cost less than a failure. @default 'transient'
   */
  tryWithdraw(kind?: FailureKind): boolean
  /**
   * A call ended well. Only for budgets that earn by success.
   *
   * @param retriedAfter What its last retry made good; undefined when the first try succeeded.
   */
  succeeded?(retriedAfter?: FailureKind): void
  /** A try failed in a way that another could cure, whether there will be one or not. Only for budgets that lose by it. */
  failed?(kind: FailureKind): void
}

export interface RetryBudgetOptions {
  /** Retries earned by each call, from 0 to 1000. @default 0.2 */
  readonly ratio?: number
  /** Retries per second that need no calls, from 0 to 1_000_000, so that a quiet client may retry too. @default 1 */
  readonly minPerSecond?: number
  /** How long calls and retries are remembered, in milliseconds, from 1000 (one second) to 3_600_000. @default 10_000 */
  readonly windowMs?: number
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults of {@link RetryBudgetOptions}. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ ratio: 0.2, minPerSecond: 1, windowMs: 10_000 })

const CALLS = 0
const RETRIES = 1

/** Budgets by key. A Map keeps insertion order, so the first is the one not asked for longest. */
const shared = /* @__PURE__ */ new Map<string, Budget>()

/**
 * Lets retries be at most `ratio` of the calls of the last `windowMs`, above a floor of `minPerSecond`.
 *
 * When to use: always; every {@link RetryPolicy} has one unless told otherwise. Share one (`RetryBudget.shared`) when
 * several policies talk to the same service.
 *
 * `available = ratio × calls + minPerSecond × windowMs / 1000 - retries`, each counted over the window. Source: Finagle's
 * RetryBudget, which has 20 %, 10 s and a floor of 10 per second. The floor is 1 here: 10 per second and client doubles
 * the load of a client that makes ten calls a second, which is what a budget is there to prevent.
 *
 * @example
 * const budget = new RetryBudget({ ratio: 0.1 })
 * const reads = new RetryPolicy({ budget })
 * const writes = new RetryPolicy({ budget, maxAttempts: 2 })
 */
export class RetryBudget implements Budget {
  /** Keys that {@link RetryBudget.shared} remembers; beyond it the one not asked for longest is forgotten. */
  static readonly MAX_SHARED = 1_000

  readonly #ratio: number
  readonly #floor: number
  readonly #clock: Clock
  readonly #counts: RollingCounts
  #suppressed = 0

  constructor(options?: RetryBudgetOptions) {
    const read = new OptionReader('RetryBudget', options)
    this.#ratio = read.number('ratio', { default: DEFAULTS.ratio, min: 0, max: 1_000 })
    const perSecond = read.number('minPerSecond', { default: DEFAULTS.minPerSecond, min: 0, max: 1_000_000 })
    const windowMs = read.number('windowMs', {
      default: DEFAULTS.windowMs,
      min: 1_000,
      max: 3_600_000,
      unit: 'milliseconds',
    })
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    read.end()
    this.#floor = (perSecond * windowMs) / 1_000
    this.#counts = new RollingCounts(windowMs, 2)
  }

  /**
   * The budget of this key, the same object for everybody in the process who names it.
   *
   * When to use: several clients or policies call the same service, and its load is what the budget protects. For a
   * budget of another kind, give the function that makes it.
   *
   * Gotchas: whoever names the key first decides kind and options; later options are checked and otherwise ignored, a
   * later function is not called. At most {@link RetryBudget.MAX_SHARED} keys are remembered: a forgotten budget still
   * serves those who hold it, and the next to name its key gets a fresh one.
   *
   * @throws {TypeError} for a key that is empty or no string, and for a function that makes no budget.
   *
   * @example
   * RetryBudget.shared('s3', () => new RetryQuota())
   */
  static shared(key: string, options?: RetryBudgetOptions | (() => Budget)): Budget {
    if (typeof key !== 'string' || key === '') throw new TypeError('RetryBudget.shared: key must be a non-empty string')
    const make = typeof options === 'function' ? options : undefined
    const fresh = options === undefined || typeof options === 'function' ? undefined : new RetryBudget(options)
    const budget = shared.get(key) ?? fresh ?? (make === undefined ? new RetryBudget() : made(make))
    shared.delete(key)
    shared.set(key, budget)
    if (shared.size > RetryBudget.MAX_SHARED) shared.delete(shared.keys().next().value as string)
    return budget
  }

  get available(): number {
    return Math.max(0, this.#balance(this.#clock.now()))
  }

  get suppressed(): number {
    return this.#suppressed
  }

  deposit(): void {
    this.#counts.add(CALLS, this.#clock.now())
  }

  tryWithdraw(): boolean {
    const now = this.#clock.now()
    if (this.#balance(now) < 1) {
      this.#suppressed += 1
      return false
    }
    this.#counts.add(RETRIES, now)
    return true
  }

  /** Below zero when calls left the window before the retries they paid for. */
  #balance(now: number): number {
    return this.#ratio * this.#counts.total(CALLS, now) + this.#floor - this.#counts.total(RETRIES, now)
  }
}

/** Finagle's defaults: `RetryBudget` of twitter/finagle, 20 % and 10 per second over 10 seconds. */
const FINAGLE = /* @__PURE__ */ Object.freeze({ ratio: 0.2, minPerSecond: 10, windowMs: 10_000 })

/**
 * A {@link RetryBudget} with Finagle's numbers: a fifth of the calls and ten retries per second, over ten seconds.
 *
 * When to use: few, busy clients. Ten per second and client are many where there are many clients.
 *
 * @param options Replace single numbers.
 */
export function finagleBudget(options?: RetryBudgetOptions): RetryBudget {
  return new RetryBudget({ ...FINAGLE, ...options })
}

function made(make: () => Budget): Budget {
  const budget: unknown = make()
  if (typeof budget === 'object' && budget !== null && isBudget(budget)) return budget
  throw new TypeError(`RetryBudget.shared: the function must make a budget, got ${show(budget)}`)
}

/** @internal By its methods, not by instanceof: a budget from another copy of the package would pass for empty options. */
export function isBudget(given: object): given is Budget {
  const { deposit, tryWithdraw } = given as Partial<Budget>
  return typeof deposit === 'function' && typeof tryWithdraw === 'function'
}

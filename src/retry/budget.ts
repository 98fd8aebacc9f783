import { OptionReader } from '../core/options.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
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
  /** Takes one retry out; false when there is none, and the retry must not be made. */
  tryWithdraw(): boolean
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
const shared = /* @__PURE__ */ new Map<string, RetryBudget>()

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
   * When to use: several clients or policies call the same service, and its load is what the budget protects.
   *
   * Gotchas: whoever names the key first decides the options; later ones are checked and otherwise ignored. At most
   * {@link RetryBudget.MAX_SHARED} keys are remembered: a forgotten budget still serves those who hold it, and the next
   * to name its key gets a fresh one.
   */
  static shared(key: string, options?: RetryBudgetOptions): RetryBudget {
    if (typeof key !== 'string' || key === '') throw new TypeError('RetryBudget.shared: key must be a non-empty string')
    const fresh = options === undefined ? undefined : new RetryBudget(options)
    const budget = shared.get(key) ?? fresh ?? new RetryBudget()
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

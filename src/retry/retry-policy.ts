import pRetry from 'p-retry'
import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { isGatelessError, type TimeoutError } from '../core/errors.ts'
import { asOptions, show } from '../core/options.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { type Deadlines, deadlinesOf } from '../time/deadlines.ts'
import { sleep } from '../time/sleep.ts'
import type { Budget } from './budget.ts'
import type { FailedTry, RetryDecision, StopReason } from './decision.ts'
import type { RetryEvents } from './events.ts'
import { runLimited } from './limited-try.ts'
import { RetryCounters, type RetryMetrics } from './metrics.ts'
import { checkOperation } from './operation.ts'
import { FIXED_OPTIONS, readRetryOptions, type RetryOptions, type RetryPatch, type RetrySettings } from './options.ts'
import { RetryProgress } from './progress.ts'
import { isOpen, weigh } from './weigh.ts'

/**
 * Runs work again when it failed in a way that may pass.
 *
 * When to use: around work that may be done twice without harm, against something that fails now and then. Not around
 * something that retries already: tries multiply (`pipeline` refuses that).
 *
 * Gotchas: the caller gets the very error the last try threw, and learns from `gave-up` why there was no further one.
 * An injected clock must be the one that measures the call's deadline.
 *
 * @example
 * const retry = new RetryPolicy({ maxAttempts: 4, budget: RetryBudget.shared('device-service') })
 * const devices = await retry.execute(({ signal }) => fetchDevices(signal), { timeoutMs: 2_000 })
 */
export class RetryPolicy extends TypedEmitter<RetryEvents> implements Policy {
  /**
   * @internal Whether each try, the first too, needs more than to be run: a limit of its own, or a budget that has to
   * hear of successes. Fixed, since `pipeline` asks once.
   */
  readonly limitsAttempts: boolean
  readonly #deadlines: Deadlines
  readonly #counters = new RetryCounters()
  readonly #report = (hook: string, fault: unknown): void => this.reportFault(hook, fault)
  #given: RetryOptions
  #settings: RetrySettings
  #info: PolicyInfo

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: RetryOptions) {
    super()
    this.#given = { ...options }
    this.#settings = readRetryOptions(options)
    this.#info = describe(this.#settings)
    const { attemptTimeoutMs, budget, clock } = this.#settings
    this.limitsAttempts = attemptTimeoutMs !== undefined || typeof budget?.succeeded === 'function'
    this.#deadlines = deadlinesOf(clock)
  }

  get info(): PolicyInfo {
    return this.#info
  }

  /** What bounds the retries; undefined when nothing does. Whoever uses `decide` alone makes the deposits. */
  get budget(): Budget | undefined {
    return this.#settings.budget
  }

  /** What it has done since it was made. */
  get metrics(): RetryMetrics {
    return this.#counters.read()
  }

  /**
   * Changes options of a policy in use; what is not named stays, and what is given as undefined gets its default.
   *
   * When to use: a configuration that is reloaded. Budget, metrics and listeners stay as they are.
   *
   * Gotchas: calls under way go by the new options from their next failure on. `retryOn` replaces `retryable` and the
   * other way round. A pipeline checked the old `maxAttempts` when it was made.
   *
   * @throws {RangeError | TypeError} for what the constructor refuses, for `budget`, `name`, `clock` and `random`, and
   * for an `attemptTimeoutMs` where none was given from the start; then nothing has changed.
   */
  configure(patch: RetryPatch): void {
    const given = asOptions('RetryPolicy.configure', patch)
    const fixed = FIXED_OPTIONS.find((option) => Object.hasOwn(given, option))
    if (fixed !== undefined) throw new TypeError(`RetryPolicy.configure: ${fixed} cannot be changed`)
    if (patch.attemptTimeoutMs !== undefined && !this.limitsAttempts) {
      const value = show(patch.attemptTimeoutMs)
      throw new TypeError(
        `RetryPolicy.configure: attemptTimeoutMs must be given from the start to be changed, got ${value}`,
      )
    }
    const replaced = { ...this.#given }
    if (patch.retryOn !== undefined) delete (replaced as { retryable?: unknown }).retryable
    if (patch.retryable !== undefined) delete (replaced as { retryOn?: unknown }).retryOn
    const merged = { ...replaced, ...patch }
    const { budget, clock } = this.#settings
    this.#settings = readRetryOptions({ ...merged, budget: budget ?? false, clock })
    this.#given = merged
    this.#info = describe(this.#settings)
  }

  /** Runs `operation` until it succeeds or there is a reason to stop. Rejects with what the last try threw. */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    checkOperation('RetryPolicy.execute', operation)
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      this.begin(scope)
      const work: Operation<T> =
        own && scope.interruptible ? (context) => race(context as CallScope, operation) : operation
      let error: unknown
      try {
        if (!this.limitsAttempts) return await work(scope.attempt === 1 ? scope : forkFor(1, scope))
        const value = await this.#tryOnce(work, scope, 1)
        this.succeeded()
        return value
      } catch (thrown) {
        error = thrown
      }
      return await this.again(work, scope, error)
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments, same result type, with retries. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    checkOperation('RetryPolicy.wrap', work)
    return (...args) => this.execute(() => work(...args))
  }

  /**
   * Whether to try again after this failure, and when. A yes has taken one retry out of the budget.
   *
   * When to use: where tries are not promises, or the waiting is done elsewhere; with `begin` at a call's start and
   * `succeeded` when it ends well. The budget is asked last, so that only a retry that will be made is paid for.
   *
   * @throws {RangeError | TypeError} for a failure that is no object, or whose `attempt` is no integer from 1.
   *
   * @example
   * const progress = new RetryProgress()
   * const decision = retry.decide({ attempt: 1, error, progress })
   * if (decision.retry) setTimeout(tryAgain, decision.delayMs)
   */
  decide(failure: FailedTry): RetryDecision {
    checkFailure(failure)
    const decision = this.#decide(failure)
    if (decision.retry) this.#counters.retries += 1
    return decision
  }

  /** A call begins, and pays its share into the budget. For those who use `decide` alone; `execute` does it by itself. */
  begin(_scope?: CallScope): void {
    this.#counters.calls += 1
    try {
      this.#settings.budget?.deposit()
    } catch (fault) {
      this.reportFault('budget', fault)
    }
  }

  /** A call ended well. For those who use `decide` alone; `progress` is that of its decisions, if there were any. */
  succeeded(progress?: RetryProgress): void {
    const retriedAfter = progress?.kind
    if (retriedAfter !== undefined) this.#counters.recovered += 1
    try {
      this.#settings.budget?.succeeded?.(retriedAfter)
    } catch (fault) {
      this.reportFault('budget', fault)
    }
  }

  #decide(failure: FailedTry): RetryDecision {
    const decision = weigh(this.#settings, failure, this.#report)
    const { attempt, error } = failure
    if (!decision.retry) this.#gaveUp(attempt, decision.reason, error)
    else if (this.heard('retry')) this.emit('retry', { attempt, delayMs: decision.delayMs, error })
    return decision
  }

  #gaveUp(attempts: number, reason: StopReason, error: unknown): void {
    this.#counters.stopped(reason)
    if (this.heard('gave-up')) this.emit('gave-up', { attempts, reason, error })
  }

  async #tryOnce<T>(work: Operation<T>, scope: CallScope, attempt: number): Promise<T> {
    const { attemptTimeoutMs, clock } = this.#settings
    if (attemptTimeoutMs !== undefined) {
      return runLimited(work, scope, attempt, attemptTimeoutMs, clock.now(), this.#deadlines)
    }
    if (attempt === 1 && scope.attempt === 1) return work(scope)
    const context = forkFor(attempt, scope)
    try {
      if (context.aborted) throw context.reason
      return await work(context)
    } finally {
      context.dispose()
    }
  }

  /**
   * @internal What happens after the first failure. p-retry runs the loop, and the first failure is replayed to it as its
   * first try; what to retry, when, and why not is decided here, so it is told neither counts, nor delays, nor the signal
   * (a late abort would make it discard a result that arrived).
   */
  async again<T>(operation: Operation<T>, scope: CallScope, error: unknown): Promise<T> {
    const progress = new RetryProgress()
    const tryAgain = async (attempt: number): Promise<T> => {
      if (attempt === 1) throw new Failure(error)
      try {
        const value = await this.#tryOnce(operation, scope, attempt)
        this.succeeded(progress)
        return value
      } catch (thrown) {
        throw new Failure(thrown)
      }
    }
    try {
      return await pRetry(tryAgain, {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: 0,
        shouldRetry: (failed) => this.#waited(failed.attemptNumber, (failed.error as Failure).thrown, scope, progress),
      })
    } catch (thrown) {
      throw thrown instanceof Failure ? thrown.thrown : thrown
    }
  }

  /** Whether there is to be another try; the answer comes when it is time for it. */
  async #waited(attempt: number, error: unknown, scope: CallScope, progress: RetryProgress): Promise<boolean> {
    const { deadline } = scope
    if (scope.aborted) {
      this.#gaveUp(attempt, reasonOf(scope), error)
      return false
    }
    const decision = this.#decide({ attempt, error, deadline, progress })
    if (!decision.retry) return false
    try {
      await sleep(decision.delayMs, this.#settings.clock, scope)
    } catch (reason) {
      this.#gaveUp(attempt, reasonOf(scope), error)
      throw reason
    }
    // It may have opened meanwhile: its refusal would hide the error that the caller should see.
    if (isOpen(this.#settings.breaker, this.#report)) {
      this.#gaveUp(attempt, 'circuit-open', error)
      return false
    }
    // Only now it begins: one that was granted and then given up is no try.
    this.#counters.retries += 1
    return true
  }
}

/**
 * Carries whatever the work threw through p-retry, which itself refuses TypeErrors, renames what is no Error, and
 * unwraps its own AbortError.
 */
class Failure extends Error {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    super()
    this.thrown = thrown
  }
}

/** Why a call that is over has no further try: it ran out of time, or whoever called it left. */
function reasonOf({ reason }: CallScope): StopReason {
  return isGatelessError(reason, 'ERR_GATELESS_TIMEOUT') && (reason as TimeoutError).limit === 'total'
    ? 'deadline'
    : 'aborted'
}

function checkFailure(failure: unknown): void {
  const { attempt } = asOptions('RetryPolicy.decide', failure)
  if (Number.isInteger(attempt) && (attempt as number) >= 1) return
  const Complaint = typeof attempt === 'number' ? RangeError : TypeError
  throw new Complaint(`RetryPolicy.decide: attempt must be an integer from 1, got ${show(attempt)}`)
}

/** A scope for one try: an outer policy must not see its own scope's number change. */
function forkFor(attempt: number, scope: CallScope): CallScope {
  const fork = scope.fork()
  fork.attempt = attempt
  return fork
}

function describe({ name, maxAttempts, backoff, attemptTimeoutMs }: RetrySettings): PolicyInfo {
  const limit = attemptTimeoutMs === undefined ? '' : `, each for at most ${attemptTimeoutMs} ms`
  const summary =
    maxAttempts === 1 ? `tries once${limit}` : `tries up to ${maxAttempts} times with ${backoff.name} backoff${limit}`
  return Object.freeze({ kind: 'retry', name, summary, timeoutMs: attemptTimeoutMs, maxAttempts })
}

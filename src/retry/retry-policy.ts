import pRetry from 'p-retry'
import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { isGatelessError } from '../core/errors.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { sleep } from '../time/sleep.ts'
import type { Budget } from './budget.ts'
import type { FailedTry, RetryDecision, StopReason } from './decision.ts'
import type { RetryEvents } from './events.ts'
import { readRetryOptions, type RetryOptions, type RetrySettings } from './options.ts'

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
  readonly info: PolicyInfo
  readonly #settings: RetrySettings

  constructor(options?: RetryOptions) {
    super()
    const settings = readRetryOptions(options)
    this.#settings = settings
    this.info = Object.freeze({ kind: 'retry', name: settings.name, maxAttempts: settings.maxAttempts })
  }

  /** What bounds the retries; undefined when nothing does. Whoever uses `decide` alone makes the deposits. */
  get budget(): Budget | undefined {
    return this.#settings.budget
  }

  /** Runs `operation` until it succeeds or there is a reason to stop. Rejects with what the last try threw. */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      this.#settings.budget?.deposit()
      const work: Operation<T> =
        own && scope.interruptible ? (context) => race(context as CallScope, operation) : operation
      let error: unknown
      try {
        return await work(scope.attempt === 1 ? scope : forkFor(1, scope))
      } catch (thrown) {
        error = thrown
      }
      return await this.#again(work, scope, error)
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments, same result type, with retries. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  /**
   * Whether to try again after this failure, and when. A yes has taken one retry out of the budget.
   *
   * When to use: where tries are not promises, or the waiting is done elsewhere. The budget is asked last, so that only
   * a retry that will be made is paid for.
   *
   * @example
   * const decision = retry.decide({ attempt: 1, error })
   * if (decision.retry) setTimeout(tryAgain, decision.delayMs)
   */
  decide(failure: FailedTry): RetryDecision {
    const decision = this.#weigh(failure)
    const { attempt, error } = failure
    if (!decision.retry) this.#gaveUp(attempt, decision.reason, error)
    else if (this.heard('retry')) this.emit('retry', { attempt, delayMs: decision.delayMs, error })
    return decision
  }

  #weigh(failure: FailedTry): RetryDecision {
    const { maxAttempts, maxRetryAfterMs, budget, clock } = this.#settings
    const { attempt, error, deadline } = failure
    if (failure.aborted) return stop('aborted')
    if (attempt >= maxAttempts) return stop('exhausted')
    if (!(failure.retryable ?? this.#isRetryable(error))) return stop('not-retryable')
    const backoffMs = this.#backoffMs(failure)
    if (backoffMs === undefined) return stop('not-retryable')
    // `> 0` drops what no date arithmetic should have produced: NaN and the past.
    const asked = failure.retryAfterMs ?? (isGatelessError(error) ? error.retryAfterMs : undefined)
    const retryAfterMs = asked !== undefined && asked > 0 ? asked : 0
    // The deadline is held against what was asked for: whoever will not be back in time is not worth an early try.
    if (deadline !== undefined && clock.now() + Math.max(backoffMs, retryAfterMs) >= deadline) return stop('deadline')
    if (budget !== undefined && !budget.tryWithdraw()) return stop('budget')
    // Timers drop fractions, and nobody should come back a moment before he was asked to.
    return { retry: true, delayMs: Math.ceil(Math.max(backoffMs, Math.min(retryAfterMs, maxRetryAfterMs))) }
  }

  #isRetryable(error: unknown): boolean {
    try {
      const answer: unknown = this.#settings.retryable(error)
      if (typeof answer === 'boolean') return answer
      // A promise is truthy: an async predicate would retry everything.
      throw new TypeError(`retryable must answer true or false, got ${typeof answer}`)
    } catch (fault) {
      this.reportFault('retryable', fault)
      return false
    }
  }

  /** Undefined when the backoff is at fault: a delay that is no number would make a storm of a retry. */
  #backoffMs({ attempt, previousDelayMs }: FailedTry): number | undefined {
    const { backoff, random } = this.#settings
    try {
      const delayMs = backoff.delayMs({ attempt, previousDelayMs, random })
      if (Number.isFinite(delayMs) && delayMs >= 0) return delayMs
      throw new RangeError(`backoff must answer milliseconds from 0, got ${String(delayMs)}`)
    } catch (fault) {
      this.reportFault('backoff', fault)
      return undefined
    }
  }

  #gaveUp(attempts: number, reason: StopReason, error: unknown): void {
    if (this.heard('gave-up')) this.emit('gave-up', { attempts, reason, error })
  }

  /**
   * What happens after the first failure. p-retry runs the loop, and the first failure is replayed to it as its first
   * try; what to retry, when, and why not is decided here, so it is told neither counts, nor delays, nor the signal (a
   * late abort would make it discard a result that arrived).
   */
  async #again<T>(work: Operation<T>, scope: CallScope, firstError: unknown): Promise<T> {
    let delayMs: number | undefined
    const tryOnce = async (attempt: number): Promise<T> => {
      if (attempt === 1) throw new Failure(firstError)
      const context = forkFor(attempt, scope)
      try {
        if (context.aborted) throw context.reason
        return await work(context)
      } catch (error) {
        throw new Failure(error)
      } finally {
        context.dispose()
      }
    }
    const shouldRetry = async (attempt: number, error: unknown): Promise<boolean> => {
      const { deadline, aborted } = scope
      const decision = this.decide({ attempt, error, deadline, aborted, previousDelayMs: delayMs })
      if (!decision.retry) return false
      delayMs = decision.delayMs
      try {
        await sleep(delayMs, this.#settings.clock, scope)
      } catch (reason) {
        this.#gaveUp(attempt, 'aborted', error)
        throw reason
      }
      return true
    }
    try {
      return await pRetry(tryOnce, {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: 0,
        shouldRetry: ({ error, attemptNumber }) => shouldRetry(attemptNumber, (error as Failure).thrown),
      })
    } catch (error) {
      throw error instanceof Failure ? error.thrown : error
    }
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

/** A scope for one try: an outer policy must not see its own scope's number change. */
function forkFor(attempt: number, scope: CallScope): CallScope {
  const fork = scope.fork()
  fork.attempt = attempt
  return fork
}

function stop(reason: StopReason): RetryDecision {
  return { retry: false, reason }
}

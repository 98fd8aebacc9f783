import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import type { FailureKind } from '../time/backoff.ts'
import type { Budget } from './budget.ts'
import type { RetryAdvice } from './decision.ts'
import { hedgedCall, type HedgeHost } from './hedge-call.ts'
import type { HedgeDecision, HedgeQuestion, HedgeStopReason } from './hedge-decision.ts'
import type { HedgeEvents, HedgeMetrics } from './hedge-events.ts'
import { checkOperation } from './operation.ts'
import { type HedgeOptions, type HedgeSettings, readHedgeOptions } from './hedge-options.ts'

/**
 * Begins another try when the first is late, and takes whichever answers first.
 *
 * When to use: reads that must be quick, against several instances of which one is slow now and then. It trades a little
 * more load for a much shorter tail (Dean and Barroso, "The Tail at Scale", CACM 2013). Work done twice must do no harm;
 * a call that says `idempotent: false` is never hedged.
 *
 * Gotchas: what the work returns is an answer, so throw what is none (a 503, say). With a learnt delay nothing is hedged
 * by time until enough latencies are known. The budget bounds the hedges of all calls; share one with the retries.
 *
 * @example
 * const hedge = new Hedge({ delay: { percentile: 0.95 }, budget: RetryBudget.shared('device-service') })
 * const device = await hedge.execute(({ signal }) => fetchDevice(7, signal), { timeoutMs: 1_000 })
 */
export class Hedge extends TypedEmitter<HedgeEvents> implements Policy {
  readonly info: PolicyInfo
  readonly #settings: HedgeSettings
  readonly #counts = { calls: 0, hedges: 0, won: 0, suppressed: 0, superseded: 0, inFlight: 0 }
  readonly #host: HedgeHost

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: HedgeOptions) {
    super()
    const settings = readHedgeOptions(options)
    const { name, maxHedges, delay } = settings
    this.#settings = settings
    this.info = Object.freeze({
      kind: 'hedge',
      name,
      summary: `begins up to ${maxHedges} more ${maxHedges === 1 ? 'try' : 'tries'}, each after ${delay.words}`,
      maxAttempts: 1 + maxHedges,
      windowMs: delay.windowMs,
    })
    this.#host = {
      settings,
      counts: this.#counts,
      decide: (question) => this.decide(question),
      isRetryable: (error) => this.#isRetryable(error),
      adviceOf: (error) => this.#adviceOf(error),
      succeeded: (retriedAfter) => this.#tell((budget) => budget.succeeded?.(retriedAfter)),
      failed: (kind) => this.#tell((budget) => budget.failed?.(kind)),
      discard: (value) => this.#discard(value),
      hedged: (event) => this.emit('hedge', event),
      won: (event) => {
        this.#counts.won += 1
        this.emit('won', event)
      },
    }
  }

  /** What bounds the hedges; undefined when nothing does. Whoever uses `decide` alone makes the deposits. */
  get budget(): Budget | undefined {
    return this.#settings.budget
  }

  get metrics(): HedgeMetrics {
    return { ...this.#counts, delayMs: this.delayMs() }
  }

  /** Runs `operation`, and runs it again beside itself when it is late or failed in a way that may pass. */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    checkOperation('Hedge.execute', operation)
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      this.#counts.calls += 1
      this.#tell((budget) => budget.deposit())
      if (scope.idempotent !== false) return await hedgedCall(this.#host, scope, operation)
      this.decide(NOT_IDEMPOTENT)
      return await (own && scope.interruptible ? race(scope, operation) : operation(scope))
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments, same result type, hedged. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    checkOperation('Hedge.wrap', work)
    return (...args) => this.execute(() => work(...args))
  }

  /**
   * Milliseconds that a try may take before the next one is begun; undefined while too few latencies are known.
   *
   * When to use: with `decide` and `record`, where tries are not promises.
   */
  delayMs(): number | undefined {
    return this.#settings.delay.delayMs(this.#settings.clock.now())
  }

  /**
   * Tells a learnt delay how long a first try took, in milliseconds. `execute` does it by itself. What is no finite number
   * from 0 is ignored.
   */
  record(latencyMs: number): void {
    this.#settings.delay.record(latencyMs, this.#settings.clock.now())
  }

  /**
   * Whether to begin another try now. A yes has taken one try out of the budget, which is asked last, so that only a try
   * that will be made is paid for.
   *
   * @example
   * const decision = hedge.decide({ attempts: 1, deadline })
   * if (decision.hedge) sendAgain()
   */
  decide(question: HedgeQuestion): HedgeDecision {
    const reason = this.#objection(question)
    if (reason === undefined) return HEDGE
    if (reason === 'budget') this.#counts.suppressed += 1
    if (this.heard('suppressed')) this.emit('suppressed', { attempts: question.attempts, reason })
    return { hedge: false, reason }
  }

  #objection({ attempts, deadline, idempotent, aborted, kind }: HedgeQuestion): HedgeStopReason | undefined {
    const { maxHedges, clock } = this.#settings
    if (aborted) return 'aborted'
    if (idempotent === false) return 'not-idempotent'
    if (attempts > maxHedges) return 'exhausted'
    if (deadline !== undefined && clock.now() >= deadline) return 'deadline'
    return this.#mayWithdraw(kind) ? undefined : 'budget'
  }

  /** A budget may be a user's, and is asked from a timer: what it throws there would end the process. */
  #mayWithdraw(kind?: FailureKind): boolean {
    try {
      return this.#settings.budget?.tryWithdraw(kind) ?? true
    } catch (fault) {
      this.reportFault('budget', fault)
      return false
    }
  }

  #tell(news: (budget: Budget) => void): void {
    const { budget } = this.#settings
    if (budget === undefined) return
    try {
      news(budget)
    } catch (fault) {
      this.reportFault('budget', fault)
    }
  }

  #isRetryable(error: unknown): boolean {
    try {
      const answer: unknown = this.#settings.retryable(error)
      if (typeof answer === 'boolean') return answer
      // A promise is truthy: an async predicate would hedge every mistake.
      throw new TypeError(`retryable must answer true or false, got ${typeof answer}`)
    } catch (fault) {
      this.reportFault('retryable', fault)
      return false
    }
  }

  #adviceOf(error: unknown): RetryAdvice | undefined {
    try {
      return this.#settings.retryAfterOf(error)
    } catch (fault) {
      this.reportFault('retryAfterOf', fault)
      return undefined
    }
  }

  #discard(value: unknown): void {
    try {
      const result = this.#settings.discard?.(value)
      if (result instanceof Promise) result.catch((fault: unknown) => this.reportFault('discard', fault))
    } catch (fault) {
      this.reportFault('discard', fault)
    }
  }
}

/** The question that a call which must not be done twice stands for. */
const NOT_IDEMPOTENT: HedgeQuestion = /* @__PURE__ */ Object.freeze({ attempts: 1, idempotent: false })

const HEDGE: HedgeDecision = /* @__PURE__ */ Object.freeze({ hedge: true })

import { AsyncResource } from 'node:async_hooks'
import { isAttributable } from '../core/attribution.ts'
import { CallScope, type Operation } from '../core/context.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { deadlinesOf } from '../time/deadlines.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import type { FailureKind } from '../time/backoff.ts'
import { failureKindOf } from './failure-kind.ts'
import type { RetryAdvice } from './decision.ts'
import type { HedgeDecision, HedgeQuestion } from './hedge-decision.ts'
import { SupersededError } from './hedge-errors.ts'
import type { HedgeEvent, HedgeWonEvent } from './hedge-events.ts'
import type { HedgeSettings } from './hedge-options.ts'

/** What all calls of one hedge share. */
export interface HedgeHost {
  readonly settings: HedgeSettings
  readonly counts: { hedges: number; won: number; superseded: number; inFlight: number }
  decide(question: HedgeQuestion): HedgeDecision
  isRetryable(error: unknown): boolean
  adviceOf(error: unknown): RetryAdvice | undefined
  /** For the budget: the call ended well; a hedge that did it made good what `retriedAfter` says. */
  succeeded(retriedAfter?: FailureKind): void
  /** For the budget: a try failed in a way that another may cure. */
  failed(kind: FailureKind): void
  discard(value: unknown): void
  hedged(event: HedgeEvent): void
  won(event: HedgeWonEvent): void
}

/** A remote that asks to be left alone for longer ends the hedging: nobody's tail latency is cured by such a wait. */
const MAX_RETRY_AFTER_MS = 30_000

/** Runs one call, with as many tries as it takes and the host allows. */
export function hedgedCall<T>(host: HedgeHost, scope: CallScope, operation: Operation<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    new HedgedCall(host, scope, operation, resolve, reject).begin()
  })
}

/** One try. The hedge may end it alone, which policies inside must know, or a deaf loser would keep their permits. */
class TryScope extends CallScope {
  override get interruptible(): boolean {
    return true
  }
}

/**
 * One call. Its tries by what they answer (gRPC proposal A6, "Summary of Retry and Hedging Logic"):
 *
 * - an answer settles the call; a failure that no other try may cure does too;
 * - a failure that one may cure begins the next hedge at once, and the delay starts anew;
 * - one that asks to come back later (`retryAfterMs`) begins it then;
 * - a refusal of this process says nothing about the tries under way, but there will be no more.
 *
 * An AsyncResource, because a timer runs in the async context of whoever armed it or, if faked, of whoever turns the clock.
 */
class HedgedCall<T> extends AsyncResource implements Expirable {
  readonly #host: HedgeHost
  readonly #scope: CallScope
  readonly #operation: Operation<T>
  readonly #resolve: (value: T) => void
  readonly #reject: (reason: unknown) => void
  readonly #startedAt: number
  /** As it was when the call began; all its hedges keep to it. */
  readonly #delayMs: number | undefined
  readonly #running = new Set<CallScope>()
  #attempts = 0
  #timer: Deadline | undefined
  #cause: HedgeEvent['cause'] = 'delay'
  /** What the next try is to make good. */
  #kind: FailureKind = 'transient'
  #unlisten: (() => void) | undefined
  #error: { readonly thrown: unknown } | undefined
  /** No further try will be begun. */
  #closed = false
  #settled = false
  #sampled = false

  constructor(
    host: HedgeHost,
    scope: CallScope,
    operation: Operation<T>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ) {
    super('gateless.hedge')
    this.#host = host
    this.#scope = scope
    this.#operation = operation
    this.#resolve = resolve
    this.#reject = reject
    const { clock, delay } = host.settings
    this.#startedAt = clock.now()
    this.#delayMs = delay.delayMs(this.#startedAt)
  }

  begin(): void {
    const left = (): void => this.#settle(() => this.#reject(this.#scope.reason))
    this.#unlisten = this.#scope.onAbort(left)
    // What ends a call may be done by a budget that was just told of it.
    if (this.#scope.aborted) left()
    else this.#start()
  }

  /** The time to begin another try has come. */
  expire(): void {
    this.#timer = undefined
    this.runInAsyncScope(this.#next, this, this.#cause)
    this.#rejectIfOver()
  }

  #start(): void {
    const scope = new TryScope(undefined, undefined, this.#scope)
    this.#attempts += 1
    scope.attempt = this.#attempts
    this.#running.add(scope)
    this.#host.counts.inFlight += 1
    // Not Promise.try: Node 22 has none.
    new Promise<T>((answer) => answer(this.#operation(scope))).then(
      (value) => this.#answered(scope, value),
      (error: unknown) => this.#failed(scope, error),
    )
    this.#arm(this.#delayMs, 'delay')
  }

  #answered(scope: CallScope, value: T): void {
    this.#ended(scope)
    if (this.#settled) {
      this.#host.discard(value)
      return
    }
    const elapsedMs = this.#now() - this.#startedAt
    // Of the first try: either it answered, or this is how long it has lasted without.
    this.#sample(elapsedMs)
    this.#settle(() => this.#resolve(value))
    this.#host.succeeded(scope.attempt === 1 ? undefined : this.#kind)
    if (scope.attempt > 1) this.#host.won({ attempt: scope.attempt, attempts: this.#attempts, elapsedMs })
  }

  #failed(scope: CallScope, thrown: unknown): void {
    this.#ended(scope)
    if (this.#settled) return
    if (scope.attempt === 1) {
      this.#sampleSlow()
      this.#sampled = true
    }
    // What the remote did says more than what this process refused after it.
    if (this.#error === undefined || isAttributable(thrown)) this.#error = { thrown }
    if (this.#host.isRetryable(thrown)) {
      this.#kind = failureKindOf(thrown)
      this.#host.failed(this.#kind)
      this.#nextAfter(this.#host.adviceOf(thrown))
    } else if (isAttributable(thrown)) this.#settle(() => this.#reject(thrown))
    else this.#close()
    this.#rejectIfOver()
  }

  #nextAfter(advice: RetryAdvice = 0): void {
    if (advice === 'never') {
      this.#close()
      return
    }
    // Somebody asked to be left alone until then; that the other failed as well does not take it back.
    if (this.#timer !== undefined && this.#cause === 'failure') return
    this.#cancelTimer()
    if (advice > MAX_RETRY_AFTER_MS) this.#close()
    // `> 0` drops what no date arithmetic should have produced: NaN and the past.
    else if (advice > 0) this.#arm(advice, 'failure')
    else this.#next('failure')
  }

  #next(cause: HedgeEvent['cause']): void {
    if (this.#closed || this.#exhausted) return
    const { deadline, idempotent, aborted } = this.#scope
    const question = { attempts: this.#attempts, deadline, idempotent, aborted, kind: this.#kind }
    const decision = this.#host.decide(question)
    if (!decision.hedge) return
    this.#host.hedged({ attempt: this.#attempts + 1, cause, elapsedMs: this.#now() - this.#startedAt })
    // Whoever listened, or the budget, may have ended the call.
    if (this.#settled) return
    this.#host.counts.hedges += 1
    this.#start()
  }

  get #exhausted(): boolean {
    return this.#attempts > this.#host.settings.maxHedges
  }

  #arm(waitMs: number | undefined, cause: HedgeEvent['cause']): void {
    if (waitMs === undefined || this.#settled || this.#closed || this.#exhausted) return
    const { deadline } = this.#scope
    const now = this.#now()
    // What would begin when the caller has gone already is no use to anybody.
    if (deadline !== undefined && now + waitMs >= deadline) return
    const { clock } = this.#host.settings
    this.#cause = cause
    // A configured delay recurs; what a remote asks for is data.
    const recurs = cause === 'delay'
    this.#timer = recurs ? deadlinesOf(clock).add(waitMs, this, now) : new SingleDeadline(waitMs, clock, this)
  }

  #close(): void {
    this.#closed = true
    this.#cancelTimer()
  }

  #cancelTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #rejectIfOver(): void {
    const error = this.#error
    if (this.#settled || error === undefined || this.#running.size > 0 || this.#timer !== undefined) return
    this.#settle(() => this.#reject(error.thrown))
  }

  /** Once per call. */
  #settle(settle: () => void): void {
    this.#settled = true
    this.#cancelTimer()
    this.#unlisten?.()
    settle()
    if (this.#running.size === 0) return
    this.#sampleSlow()
    const superseded = new SupersededError(this.#host.settings.name)
    for (const scope of this.#running) {
      // The caller's own abort has reached them by itself.
      if (scope.aborted) continue
      this.#host.counts.superseded += 1
      scope.abort(superseded)
    }
  }

  #ended(scope: CallScope): void {
    this.#running.delete(scope)
    this.#host.counts.inFlight -= 1
    // Not aborted: what the winner answered (a body, say) may still be using the signal.
    scope.dispose()
  }

  /**
   * The first try did not answer, but it is known how long it had not. Left out, a slow try that lost to its hedge would
   * make the service look faster than it is, and the delay ever shorter. Before the delay it says nothing about the tail.
   */
  #sampleSlow(): void {
    const elapsedMs = this.#now() - this.#startedAt
    if (this.#delayMs !== undefined && elapsedMs >= this.#delayMs) this.#sample(elapsedMs)
  }

  #sample(latencyMs: number): void {
    if (this.#sampled) return
    this.#sampled = true
    this.#host.settings.delay.record(latencyMs, this.#now())
  }

  #now(): number {
    return this.#host.settings.clock.now()
  }
}

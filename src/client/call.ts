import { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ClosedError, type GatelessError, TimeoutError } from '../core/errors.ts'
import type { Lease } from '../balancing/lease.ts'
import type { Outcome } from '../core/outcome.ts'
import { isRefusal } from '../core/policy.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import type { CallExtras } from './call-extras.ts'
import { CallGuards } from './call-guards.ts'
import { CallLog } from './call-log.ts'
import { type AttemptOutcome, type AttemptRecord, InvalidRequestError, type NotRetriedReason } from './errors.ts'
import { isTransientStatus } from '../retry/transient.ts'
import { fairTime, localError, verdictOfStatus } from './failure.ts'
import type { InFlightCall } from './in-flight.ts'
import { isBodysOwn, isRepeatable, overhearBody, requestTo } from './replay.ts'
import { type FailedAttempt, RetryPlan } from './retry-plan.ts'
import type { ServiceRuntime } from './service-runtime.ts'
import { outcomeOfStatus, StatusError } from './status-error.ts'

/**
 * One call, from the caller's request to the end of the answer's body, with as many attempts as it takes.
 *
 * It is the controller the caller's handler sees, and stays the same while attempts come and go. It settles exactly
 * once: by an answer's end, by an error, by the caller's abort or by its deadline; whichever comes first, at once.
 * Nothing is tried again after the first byte of a final answer was handed on.
 *
 * An AsyncResource, because timers shared by many calls run in the async context of whoever armed them: what a caller
 * keeps in AsyncLocalStorage has to be there in the second attempt too.
 */

type Headers = Record<string, string | string[] | undefined>
type RawHeaders = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>

export class Call
  extends AsyncResource
  implements Dispatcher.DispatchController, AttemptOwner, InFlightCall, Expirable
{
  rawHeaders: RawHeaders = null
  rawTrailers: RawHeaders = null
  paused = false
  aborted = false
  reason: Error | null = null
  before: InFlightCall | undefined = undefined
  after: InFlightCall | undefined = undefined
  readonly startedAt: number
  /** @internal */
  readonly runtime: ServiceRuntime
  readonly #request: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  readonly #extras: CallExtras
  readonly #timeoutMs: number
  readonly #log: CallLog
  #attempt: Attempt | undefined
  #attemptCount = 0
  #plan: RetryPlan | undefined
  #deadline: Deadline | undefined
  #guards: CallGuards | undefined
  #committed = false
  #done = false
  #thrown: { readonly error: unknown } | undefined

  constructor(
    runtime: ServiceRuntime,
    request: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    extras: CallExtras,
  ) {
    super('GatelessCall')
    this.runtime = runtime
    this.#request = request
    overhearBody(request, (error) => {
      this.#thrown ??= { error }
    })
    this.#handler = handler
    this.#extras = extras
    this.#timeoutMs = extras.timeoutMs ?? runtime.settings.timeoutMs
    this.startedAt = runtime.clock.now()
    this.#log = new CallLog(runtime, request, this.startedAt)
  }

  /** Begins; everything after that comes through the handler. */
  start(): void {
    this.runtime.calls.add(this)
    try {
      this.#handler.onRequestStart?.(this, null)
    } catch (error) {
      if (!this.#done) this.#fail(error as Error, 'aborted')
    }
    if (this.#done) return
    this.#deadline = this.runtime.deadlines.add(this.#timeoutMs, this, this.startedAt)
    const { guards } = this.runtime.settings
    if (guards.length === 0) return this.#admitted(this.startedAt)
    this.#guards = new CallGuards(guards, this.#extras, this.startedAt + this.#timeoutMs, this.runtime.clock)
    this.#guards.enter(
      () => this.runInAsyncScope(this.#admitted, this, this.runtime.clock.now()),
      (error) => this.runInAsyncScope(this.#refuse, this, error, 'refused'),
    )
  }

  #admitted(now: number): void {
    if (this.runtime.ready(now)) return this.#first(now)
    this.runtime.load().then(
      () => this.#first(this.runtime.clock.now()),
      (error: GatelessError) => this.#refuse(error),
    )
  }

  // ---- the caller's side: the controller ------------------------------------------------------------------------

  pause(): void {
    this.paused = true
    this.#attempt?.pause()
  }

  resume(): void {
    this.paused = false
    this.#attempt?.resume()
  }

  /** Settles now, wherever the call is: discovering, connecting, queueing, backing off or in the middle of the body. */
  abort(reason: Error): void {
    this.runInAsyncScope(this.#abort, this, reason)
  }

  #abort(reason: Error): void {
    if (this.#done) return
    this.aborted = true
    this.reason = reason
    this.#attempt?.stop(reason, 'caller', 'ignore')
    this.#fail(reason, 'aborted')
  }

  /** The client closes, and does not wait any longer. */
  close(): void {
    this.runInAsyncScope(this.#close, this)
  }

  #close(): void {
    if (this.#done) return
    const closed = new ClosedError('ServiceClient')
    this.#attempt?.stop(closed, 'caller', 'ignore')
    this.#fail(this.#log.error(closed.code, closed.message, closed), undefined, false)
  }

  /** The deadline of the whole call. */
  expire(): void {
    this.runInAsyncScope(this.#expired, this)
  }

  #expired(): void {
    if (this.#done) return
    const attempt = this.#attempt
    // Nobody is judged for a reader that is the slow side.
    const fair = this.#committed ? !this.paused : attempt?.hadItsTime
    const timeout = new TimeoutError(this.#timeoutMs, 'total', { cause: this.#plan?.lastError })
    attempt?.stop(timeout, 'timeout', fair ? 'failure' : 'ignore')
    const counts = fair === true || this.#plan !== undefined
    this.#fail(this.#log.error(timeout.code, timeout.message, timeout, 'deadline'), undefined, counts)
  }

  // ---- attempts -------------------------------------------------------------------------------------------------

  #first(now: number): void {
    if (this.#done) return
    this.runtime.retry?.begin()
    this.#next(now)
  }

  #next(now: number): void {
    if (this.#done) return
    const { breaker, balancer, settings } = this.runtime
    const permit = breaker?.admit()
    if (permit !== undefined && isRefusal(permit)) return this.#refuse(permit.error(), 'circuit-open')
    // A call that cannot be repeated is not risked on an instance that may still be broken.
    const probe = isRepeatable(this.#request)
    let lease: Lease | undefined
    try {
      lease = balancer.acquire({ key: this.#extras.key, exclude: this.#plan?.tried, probe })
    } catch (error) {
      // A strategy of the user's own threw; we may be in a timer, where nobody would catch it.
      permit?.ignore()
      return this.#fail(error as Error, undefined, false)
    }
    if (lease === undefined) {
      permit?.ignore()
      return this.#refuse(balancer.refusal(), 'no-instance')
    }
    this.#attemptCount += 1
    const attempt = new Attempt(this, this.#attemptCount, lease, permit, now)
    this.#attempt = attempt
    attempt.begin(
      settings.attemptTimeoutMs,
      fairTime(settings.attemptTimeoutMs, this.#timeoutMs),
      this.runtime.ownsPools,
    )
    try {
      this.runtime.transport.dispatch(this.#requestFor(attempt), attempt)
      attempt.dispatched()
    } catch (error) {
      attempt.onResponseError(this, error as Error)
    }
  }

  /** The first attempt takes the request itself. It may still wait for a connection when the next one begins elsewhere. */
  #requestFor({ origin, number }: Attempt): Dispatcher.DispatchOptions {
    if (number > 1) return requestTo(origin, this.#request)
    this.#request.origin = origin
    return this.#request
  }

  /** @internal An attempt got its final headers: hand them on, or try again instead. */
  answered(
    attempt: Attempt,
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Headers,
    text?: string,
  ): void {
    if (isTransientStatus(status)) {
      const record = attempt.record('answered', undefined)
      this.recordAttempt(record)
      const { retryAfterMs } = attempt
      if (this.#tryAgain(attempt, record, new StatusError(status), { notSent: false, retryAfterMs })) {
        return attempt.discard()
      }
    } else if (this.#log.wants(status)) {
      this.recordAttempt(attempt.record('answered', undefined))
    }
    this.#committed = true
    if (verdictOfStatus(status) === 'success') this.runtime.retry?.succeeded(this.#plan?.progress)
    this.#log.status = status
    this.rawHeaders = controller.rawHeaders ?? null
    if (this.#extras.deadlineCovers === 'headers') this.#clearDeadline()
    this.informed(status, headers, text)
  }

  /** @internal */
  attemptTimedOut(attempt: Attempt): void {
    this.runInAsyncScope(this.#attemptTimedOut, this, attempt)
  }

  #attemptTimedOut(attempt: Attempt): void {
    if (this.#done) return
    const sent = attempt.sent
    const timeout = new TimeoutError(this.runtime.settings.attemptTimeoutMs, 'attempt')
    attempt.stop(timeout, 'timeout', attempt.hadItsTime ? 'failure' : 'ignore')
    this.attemptFailed(attempt, sent ? 'maybe-sent' : 'not-sent', timeout)
  }

  /** @internal An attempt ended without a complete answer. */
  attemptFailed(attempt: Attempt, outcome: AttemptOutcome, error: unknown): void {
    if (this.#done) return
    if (outcome === 'caller') return this.#fail(error as Error, 'aborted')
    if (outcome === 'local') return this.#fail(localError(error), 'not-retryable', false)
    const record = this.#log.last as AttemptRecord
    if (this.#tryAgain(attempt, record, error, { notSent: outcome === 'not-sent' })) return
    this.#fail(this.#log.failure(error, record.instanceId))
  }

  /** Decides about another attempt, and if there is to be one, waits for it. The reason against it is kept. */
  #tryAgain(
    attempt: Attempt,
    record: AttemptRecord,
    error: unknown,
    facts: Pick<FailedAttempt, 'notSent' | 'retryAfterMs'>,
  ): boolean {
    if (this.#committed) {
      this.#log.notRetried = 'already-answered'
      return false
    }
    this.#plan ??= new RetryPlan(this.runtime, this.#request, this.startedAt + this.#timeoutMs)
    const answer = this.#plan.weigh({ number: attempt.number, instanceId: record.instanceId, error, ...facts })
    if (typeof answer === 'string') {
      this.#log.notRetried = answer
      return false
    }
    this.#attempt = undefined
    const { reporter, name } = this.runtime
    if (reporter.heard('retry')) reporter.emit('retry', { service: name, failed: record, delayMs: answer })
    // A listener may have ended the call just now.
    if (!this.#done) this.#plan.wait(answer, () => this.runInAsyncScope(this.#next, this, this.runtime.clock.now()))
    return true
  }

  // ---- what the current attempt passes on -----------------------------------------------------------------------

  /** @internal An informational (1xx) answer, or the headers of the final one. */
  informed(status: number, headers: Headers, text?: string): void {
    try {
      this.#handler.onResponseStart?.(this, status, headers, text)
    } catch (error) {
      this.#threw(error)
    }
  }

  /** @internal */
  received(chunk: Buffer): void {
    try {
      this.#handler.onResponseData?.(this, chunk)
    } catch (error) {
      this.#threw(error)
    }
  }

  /** @internal */
  completed(controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.rawTrailers = controller.rawTrailers ?? null
    this.#end(this.#guards && outcomeOfStatus(this.#log.status as number, this.#attempt?.retryAfterMs))
    try {
      this.#handler.onResponseEnd?.(this, trailers)
    } catch (error) {
      return this.#fail(error as Error, 'aborted')
    }
    this.#log.report(undefined)
  }

  /** @internal */
  upgraded(controller: Dispatcher.DispatchController, status: number, headers: Headers, socket: Duplex): void {
    this.#log.status = status
    this.rawHeaders = controller.rawHeaders ?? null
    if (this.#handler.onRequestUpgrade === undefined) {
      socket.destroy()
      return this.#fail(new InvalidRequestError(`nobody here takes the connection that a ${status} hands over`))
    }
    this.#end(this.#guards && outcomeOfStatus(status))
    this.#handler.onRequestUpgrade(this, status, headers, socket)
    this.#log.report(undefined)
  }

  /** @internal Whether an error that undici reports is the caller's own: thrown by its handler, or by the body it sends. */
  causedByCaller(error: unknown): boolean {
    return this.#thrown === undefined ? isBodysOwn(error, this.#request) : this.#thrown.error === error
  }

  // ---- what attempts need ---------------------------------------------------------------------------------------

  /** Every attempt that left a record. */
  get attempts(): readonly AttemptRecord[] {
    return this.#log.attempts
  }

  get notRetried(): NotRetriedReason | undefined {
    return this.#log.notRetried
  }

  recordAttempt(record: AttemptRecord): void {
    this.#log.add(record)
  }

  // ---- the end --------------------------------------------------------------------------------------------------

  /** What the caller's own handler throws ends the call through undici, and is not held against anybody else. */
  #threw(error: unknown): never {
    this.#thrown = { error }
    throw error
  }

  /** Something of this process said no. */
  #refuse(error: GatelessError, reason?: NotRetriedReason): void {
    if (this.#done) return
    this.#fail(this.#log.refusal(error, this.#plan, reason), undefined, this.#plan !== undefined)
  }

  /** @param counts Whether the guards are to judge by it: not by what never came to an attempt, or was the caller's end. */
  #fail(error: Error, notRetried?: NotRetriedReason, counts = notRetried !== 'aborted'): void {
    this.#end(counts ? { ok: false, error } : undefined)
    this.#log.notRetried ??= notRetried
    try {
      this.#handler.onResponseError?.(this, error)
    } catch (fault) {
      // There is nobody left to tell but the listeners; thrown on, it would end the process from a timer.
      this.runtime.reporter.fault('onResponseError', fault)
    }
    this.#log.report(error)
  }

  /** @param outcome What the guards are to judge; undefined when the caller left. */
  #end(outcome: Outcome | undefined): void {
    if (this.#done) return
    this.#done = true
    this.#guards?.end(outcome)
    this.#clearDeadline()
    this.#plan?.cancel()
    // undici keeps a request that waits until its turn comes; its body, which nobody will send, need not wait with it.
    if (this.#attempt?.sent === false) this.#request.body = null
    this.runtime.calls.delete(this)
  }

  #clearDeadline(): void {
    this.#deadline?.cancel()
    this.#deadline = undefined
  }
}

import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Lease, LeaseInfo } from '../balancing/lease.ts'
import { instanceOrigin } from '../core/instance.ts'
import type { OutcomeInfo, Permit, Verdict } from '../core/outcome.ts'
import { retryAfterOf } from '../core/retry-after.ts'
import type { Clock } from '../time/clock.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import type { Deadlines } from '../time/deadlines.ts'
import type { AttemptOutcome, AttemptRecord } from './errors.ts'
import type { Connection, PooledHandler } from './instance-pools.ts'
import {
  codeOf,
  isKeepAliveRace,
  isLostConnection,
  outcomeOfError,
  verdictOfOutcome,
  verdictOfStatus,
} from './failure.ts'

/**
 * One try of a call: the handler undici talks to. It owns what one try holds (a lease on the instance, a permit of the
 * service's breaker, a timer, the connection) and gives each back exactly once. Once it has ended, whatever undici still
 * delivers dies here.
 */

/** A discarded answer may finish on its connection if it is short; beyond this the connection is closed instead. */
const DRAIN_BYTES = 64 * 1_024
/** Nor is a connection kept busy for longer than this by an answer that nobody reads. */
const DRAIN_MS = 1_000

/** The call an attempt belongs to. */
export interface AttemptOwner {
  readonly paused: boolean
  readonly startedAt: number
  readonly runtime: { readonly clock: Clock; readonly deadlines: Deadlines }
  /** Runs what undici calls back in the caller's async context; undici runs it in that of whoever opened the socket. */
  runInAsyncScope<A extends unknown[]>(work: (...args: A) => void, self: Attempt, ...args: A): void
  recordAttempt(record: AttemptRecord): void
  /** Whether an error that undici reports is the caller's own: thrown by its handler, or by the body it sends. */
  causedByCaller(error: unknown): boolean
  /** An informational (1xx) answer. */
  informed(status: number, headers: Headers, statusMessage?: string): void
  /** The final headers; the owner may answer by discarding the attempt. */
  answered(attempt: Attempt, controller: Controller, status: number, headers: Headers, statusMessage?: string): void
  received(chunk: Buffer): void
  completed(controller: Controller, trailers: Headers): void
  upgraded(controller: Controller, status: number, headers: Headers, socket: Duplex): void
  attemptTimedOut(attempt: Attempt): void
  /** It ended without a complete answer. */
  attemptFailed(attempt: Attempt, outcome: AttemptOutcome, error: unknown): void
}

type Controller = Dispatcher.DispatchController
type Headers = Record<string, string | string[] | undefined>

type Stage = 'waiting' | 'sent' | 'answering' | 'draining' | 'ended'

export class Attempt implements PooledHandler, Expirable {
  readonly number: number
  readonly lease: Lease
  connection: Connection | undefined
  /** How long a failure asked to be left alone, in milliseconds. */
  retryAfterMs: number | undefined
  readonly #call: AttemptOwner
  readonly #permit: Permit | undefined
  readonly #startedAt: number
  /** Since when the instance has been at it; later than the start for one that waited for a connection of our own. */
  #heldSince: number
  #waited = false
  #fairMs = 0
  #ownsPools = false
  #stage: Stage = 'waiting'
  #deadline: Deadline | undefined
  #controller: Controller | undefined
  /** Why it was stopped from this side, where it was. */
  #stopped: { readonly reason: unknown } | undefined
  /** Whether its connection had carried others before. */
  #reused = false
  #drained = 0
  #status: number | undefined

  constructor(call: AttemptOwner, number: number, lease: Lease, permit: Permit | undefined, now: number) {
    this.#call = call
    this.number = number
    this.lease = lease
    this.#permit = permit
    this.#startedAt = now
    this.#heldSince = now
  }

  /** Also read by the pool, to tell a refused request from a busy connection. */
  get ended(): boolean {
    return this.#stage === 'ended' || this.#stage === 'draining'
  }

  /** Whether any of it may have reached the instance. */
  get sent(): boolean {
    return this.#controller !== undefined
  }

  /**
   * Whether its time being over says anything about the instance: that had a fair part of what an attempt is given, and the
   * wait for one of our own connections is none of it. (A transport of the user's does not tell about connections; there it
   * always had one.)
   */
  get hadItsTime(): boolean {
    return !this.#queued && this.#call.runtime.clock.now() - this.#heldSince >= this.#fairMs
  }

  /** Waiting for one of our own connections: none is free yet, or the one it is to use still carries another request. */
  get #queued(): boolean {
    if (this.#stage !== 'waiting' || !this.#ownsPools) return false
    return this.connection === undefined || this.connection.requests > 0
  }

  get origin(): string {
    return instanceOrigin(this.lease.instance)
  }

  /**
   * @param fairMs From when on its time being over is held against the instance.
   * @param ownsPools Whether connections are our own, so that an attempt without one is known to wait.
   */
  begin(timeoutMs: number, fairMs: number, ownsPools: boolean): void {
    this.#fairMs = fairMs
    this.#ownsPools = ownsPools
    this.#deadline = this.#call.runtime.deadlines.add(timeoutMs, this, this.#startedAt)
  }

  /** The transport has it. */
  dispatched(): void {
    this.#waited = this.#queued
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  /** The attempt's time is over, or the time to drain it is. */
  expire(): void {
    if (this.#stage === 'draining') this.#abortConnection(new Error('discarded response was not drained in time'))
    else this.#call.attemptTimedOut(this)
  }

  /** Ends it from this side. `verdict`: what that says about the instance. */
  stop(reason: unknown, outcome: AttemptOutcome, verdict: Verdict): void {
    if (this.ended) return
    this.#settle(verdict)
    this.#finish(outcome, codeOf(reason))
    this.#abortConnection(reason)
  }

  /** Gives the answer up for another attempt: its connection is kept if the rest is short and comes soon. */
  discard(): void {
    this.lease.ignore()
    this.#stage = 'draining'
    this.#deadline = this.#call.runtime.deadlines.add(DRAIN_MS, this)
    this.#controller?.resume()
  }

  // ---- undici's side --------------------------------------------------------------------------------------------

  onRequestStart(controller: Controller): void {
    // It was given up while it waited for a connection: nothing has been sent, and nothing will be. Thrown and not
    // aborted: that would destroy the connection, which is as good as new, and the body, which may be on its way elsewhere.
    if (this.#stopped !== undefined) throw asError(this.#stopped.reason)
    this.#controller = controller
    this.#stage = 'sent'
    if (this.#waited) this.#heldSince = this.#call.runtime.clock.now()
    this.#reused = this.connection !== undefined && this.connection.requests++ > 0
    if (this.#call.paused) controller.pause()
  }

  onRequestUpgrade(controller: Controller, status: number, headers: Headers, socket: Duplex): void {
    if (this.ended) return
    this.#status = status
    this.#settle('success')
    this.#finish('answered', undefined)
    this.#call.upgraded(controller, status, headers, socket)
  }

  onResponseStart(controller: Controller, status: number, headers: Headers, statusMessage?: string): void {
    if (this.ended) return
    this.#call.runInAsyncScope(this.#responding, this, controller, status, headers, statusMessage)
  }

  #responding(controller: Controller, status: number, headers: Headers, statusMessage?: string): void {
    if (status < 200) return this.#call.informed(status, headers, statusMessage)
    this.#stage = 'answering'
    this.#status = status
    this.#clearDeadline()
    // The verdict is due here and not at the end of the body: a slow reader or an event stream blames nobody.
    const verdict = verdictOfStatus(status)
    const info = verdict === 'failure' ? { retryAfterMs: retryAfterOf(headers, this.#call.runtime.clock) } : undefined
    this.retryAfterMs = info?.retryAfterMs
    this.lease.responded(verdict, info)
    this.#settlePermit(verdict, info)
    this.#call.answered(this, controller, status, headers, statusMessage)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#stage === 'answering') return this.#call.received(chunk)
    if (this.#stage !== 'draining') return
    this.#drained += chunk.length
    if (this.#drained > DRAIN_BYTES) this.#abortConnection(new Error('discarded response is too long to drain'))
  }

  onResponseEnd(controller: Controller, trailers: Headers): void {
    this.#clearDeadline()
    if (this.#stage !== 'answering') {
      this.#stage = 'ended'
      return
    }
    this.#stage = 'ended'
    this.#call.runInAsyncScope(this.#responded, this, controller, trailers)
  }

  #responded(controller: Controller, trailers: Headers): void {
    this.lease.success()
    this.#call.completed(controller, trailers)
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#clearDeadline()
    if (this.ended) {
      this.#stage = 'ended'
      return
    }
    this.#call.runInAsyncScope(this.#failed, this, error)
  }

  #failed(error: Error): void {
    const outcome = this.#call.causedByCaller(error)
      ? 'caller'
      : outcomeOfError(error, this.#stage === 'sent', this.#stage === 'answering')
    const verdict = isKeepAliveRace(outcome, this.#reused, error) ? 'ignore' : verdictOfOutcome(outcome)
    // However many requests it carried, one connection is lost once.
    this.#settle(verdict, {
      error,
      lostConnection: this.sent && isLostConnection(error) ? this.connection?.socket : undefined,
    })
    this.#finish(outcome, codeOf(error))
    this.#call.attemptFailed(this, outcome, error)
  }

  record(outcome: AttemptOutcome, error: string | undefined): AttemptRecord {
    const { instance } = this.lease
    return {
      attempt: this.number,
      instanceId: instance.id,
      origin: this.origin,
      startedMs: this.#startedAt - this.#call.startedAt,
      durationMs: this.#call.runtime.clock.now() - this.#startedAt,
      outcome,
      status: this.#status,
      error,
    }
  }

  #finish(outcome: AttemptOutcome, error: string | undefined): void {
    this.#clearDeadline()
    this.#call.recordAttempt(this.record(outcome, error))
    this.#stage = 'ended'
  }

  #settle(verdict: Verdict, info?: LeaseInfo): void {
    if (verdict === 'success') this.lease.success()
    else if (verdict === 'failure') this.lease.failure(info)
    else this.lease.ignore()
    this.#settlePermit(verdict, info)
  }

  #settlePermit(verdict: Verdict, info?: OutcomeInfo): void {
    if (verdict === 'success') this.#permit?.success(info)
    else if (verdict === 'failure') this.#permit?.failure(info)
    else this.#permit?.ignore()
  }

  #clearDeadline(): void {
    this.#deadline?.cancel()
    this.#deadline = undefined
  }

  #abortConnection(reason: unknown): void {
    this.#stage = 'ended'
    this.#clearDeadline()
    this.#stopped = { reason }
    this.#controller?.abort(asError(reason))
  }
}

/** undici wants an Error to abort with; a caller's reason may be anything. */
function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}

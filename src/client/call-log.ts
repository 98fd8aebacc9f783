import type { Dispatcher } from 'undici'
import { type GatelessError, TimeoutError } from '../core/errors.ts'
import { type AttemptRecord, CallError, type NotRetriedReason } from './errors.ts'
import { codeOf } from './failure.ts'
import type { ServiceRuntime } from './service-runtime.ts'

/** What happened during one call: for the error it may end with, and for whoever listens to `call`. */
export class CallLog {
  /** The final status, once there is one. */
  status: number | undefined
  /** Why there was no further attempt; the first reason given stays. */
  notRetried: NotRetriedReason | undefined
  readonly #runtime: ServiceRuntime
  readonly #request: Dispatcher.DispatchOptions
  readonly #startedAt: number
  #records: AttemptRecord[] | undefined

  constructor(runtime: ServiceRuntime, request: Dispatcher.DispatchOptions, startedAt: number) {
    this.#runtime = runtime
    this.#request = request
    this.#startedAt = startedAt
  }

  get attempts(): readonly AttemptRecord[] {
    return this.#records ?? []
  }

  get last(): AttemptRecord | undefined {
    return this.#records?.at(-1)
  }

  /** Whether anybody may want to know of a first attempt that simply worked: most calls never make a record. */
  wants(status: number): boolean {
    return this.#records !== undefined || status >= 300 || this.#runtime.reporter.heard('call')
  }

  /** One record per attempt: how its body ended replaces how its headers began. */
  add(record: AttemptRecord): void {
    this.#records ??= []
    if (this.last?.attempt === record.attempt) this.#records.pop()
    this.#records.push(record)
  }

  /** The error of a call that got no answer. */
  error(code: string, message: string, cause: unknown, notRetried?: NotRetriedReason): CallError {
    this.notRetried ??= notRetried
    const { name } = this.#runtime
    // Transports may fail with anything, null included.
    const { local = false, retryAfterMs } = (cause ?? {}) as Partial<GatelessError>
    return new CallError(code, `${name} ${this.#request.method} ${this.#path}: ${message}`, {
      cause,
      service: name,
      attempts: this.attempts,
      notRetried: this.notRetried,
      local,
      retryAfterMs,
    })
  }

  /** The error of a call whose last attempt failed. */
  failure(error: unknown, instanceId: string): CallError {
    if (error instanceof TimeoutError) return this.error(error.code, error.message, error)
    return this.error('ERR_GATELESS_UNAVAILABLE', `no answer: ${codeOf(error)} from ${instanceId}`, error)
  }

  /** The error of a call that this process refused. After a real failure that one is the error, and the no its explanation. */
  refusal(
    error: GatelessError,
    failed: { readonly lastError: unknown } | undefined,
    reason?: NotRetriedReason,
  ): CallError {
    if (failed === undefined) return this.error(error.code, error.message, error, reason)
    const { lastError } = failed
    const code = lastError instanceof TimeoutError ? lastError.code : 'ERR_GATELESS_UNAVAILABLE'
    const message = `no answer: ${codeOf(lastError)}, and no further attempt: ${error.message}`
    return this.error(code, message, lastError, reason)
  }

  /** Tells the listeners of `call`. */
  report(error: Error | undefined): void {
    const { reporter, name, clock } = this.#runtime
    if (!reporter.heard('call')) return
    reporter.emit('call', {
      service: name,
      method: this.#request.method,
      path: this.#path,
      status: this.status,
      error: error === undefined ? undefined : codeOf(error),
      durationMs: clock.now() - this.#startedAt,
      attempts: this.attempts,
      notRetried: this.notRetried,
    })
  }

  /** Without the query, which may hold secrets. */
  get #path(): string {
    return this.#request.path.split('?', 1)[0] as string
  }
}

import type { Dispatcher } from 'undici'
import { RetryProgress } from '../retry/progress.ts'
import type { Timer } from '../time/clock.ts'
import type { NotRetriedReason } from './errors.ts'
import { isRepeatable, isReplayable } from './replay.ts'
import type { ServiceRuntime } from './service-runtime.ts'

/**
 * What one call knows about trying again: who was tried, what went wrong last, and how long it waited. Made at the first
 * failure: most calls have none.
 */

/** A try that failed. */
export interface FailedAttempt {
  /** 1 for the first. */
  readonly number: number
  readonly instanceId: string
  readonly error: unknown
  /** What the server asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** The request never left this process. */
  readonly notSent: boolean
}

export class RetryPlan {
  /** Instances that were tried. */
  readonly tried: Set<string> = new Set()
  /** The last real failure; what refuses a further try afterwards does not hide it. */
  lastError: unknown
  /** What the policy remembers of this call. */
  readonly progress: RetryProgress = new RetryProgress()
  readonly #runtime: ServiceRuntime
  readonly #request: Dispatcher.DispatchOptions
  readonly #deadline: number
  #timer: Timer | undefined

  constructor(runtime: ServiceRuntime, request: Dispatcher.DispatchOptions, deadline: number) {
    this.#runtime = runtime
    this.#request = request
    this.#deadline = deadline
  }

  /** How long to wait for the next try, in milliseconds, or why there is none. A delay has been paid for. */
  weigh(failed: FailedAttempt): number | NotRetriedReason {
    this.lastError = failed.error
    const obstacle = this.#obstacle(failed)
    if (obstacle !== undefined) return obstacle
    const decision = this.#runtime.retry?.decide({
      attempt: failed.number,
      error: failed.error,
      retryable: this.#runtime.asksRetryable ? undefined : true,
      retryAfterMs: failed.retryAfterMs,
      progress: this.progress,
      deadline: this.#deadline,
    })
    if (decision === undefined) return 'exhausted'
    if (!decision.retry) return decision.reason
    this.tried.add(failed.instanceId)
    return decision.delayMs
  }

  /** Calls `next` after the delay, unless cancelled before. */
  wait(delayMs: number, next: () => void): void {
    this.#timer = this.#runtime.clock.setTimeout(() => {
      this.#timer = undefined
      next()
    }, delayMs)
  }

  cancel(): void {
    if (this.#timer !== undefined) this.#runtime.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** What stands against another try before the policy is even asked. */
  #obstacle({ notSent }: FailedAttempt): NotRetriedReason | undefined {
    if (!notSent) {
      if (!isRepeatable(this.#request)) return 'not-idempotent'
      if (!isReplayable(this.#request.body)) return 'body-not-replayable'
    }
    return this.#runtime.breaker?.state === 'open' ? 'circuit-open' : undefined
  }
}

import { AsyncResource } from 'node:async_hooks'
import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { type GatelessErrorDetails, TimeoutError } from '../core/errors.ts'
import { OptionReader } from '../core/options.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { type Clock, toClock } from '../time/clock.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { type Deadlines, deadlinesOf } from '../time/deadlines.ts'

/** Limits how long one run of the work may take. */

/**
 * `aggressive`: the caller is answered at the limit, whatever the work does. `cooperative`: the signal is aborted, and
 * the caller waits for the work to notice.
 */
export type TimeoutMode = 'aggressive' | 'cooperative'

export interface TimeoutOptions {
  /** The limit, in milliseconds, from 1 to 24 days. */
  readonly timeoutMs: number
  /** @default 'aggressive' */
  readonly mode?: TimeoutMode
  /** Stands in `info`, in the error's message and in messages of `pipeline`. @default 'attempt' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults of {@link TimeoutOptions}. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ mode: 'aggressive', name: 'attempt' } as const)

/** What a {@link TimeoutPolicy} reports. */
export interface TimeoutEvents {
  /** The limit was reached. */
  readonly timeout: { readonly timeoutMs: number }
}

/** Made by {@link timeout}. */
export class TimeoutPolicy extends TypedEmitter<TimeoutEvents> implements Policy {
  readonly info: PolicyInfo & { readonly timeoutMs: number }
  /** @internal */
  readonly cooperative: boolean
  readonly #clock: Clock
  readonly #deadlines: Deadlines

  constructor(options: TimeoutOptions) {
    super()
    const read = new OptionReader('timeout', options)
    const timeoutMs = read.duration('timeoutMs', undefined, 1) ?? read.refuse('timeoutMs', 'given, in milliseconds')
    this.cooperative = read.oneOf('mode', ['aggressive', 'cooperative'], DEFAULTS.mode) === 'cooperative'
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    this.#deadlines = deadlinesOf(this.#clock)
    const summary = this.cooperative ? `asks to end after ${timeoutMs} ms` : `ends after ${timeoutMs} ms`
    const name = read.string('name', DEFAULTS.name)
    this.info = Object.freeze({ kind: 'timeout', name, summary, timeoutMs, cooperative: this.cooperative })
    read.end()
  }

  /**
   * Runs `operation` under the limit.
   *
   * Rejects with a `TimeoutError` at the limit, and with the signal's reason when the caller gave up or the whole
   * call's time ran out first. In cooperative mode an answer that comes late is still an answer; a late failure becomes
   * the `cause` of the `TimeoutError`.
   */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const outer = CallScope.enter(options, this.#clock)
    const limit = this.limit(outer)
    const own = outer !== options
    try {
      if (!this.cooperative) return await race(limit, operation)
      const work: Operation<T> = () => cooperate(operation, limit)
      // Only the limit waits for the work; the caller's own abort does not.
      return await (own && outer.interruptible ? race(outer, work) : work(outer))
    } finally {
      // Not aborted: what the work returned (a response's body, say) may still be using the signal.
      limit.dispose()
      if (own) outer.dispose()
    }
  }

  /** @internal For `pipeline`: the scope of one run, which ends it in time. */
  limit(outer: CallScope): Limit {
    return new Limit(this, outer, this.#clock.now(), this.#deadlines)
  }

  /** Same arguments, same result type, under the limit. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  /** @internal The async context of who calls, where anybody wants to hear of a timeout. */
  caller(): AsyncResource | undefined {
    return this.heard('timeout') ? new AsyncResource('GatelessTimeout') : undefined
  }

  /** @internal One run's time is over. */
  expired(): void {
    if (this.heard('timeout')) this.emit('timeout', { timeoutMs: this.info.timeoutMs })
  }
}

/** The scope of one run, and its limit. */
class Limit extends CallScope implements Expirable {
  readonly #policy: TimeoutPolicy
  readonly #deadline: Deadline
  /** The caller's async context, where somebody listens: the timer runs in that of whoever armed it. */
  readonly #caller: AsyncResource | undefined
  #expired = false

  constructor(policy: TimeoutPolicy, outer: CallScope, now: number, deadlines: Deadlines) {
    const { timeoutMs } = policy.info
    super(undefined, undefined, outer, now + timeoutMs)
    this.#policy = policy
    this.#caller = policy.caller()
    this.#deadline = deadlines.add(timeoutMs, this, now)
  }

  get expired(): boolean {
    return this.#expired
  }

  expire(): void {
    // Work that is still winding up after the caller left did not time out.
    if (this.aborted) return
    this.#expired = true
    this.abort(this.error())
    this.#caller?.runInAsyncScope(this.#policy.expired, this.#policy)
  }

  error(details?: GatelessErrorDetails): TimeoutError {
    const { name, timeoutMs } = this.#policy.info
    return new TimeoutError(timeoutMs, 'attempt', { by: name, ...details })
  }

  override dispose(): void {
    this.#deadline.cancel()
    super.dispose()
  }
}

/** Waits for the work itself. A late answer is an answer; a late failure, of whatever kind, is the limit's doing. */
async function cooperate<T>(operation: Operation<T>, limit: Limit): Promise<T> {
  if (limit.aborted) throw limit.reason
  try {
    return await operation(limit)
  } catch (error) {
    throw limit.expired && error !== limit.reason ? limit.error({ cause: error }) : error
  }
}

/**
 * A limit on how long one run of the work may take.
 *
 * When to use: around everything that waits for somebody else. Inside a retry it limits each try, around one all of them.
 *
 * Gotchas: work that ignores its signal goes on after an aggressive timeout, unseen; its result is dropped. Work that
 * returned in time keeps an unaborted signal, so a body it returned can still be read, without a limit.
 *
 * @example
 * const limited = timeout({ timeoutMs: 2_000 })
 * const response = await limited.execute(({ signal }) => fetch(url, { signal }))
 */
export function timeout(options: TimeoutOptions): TimeoutPolicy {
  return new TimeoutPolicy(options)
}

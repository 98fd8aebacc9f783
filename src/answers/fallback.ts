import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { FallbackError } from './fallback-error.ts'
import {
  type Alternative,
  type FallbackAlternative,
  type FallbackOptions,
  type FallbackSettings,
  readFallbackOptions,
} from './fallback-options.ts'

/** What an alternative answers. */
export type FallbackAnswer<A> = A extends { readonly value: infer V }
  ? V
  : A extends { readonly run: (...args: never[]) => infer V }
    ? Awaited<V>
    : A extends FallbackAlternative<infer V>
      ? V
      : never

/** What a {@link FallbackPolicy} reports. */
export interface FallbackEvents {
  /** An alternative answered for the work. */
  readonly fallback: { readonly alternative: number; readonly error: unknown }
  /** An alternative was tried and failed itself; the next one that matches is asked. */
  readonly 'alternative-failed': { readonly alternative: number; readonly error: unknown; readonly cause: unknown }
}

/** What a {@link FallbackPolicy} counted since it was made. */
export interface FallbackMetrics {
  readonly calls: number
  /** Calls that an alternative answered. */
  readonly answered: number
  /** Calls for which every alternative that matched failed. */
  readonly failed: number
}

/** Made by {@link fallback}; the class takes the options that concern all alternatives. */
export class FallbackPolicy<A extends readonly FallbackAlternative[]>
  extends TypedEmitter<FallbackEvents>
  implements Policy<FallbackAnswer<A[number]>>
{
  /** For types only: what a `pipeline` may answer because of this policy. */
  declare readonly answers: FallbackAnswer<A[number]>
  readonly info: PolicyInfo
  readonly #settings: FallbackSettings
  readonly #counts = { calls: 0, answered: 0, failed: 0 }

  /** @throws {TypeError} naming the option, what it may be and what it was. */
  constructor(options: FallbackOptions<A>) {
    super()
    this.#settings = readFallbackOptions(options)
    const { name, alternatives } = this.#settings
    const count = alternatives.length
    const summary = `answers failed work from ${count} ${count === 1 ? 'alternative' : 'alternatives'}`
    this.info = Object.freeze({ kind: 'fallback', name, summary, hidesFailures: true })
  }

  get metrics(): FallbackMetrics {
    return { ...this.#counts }
  }

  /**
   * Runs `operation`; when it fails, answers with the first alternative that matches the error and does not fail itself.
   *
   * Rejects with the work's own error when none matches.
   * @throws {FallbackError} when all that matched failed.
   */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | FallbackAnswer<A[number]>> {
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      this.#counts.calls += 1
      try {
        return await (own && scope.interruptible ? race(scope, operation) : operation(scope))
      } catch (error) {
        return (await this.#answer(error, scope)) as FallbackAnswer<A[number]>
      }
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments; the result may also be an alternative's. */
  wrap<P extends unknown[], T>(
    work: (...args: P) => T | PromiseLike<T>,
  ): (...args: P) => Promise<T | FallbackAnswer<A[number]>> {
    return (...args) => this.execute(() => work(...args))
  }

  /**
   * The place of the first alternative for this error, or -1.
   *
   * When to use: to know without running anything whether an error would be answered.
   */
  find(error: unknown, from = 0): number {
    const { alternatives } = this.#settings
    for (let index = from; index < alternatives.length; index += 1) {
      if (this.#matches(alternatives[index] as Alternative, error)) return index
    }
    return -1
  }

  async #answer(error: unknown, scope: CallScope): Promise<unknown> {
    // Whoever left is not waiting for an answer; whoever ran out of time may still be given one that is at hand.
    if (scope.abandonedByCaller && !this.#settings.answerAborts) throw error
    const errors: unknown[] = []
    for (let at = this.find(error); at >= 0; at = this.find(error, at + 1)) {
      try {
        const answer = await ask(this.#settings.alternatives[at] as Alternative, error, scope)
        this.#counts.answered += 1
        if (this.heard('fallback')) this.emit('fallback', { alternative: at, error })
        return answer
      } catch (failure) {
        if (scope.abandonedByCaller && !this.#settings.answerAborts) throw scope.reason
        // The end of the call is no failure of the alternative; one further on may have its answer at hand.
        if (scope.aborted && failure === scope.reason) continue
        errors.push(failure)
        if (this.heard('alternative-failed')) {
          this.emit('alternative-failed', { alternative: at, error: failure, cause: error })
        }
      }
    }
    if (errors.length === 0) throw error
    this.#counts.failed += 1
    throw new FallbackError(this.#settings.name, error, errors)
  }

  #matches(alternative: Alternative, error: unknown): boolean {
    try {
      return alternative.matches(error)
    } catch (fault) {
      this.reportFault('when', fault)
      return false
    }
  }
}

/** What is at hand is an answer even when the call is over; nobody waits for what is not. */
function ask(alternative: Alternative, error: unknown, scope: CallScope): unknown {
  const answer = alternative.answer(error, scope)
  if (!isThenable(answer) || !scope.interruptible) return answer
  // A race that is over before it began leaves its runner alone, and his rejection unhandled.
  if (scope.aborted) answer.then(undefined, () => {})
  return race(scope, () => answer)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/**
 * Answers for work that failed: by a value, by a function, or by several in order.
 *
 * When to use: outermost, where a poorer answer is better than none: an empty list, a default price, a replica.
 *
 * Gotchas: a call aborted by its own caller is not answered. When the whole call's time is up, an alternative that
 * answers at once still does, and one that needs a promise comes too late. A value is shared by all callers.
 *
 * @example
 * const answered = fallback({ run: (_error, { signal }) => readReplica(signal), when: isTransient }, { value: [] })
 * const devices = await answered.execute(({ signal }) => fetchDevices(signal))
 */
export function fallback<A extends readonly FallbackAlternative[]>(...alternatives: A): FallbackPolicy<A> {
  return new FallbackPolicy({ alternatives })
}

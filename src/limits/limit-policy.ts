import { type CallContext, type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { asOptions, show } from '../core/options.ts'
import type { Outcome, Permit } from '../core/outcome.ts'
import { type Admission, type Guard, isRefusal, isWaiting, type PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import type { Clock } from '../time/clock.ts'

/** What the limits share: `execute` and `wrap` around a decision that each makes for itself. */
export abstract class LimitPolicy<Events extends object> extends TypedEmitter<Events> implements Guard {
  abstract readonly info: PolicyInfo
  readonly #clock: Clock

  constructor(clock: Clock) {
    super()
    this.#clock = clock
  }

  get name(): string {
    return this.info.name
  }

  /** For `pipeline`: leave to begin, or a "no". */
  abstract admit(context: CallContext): Admission

  /** For `pipeline`: settles the permit by what the work came to. */
  abstract judge(permit: Permit, outcome: Outcome, context: CallContext): void

  /**
   * Runs the work when it is let through.
   *
   * Rejects with the policy's own error when the call was refused, with the signal's reason when the call ended first, and
   * otherwise with whatever the work throws.
   */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    if (typeof operation !== 'function') throw this.#mistake('execute', operation)
    const scope = CallScope.enter(options, this.#clock)
    let permit: Permit | undefined
    try {
      if (scope.aborted) throw scope.reason
      const answer = this.admit(scope)
      if (isRefusal(answer)) throw answer.error()
      permit = isWaiting(answer) ? await answer : answer
      // Also in somebody else's scope: work that ignores its signal must not keep what it holds for a caller who left.
      const value = await (scope.interruptible ? race(scope, operation) : operation(scope))
      this.judge(permit, { ok: true, value }, scope)
      return value
    } catch (error) {
      if (permit !== undefined) this.judge(permit, { ok: false, error }, scope)
      throw error
    } finally {
      if (scope !== options) scope.dispose()
    }
  }

  /** The same function under the limit: same arguments, same result type. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    if (typeof work !== 'function') throw this.#mistake('wrap', work)
    return (...args) => this.execute(() => work(...args))
  }

  /** The caller's own, which must not pass for a failure of the work. */
  #mistake(method: string, work: unknown): TypeError {
    return new TypeError(`${this.constructor.name}.${method}: operation must be a function, got ${show(work)}`)
  }
}

/** The permit of those who have nothing to be given back: one for everybody. */
export const SPENT: Permit = /* @__PURE__ */ Object.freeze({ success() {}, failure() {}, ignore() {} })

/**
 * The options with a patch over them, for `configure`. What the patch gives as undefined goes back to its default.
 *
 * @throws {TypeError} for what cannot change once the policy is made.
 */
export function patched<O extends object>(owner: string, given: O, patch: object, fixed: readonly string[]): O {
  const changes = asOptions(`${owner}.configure`, patch)
  const wrong = fixed.find((name) => Object.hasOwn(changes, name))
  if (wrong !== undefined)
    throw new TypeError(`${owner}.configure: ${wrong} cannot change, got ${show(changes[wrong])}`)
  return { ...given, ...changes }
}

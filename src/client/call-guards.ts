import { CallScope } from '../core/context.ts'
import { describeThrown, GatelessError, isGatelessError } from '../core/errors.ts'
import type { Outcome, Permit } from '../core/outcome.ts'
import { admission, type Guard, isWaiting, judged } from '../core/policy.ts'
import type { Clock } from '../time/clock.ts'
import type { CallExtras } from './call-extras.ts'

/**
 * The guards in front of one call (bulkhead, rate limiter, throttle, …): asked in their order before its first attempt,
 * told at its end what came of all its attempts. A call without guards never makes one of these.
 */
export class CallGuards {
  readonly #guards: readonly Guard[]
  readonly #scope: CallScope
  readonly #permits: Permit[] = []
  #over = false

  /** @param deadline When the call has to be done, by that clock. */
  constructor(guards: readonly Guard[], call: Pick<CallExtras, 'key' | 'priority'>, deadline: number, clock: Clock) {
    this.#guards = guards
    // Not the call itself: it has a `timeoutMs`, and the scope would arm a timer for it.
    const { key, priority } = call
    this.#scope = new CallScope({ key, priority }, clock).fork(deadline)
  }

  /** Calls one of the two, once: at once where no guard makes the call wait. Neither after `end`. */
  enter(admitted: () => void, refused: (error: GatelessError) => void): void {
    try {
      while (this.#permits.length < this.#guards.length) {
        const answer = admission(this.#guards[this.#permits.length] as Guard, this.#scope)
        if (isWaiting(answer)) {
          answer.then(
            (permit) => {
              if (this.#over) return permit.ignore()
              this.#permits.push(permit)
              this.enter(admitted, refused)
            },
            (error: unknown) => this.#refuse(error, refused),
          )
          return
        }
        this.#permits.push(answer)
      }
    } catch (error) {
      return this.#refuse(error, refused)
    }
    admitted()
  }

  /** What came of the call; undefined when nobody is to be judged by it, because the caller left. */
  end(outcome: Outcome | undefined): void {
    if (this.#over) return
    this.#over = true
    const complete = this.#permits.length === this.#guards.length
    for (let i = this.#permits.length - 1; i >= 0; i -= 1) {
      const permit = this.#permits[i] as Permit
      if (outcome === undefined || !complete) permit.ignore()
      else judged(this.#guards[i] as Guard, permit, outcome, this.#scope)
    }
    // Whoever still makes the call wait need not any more. (An Error costs more than all the guards: only where it is read.)
    if (!complete) this.#scope.abort(new Error('the call is over'))
    this.#scope.dispose()
  }

  /** Those that admitted it let it in for nothing. */
  #refuse(error: unknown, refused: (error: GatelessError) => void): void {
    if (this.#over) return
    this.end(undefined)
    // A guard may be a user's, and throw what it likes.
    refused(
      isGatelessError(error)
        ? error
        : new GatelessError('ERR_GATELESS_REFUSED', describeThrown(error), { cause: error, local: true }),
    )
  }
}

import type { Pass } from '../core/gate.ts'
import type { CallContext, CallScope, Operation } from '../core/context.ts'
import type { Outcome, OutcomeInfo, Permit, Verdict } from '../core/outcome.ts'
import { race } from '../core/race.ts'

/** Where a permit comes from, and where it tells how the call ended. */
export interface PermitOwner {
  settle(pass: Pass, generation: number, verdict: Verdict, info?: OutcomeInfo, startedAt?: number): void
  classify(outcome: Outcome, context: CallContext): Verdict
}

/** Leave of a breaker for one call. */
export class BreakerPermit implements Permit {
  readonly #pass: Pass
  readonly #generation: number
  readonly #startedAt: number | undefined
  #owner: PermitOwner | undefined

  constructor(owner: PermitOwner, pass: Pass, generation: number, startedAt: number | undefined) {
    this.#owner = owner
    this.#pass = pass
    this.#generation = generation
    this.#startedAt = startedAt
  }

  success(): void {
    this.#settle('success')
  }

  failure(info?: OutcomeInfo): void {
    this.#settle('failure', info)
  }

  ignore(): void {
    this.#settle('ignore')
  }

  /** Settles by what the owner makes of the outcome: the breaker that gave it, even if others stand in its place by now. */
  judge(outcome: Outcome, context: CallContext): void {
    if (this.#owner !== undefined) settleBy(this, this.#owner.classify(outcome, context), outcome)
  }

  #settle(verdict: Verdict, info?: OutcomeInfo): void {
    const owner = this.#owner
    this.#owner = undefined
    owner?.settle(this.#pass, this.#generation, verdict, info, this.#startedAt)
  }
}

/** Settles any permit as a verdict says; what a failure asked for goes along. */
export function settleBy(permit: Permit, verdict: Verdict, outcome: Outcome): void {
  if (verdict === 'success') permit.success()
  else if (verdict === 'ignore') permit.ignore()
  else permit.failure(outcome.ok ? undefined : outcome)
}

/** Runs work under a permit, which may still have to be waited for. `own`: the scope was made for this call. */
export async function runUnder<T>(
  leave: BreakerPermit | Promise<BreakerPermit>,
  operation: Operation<T>,
  scope: CallScope,
  own: boolean,
): Promise<T> {
  try {
    const permit = await leave
    // It ended between the leave and now: the work never runs, and says nothing about anybody.
    if (scope.aborted) {
      permit.ignore()
      throw scope.reason
    }
    try {
      const value = await (scope.interruptible ? race(scope, operation) : operation(scope))
      permit.judge({ ok: true, value }, scope)
      return value
    } catch (error) {
      permit.judge({ ok: false, error }, scope)
      throw error
    }
  } finally {
    if (own) scope.dispose()
  }
}

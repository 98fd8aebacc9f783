import type { CallContext, CallOptions, Operation } from './context.ts'
import type { GatelessError } from './errors.ts'
import type { Outcome, Permit } from './outcome.ts'

/**
 * The contract every primitive keeps, so that they compose. A policy decides synchronously; `execute` is the
 * comfortable shell around the decision.
 */

/** What a composition can know about a policy without running it. */
export interface PolicyInfo {
  readonly kind: 'breaker' | 'retry' | 'timeout' | 'pipeline' | (string & {})
  readonly name: string
  /** The longest one run of the work may take, in milliseconds, where the policy limits it. */
  readonly timeoutMs?: number | undefined
  /** How often the policy may run the work at most. */
  readonly maxAttempts?: number | undefined
}

/**
 * Runs work under a rule. `R`: what it may answer instead of the work; a policy that does so also declares
 * `answers: R`, so that a pipeline knows what to add to its own type.
 */
export interface Policy<R = never> {
  readonly info: PolicyInfo
  execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | R>
}

/** A "no", which makes its error only when somebody wants it. */
export interface Refusal {
  readonly refused: true
  error(): GatelessError
}

/**
 * A policy that only decides whether work may begin, and judges how it ended: a `pipeline` runs neighbouring guards
 * in one frame instead of nesting a closure for each.
 */
export interface Guard extends Policy {
  admit(context: CallContext): Permit | Refusal
  /** Settles the permit by what the work came to. Never throws. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void
}

export function isRefusal(answer: Permit | Refusal): answer is Refusal {
  return 'refused' in answer
}

export function isGuard(policy: Policy<unknown>): policy is Guard {
  return typeof (policy as Partial<Guard>).admit === 'function'
}

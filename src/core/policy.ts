import type { CallContext, CallOptions, CallScope, Operation } from './context.ts'
import { describeThrown, type GatelessError } from './errors.ts'
import { show } from './options.ts'
import type { Outcome, Permit } from './outcome.ts'

/**
 * The contract every primitive keeps, so that they compose. A policy decides synchronously; `execute` is the
 * comfortable shell around the decision.
 */

/** What a composition can know about a policy without running it. */
export interface PolicyInfo {
  readonly kind: PolicyKind | (string & {})
  readonly name: string
  /** What it does, in plain words for `describe()`: "opens after 5 failures in a row, for 60 s". */
  readonly summary?: string | undefined
  /** The longest one run of the work may take, in milliseconds, where the policy limits it. */
  readonly timeoutMs?: number | undefined
  /** Whether it only asks the work to end, so that `timeoutMs` is no promise. */
  readonly cooperative?: boolean | undefined
  /** How often the policy may run the work at most. */
  readonly maxAttempts?: number | undefined
  /** How far back it looks to judge, in milliseconds, where it looks back. */
  readonly windowMs?: number | undefined
  /** Whether it may answer in place of a failure of the work, so that whoever stands around it never learns of that. */
  readonly hidesFailures?: boolean | undefined
}

/** The policies of this library. Those of others may be of any kind. */
export type PolicyKind =
  | 'adaptive-limiter'
  | 'breaker'
  | 'bulkhead'
  | 'cache'
  | 'chaos'
  | 'coalesce'
  | 'fallback'
  | 'hedge'
  | 'pipeline'
  | 'rate-limiter'
  | 'retry'
  | 'shedder'
  | 'throttle'
  | 'timeout'

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
 * What a guard answers: leave, a "no", or, where the call has to wait its turn, a promise of leave. The promise rejects
 * with the refusal's error, or with the scope's reason when the call ends first; then nothing is held.
 */
export type Admission = Permit | Refusal | Promise<Permit>

/**
 * A policy that only decides whether work may begin, and judges how it ended: a `pipeline` runs neighbouring guards
 * in one frame instead of nesting a closure for each.
 */
export interface Guard extends Policy {
  admit(context: CallContext): Admission
  /** Settles the permit by what the work came to. Never throws. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void
}

export function isRefusal(answer: Admission): answer is Refusal {
  return 'refused' in answer
}

/** Whether the call has to wait its turn. Any thenable, since a guard may be a user's. */
export function isWaiting(answer: Admission): answer is Promise<Permit> {
  return typeof (answer as Partial<Promise<Permit>>).then === 'function'
}

/**
 * Asks a guard. It may be a user's, so what it answers is looked at before it is believed.
 *
 * @throws what a refusal says; {TypeError} for an answer that is none.
 */
export function admission(guard: Guard, context: CallContext): Permit | Promise<Permit> {
  const answer: Admission = guard.admit(context)
  if (typeof answer !== 'object' || answer === null) {
    throw new TypeError(
      `${guard.info.name}: admit must answer a permit, a refusal or a promise of a permit, got ${show(answer)}`,
    )
  }
  if (isRefusal(answer)) throw answer.error()
  return answer
}

/** Lets a guard judge. What one of a user's throws is told as a process warning, and the permit comes back all the same. */
export function judged(guard: Guard, permit: Permit, outcome: Outcome, context: CallContext): void {
  try {
    guard.judge(permit, outcome, context)
  } catch (error) {
    permit.ignore()
    process.emitWarning(`${guard.info.name}: judge failed: ${describeThrown(error)}`, { type: 'GatelessWarning' })
  }
}

export function isGuard(policy: Policy<unknown>): policy is Guard {
  return typeof (policy as Partial<Guard>).admit === 'function'
}

/** @internal A policy that gives the work a scope of its own, which ends it in time and is disposed of when it is over. */
export interface Limit extends Policy {
  limit(scope: CallScope): CallScope
}

/** @internal A policy that has nothing to do but to take note of a call, until its first try fails. */
export interface Repeat extends Policy {
  begin(scope: CallScope): void
  again<T>(operation: Operation<T>, scope: CallScope, error: unknown): Promise<T>
}

/** @internal One that waits for the work to notice its end is none: the frame races the work against its scope. */
export function isLimit(policy: Policy<unknown>): policy is Limit {
  const { limit, cooperative } = policy as Partial<Limit> & { cooperative?: boolean }
  return typeof limit === 'function' && cooperative !== true
}

/** @internal One that gives each try a limit of its own is none: already the first try needs it. */
export function isRepeat(policy: Policy<unknown>): policy is Repeat {
  const { begin, again, limitsAttempts } = policy as Partial<Repeat> & { limitsAttempts?: boolean }
  return typeof begin === 'function' && typeof again === 'function' && limitsAttempts !== true
}

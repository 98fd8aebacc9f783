import { type Clock, systemClock } from '../time/clock.ts'
import { type CallOptions, CallScope, type Operation } from './context.ts'
import type { Permit, Outcome } from './outcome.ts'
import { type Guard, isGuard, isRefusal, isWaiting, type Policy, type PolicyInfo } from './policy.ts'
import { race } from './race.ts'

/** Several policies as one, outermost first. Neighbouring guards share one frame; the others nest. */
export interface Pipeline<R = never> extends Policy<R> {
  readonly policies: readonly Policy<unknown>[]
  /** Same arguments, same result type, under the pipeline. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T | R>
}

/** Only policies that answer in place of the work (a fallback, a cache) say so; all others add nothing to the type. */
type Answer<P> = P extends { readonly answers: infer R } ? R : never

/**
 * Composes policies: `pipeline(timeout, retry, breaker).execute(work)` runs `timeout(retry(breaker(work)))`.
 *
 * When to use: whenever a call needs more than one policy. Usual order: total timeout, retry, breaker, attempt timeout.
 *
 * @throws {TypeError} for something that is no policy, and for a composition that cannot do what it says (retries
 * around retries; an attempt's timeout longer than the total one), naming both policies.
 */
export function pipeline<P extends readonly Policy<unknown>[]>(...policies: P): Pipeline<Answer<P[number]>> {
  type R = Answer<P[number]>
  for (const [index, policy] of policies.entries()) {
    if (typeof (policy as Partial<Policy> | undefined)?.execute !== 'function' || policy.info === undefined) {
      throw new TypeError(`pipeline: argument ${index} is no policy (it needs info and execute)`)
    }
  }
  checkOrder(policies.map((policy) => policy.info))
  const run = policies.length === 0 ? undefined : compose(fuse(policies))
  const info = summary(policies.map((policy) => policy.info))

  async function execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | R> {
    const scope = CallScope.enter(options, CLOCK)
    const work: Operation<T> =
      scope !== options && scope.interruptible ? (context) => race(context as CallScope, operation) : operation
    try {
      return (await (run === undefined ? work(scope) : run(work, scope))) as T | R
    } finally {
      if (scope !== options) scope.dispose()
    }
  }

  return {
    info,
    policies,
    execute,
    wrap:
      (work) =>
      (...args) =>
        execute(() => work(...args)),
  }
}

/** A pipeline has no clock of its own; the deadline of a call that it starts itself is measured by the system's. */
const CLOCK: Clock = systemClock

type Stage = (operation: Operation<unknown>, scope: CallScope) => Promise<unknown>

/** Neighbouring guards become one stage, everything else a stage of its own. */
function fuse(policies: readonly Policy<unknown>[]): Stage[] {
  const stages: Stage[] = []
  let guards: Guard[] = []
  const flush = (): void => {
    if (guards.length > 0) stages.push(guardStage(guards))
    guards = []
  }
  for (const policy of policies) {
    if (isGuard(policy)) guards.push(policy)
    else {
      flush()
      stages.push((operation, scope) => policy.execute(operation, scope))
    }
  }
  flush()
  return stages
}

function compose(stages: readonly Stage[]): Stage {
  return stages.reduceRight((inner, outer) => (operation, scope) => {
    return outer((context) => inner(operation, context as CallScope), scope)
  })
}

/** Asks every guard in turn, runs the work, and lets each judge what came of it. */
function guardStage(guards: readonly Guard[]): Stage {
  return async (operation, scope) => {
    const permits: Permit[] = []
    try {
      for (const guard of guards) {
        const answer = guard.admit(scope)
        if (isRefusal(answer)) throw answer.error()
        permits.push(isWaiting(answer) ? await answer : answer)
      }
    } catch (refusal) {
      // Those further out let it in for nothing; that a guard further in refused is not the remote's doing.
      for (const permit of permits) permit.ignore()
      throw refusal
    }
    let outcome: Outcome
    try {
      // Raced here and not only around all: permits are held, and have to come back when the scope is ended.
      outcome = { ok: true, value: await (scope.interruptible ? race(scope, operation) : operation(scope)) }
    } catch (error) {
      outcome = { ok: false, error }
    }
    for (let i = guards.length - 1; i >= 0; i -= 1) (guards[i] as Guard).judge(permits[i] as Permit, outcome, scope)
    if (outcome.ok) return outcome.value
    throw outcome.error
  }
}

/** What a pipeline around this one has to know: how often it may run the work, and what limits all of it together. */
function summary(infos: readonly PolicyInfo[]): PolicyInfo {
  const attempts = infos.reduce((product, { maxAttempts = 1 }) => product * maxAttempts, 1)
  const firstRetry = infos.findIndex(({ maxAttempts = 1 }) => maxAttempts > 1)
  const around = firstRetry < 0 ? infos : infos.slice(0, firstRetry)
  return {
    kind: 'pipeline',
    name: infos.map(({ name }) => name).join(' > '),
    timeoutMs: around.find(({ timeoutMs }) => timeoutMs !== undefined)?.timeoutMs,
    maxAttempts: attempts > 1 ? attempts : undefined,
  }
}

function checkOrder(infos: readonly PolicyInfo[]): void {
  for (const [outerIndex, outer] of infos.entries()) {
    for (const inner of infos.slice(outerIndex + 1)) {
      const times = (outer.maxAttempts ?? 1) * (inner.maxAttempts ?? 1)
      if (times > Math.max(outer.maxAttempts ?? 1, inner.maxAttempts ?? 1)) {
        throw new TypeError(
          `pipeline: ${outer.name} retries around ${inner.name}: up to ${times} attempts for one call`,
        )
      }
      if (outer.timeoutMs !== undefined && inner.timeoutMs !== undefined && inner.timeoutMs >= outer.timeoutMs) {
        throw new TypeError(
          `pipeline: ${inner.name} (${inner.timeoutMs} ms) stands inside ${outer.name} (${outer.timeoutMs} ms) and can never fire first`,
        )
      }
    }
  }
}

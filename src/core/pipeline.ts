import { type Clock, systemClock } from '../time/clock.ts'
import { checkComposition, infosOf } from './composition.ts'
import { type CallOptions, CallScope, type Operation } from './context.ts'
import { describe } from './describe.ts'
import { toRun } from './frame.ts'
import { show } from './options.ts'
import type { Policy, PolicyInfo } from './policy.ts'
import { race } from './race.ts'

/** Several policies as one, outermost first. Neighbouring guards share one frame; the others nest. */
export interface Pipeline<R = never> extends Policy<R> {
  readonly policies: readonly Policy<unknown>[]
  /** What works, but will surprise in an outage; given as process warnings (type `GatelessWarning`) when it is made. */
  readonly warnings: readonly string[]
  /** The composition in plain words, with the worst that one call may cost. */
  describe(): string
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
 * around retries; an attempt's timeout longer than the total one), naming both policies. What is only doubtful is given as
 * a process warning and kept in `warnings`.
 */
export function pipeline<P extends readonly Policy<unknown>[]>(...policies: P): Pipeline<Answer<P[number]>> {
  type R = Answer<P[number]>
  for (const [index, policy] of policies.entries()) {
    if (typeof (policy as Partial<Policy> | undefined)?.execute !== 'function' || policy.info === undefined) {
      throw new TypeError(`pipeline: argument ${index} is no policy (it needs info and execute)`)
    }
  }
  for (const warning of checkComposition(policies)) {
    process.emitWarning(`pipeline: ${warning}`, { type: 'GatelessWarning' })
  }
  const { run, races } = toRun(policies)

  function execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | R> {
    if (typeof operation !== 'function') return Promise.reject(notAFunction(operation))
    if (options === undefined) return run(operation, CallScope.idle) as Promise<T | R>
    return within(operation, options)
  }

  async function within<T>(operation: Operation<T>, options: CallOptions): Promise<T | R> {
    const scope = CallScope.enter(options, CLOCK)
    const watched = !races && scope !== options && scope.interruptible
    // Against the call's own end: a limit further in may have chosen to wait for the work.
    // And only for a run of this call's own: one that it shares with others must not end with it.
    const watch: Operation<T> = (context) =>
      (context as CallScope).isWithin(scope) ? race(scope, () => operation(context)) : operation(context)
    const work = watched ? watch : operation
    try {
      return (await run(work, scope)) as T | R
    } finally {
      if (scope !== options) scope.dispose()
    }
  }

  // Read anew each time: policies can be configured while they are in use.
  return {
    get info() {
      return summary(policies.map((policy) => policy.info))
    },
    get warnings() {
      return doubts(policies)
    },
    policies,
    execute,
    describe: () => describe(infosOf(policies), doubts(policies)),
    wrap:
      (work) =>
      (...args) =>
        execute(() => work(...args)),
  }
}

/** What is doubtful about the policies as they are now; what became impossible since the pipeline was made comes first. */
function doubts(policies: readonly Policy<unknown>[]): readonly string[] {
  try {
    return checkComposition(policies)
  } catch (error) {
    return [(error as Error).message.replace('pipeline: ', '')]
  }
}

function notAFunction(operation: unknown): TypeError {
  return new TypeError(`pipeline: the work must be a function, got ${show(operation)}`)
}

/** A pipeline has no clock of its own; the deadline of a call that it starts itself is measured by the system's. */
const CLOCK: Clock = systemClock

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

import type { Policy, PolicyInfo } from './policy.ts'

/**
 * What is wrong with a composition, read from `info` alone. What can never do what it says is an error; what works but
 * will surprise in an outage is a warning: the caller may have his reasons.
 */

/** The policies' infos, outermost first, with those of nested pipelines in their place. */
export function infosOf(policies: readonly Policy<unknown>[]): PolicyInfo[] {
  return policies.flatMap((policy) => {
    const { policies: inner } = policy as { policies?: readonly Policy<unknown>[] }
    return policy.info.kind === 'pipeline' && Array.isArray(inner) ? infosOf(inner) : [policy.info]
  })
}

/** Throws for a contradiction; returns what is only doubtful, a sentence each. @throws {TypeError} naming the policies. */
export function checkComposition(policies: readonly Policy<unknown>[]): readonly string[] {
  const twice = policies.find((policy, index) => policies.indexOf(policy) !== index)
  // A bulkhead would wait for itself, a breaker count everything twice.
  if (twice !== undefined) throw new TypeError(`pipeline: ${twice.info.name} stands in it twice`)
  return checkInfos(infosOf(policies))
}

/** @internal The same from what the policies say of themselves. */
export function checkInfos(infos: readonly PolicyInfo[]): readonly string[] {
  const warnings: string[] = []
  for (const [index, outer] of infos.entries()) {
    const inside = infos.slice(index + 1)
    for (const inner of inside) {
      const contradiction = CONTRADICTIONS.map((rule) => rule(outer, inner)).find((text) => text !== undefined)
      if (contradiction !== undefined) throw new TypeError(`pipeline: ${contradiction}`)
      for (const rule of DOUBTS) {
        const doubt = rule(outer, inner)
        if (doubt !== undefined) warnings.push(doubt)
      }
    }
    const tight = cannotFit(outer, inside)
    if (tight !== undefined) warnings.push(tight)
  }
  return warnings
}

/** Looks at one policy inside another, wherever between others; a sentence if they do not go together. */
type Rule = (outer: PolicyInfo, inner: PolicyInfo) => string | undefined

const CONTRADICTIONS: readonly Rule[] = [
  (outer, inner) => {
    const { maxAttempts: around = 1 } = outer
    const { maxAttempts: within = 1 } = inner
    if (around === 1 || within === 1) return undefined
    return `${outer.name} retries around ${inner.name}: up to ${around * within} attempts for one call`
  },
  ({ name, timeoutMs: around }, inner) => {
    const { timeoutMs: within } = inner
    if (around === undefined || within === undefined || within < around) return undefined
    return `${inner.name} (${within} ms) stands inside ${name} (${around} ms) and can never fire first`
  },
]

/** Who judges or repeats by failures. */
const LIVES_ON_FAILURES: readonly string[] = ['breaker', 'retry', 'hedge', 'throttle']

const DOUBTS: readonly Rule[] = [
  (outer, inner) =>
    LIVES_ON_FAILURES.includes(outer.kind) && inner.hidesFailures === true
      ? `${inner.name} stands inside ${outer.name} and answers in place of failures that ${outer.name} should see`
      : undefined,
  // Twice: Microsoft.Extensions.Http.Resilience refuses a sampling duration below two attempt timeouts.
  (outer, inner) =>
    outer.kind === 'breaker' && outer.windowMs !== undefined && outer.windowMs < 2 * (inner.timeoutMs ?? 0)
      ? `${outer.name} looks back ${outer.windowMs} ms, less than two calls of ${inner.name} may take (${inner.timeoutMs} ms each): ` +
        'while calls hang it forgets them faster than they end'
      : undefined,
]

/** More attempts than the time around them can hold: the last ones are cut short, or never made. */
function cannotFit(outer: PolicyInfo, inside: readonly PolicyInfo[]): string | undefined {
  const { timeoutMs: total } = outer
  const repeat = inside.findIndex(({ maxAttempts = 1 }) => maxAttempts > 1)
  // A limit between is the one that the attempts have to fit into.
  if (total === undefined || repeat < 0 || inside.slice(0, repeat).some((each) => each.timeoutMs !== undefined)) {
    return undefined
  }
  const { name, maxAttempts = 1 } = inside[repeat] as PolicyInfo
  const limit = inside.slice(repeat).find((each) => each.timeoutMs !== undefined)?.timeoutMs
  if (limit === undefined || maxAttempts * limit <= total) return undefined
  return (
    `${name} may need ${maxAttempts} × ${limit} ms, and ${outer.name} gives ${total} ms for all of them: ` +
    'when everything hangs, the last attempts are cut short'
  )
}

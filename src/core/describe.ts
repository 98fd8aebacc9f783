import type { PolicyInfo } from './policy.ts'

/** A composition in plain words: for a log line at the start of a service, and for whoever has to explain an outage. */
export function describe(infos: readonly PolicyInfo[], warnings: readonly string[]): string {
  const lines = infos.map(({ name, kind, summary }, depth) => {
    const named = name === kind ? name : `${name} (${kind})`
    return `${indent(depth)}${named}${summary === undefined ? '' : `: ${summary}`}`
  })
  lines.push(`${indent(infos.length)}the work`, worst(infos), ...warnings.map((warning) => `Beware: ${warning}.`))
  return lines.join('\n')
}

function indent(depth: number): string {
  return '  '.repeat(depth)
}

/** What one call may cost when nothing works. */
function worst(infos: readonly PolicyInfo[]): string {
  const attempts = infos.reduce((product, { maxAttempts = 1 }) => product * maxAttempts, 1)
  const limits = infos.flatMap(({ timeoutMs }) => timeoutMs ?? [])
  // Outside of the first repeat: a limit further in is for each try.
  const repeat = infos.findIndex(({ maxAttempts = 1 }) => maxAttempts > 1)
  const total = (repeat < 0 ? infos : infos.slice(0, repeat)).find(
    ({ timeoutMs }) => timeoutMs !== undefined,
  )?.timeoutMs
  const runs = attempts === 1 ? 'runs the work once' : `runs the work up to ${attempts} times`
  if (total !== undefined) return `One call ${runs}, and ends within ${total} ms.`
  const why = limits.length === 0 ? 'nothing limits' : 'only single tries have a limit on'
  return `One call ${runs}; ${why} how long it takes.`
}

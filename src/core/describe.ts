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
  const runs = attempts === 1 ? 'runs the work once' : `runs the work up to ${attempts} times`
  const [outermost] = infos
  // Only the outermost limits all of it: a queue or a fallback around a limit takes its own time, and a retry's is for each try.
  if (outermost?.timeoutMs !== undefined && (outermost.maxAttempts ?? 1) === 1 && outermost.cooperative !== true) {
    return `One call ${runs}, and ends within ${outermost.timeoutMs} ms.`
  }
  const limited = infos.some(({ timeoutMs }) => timeoutMs !== undefined)
  return `One call ${runs}; ${limited ? 'only parts of it have a limit on' : 'nothing limits'} how long it takes.`
}

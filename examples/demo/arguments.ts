import { DEFAULT_SECONDS, MIN_SECONDS } from './scene.ts'

/** The command line of the demo. */

export interface Arguments {
  readonly seconds: number
  readonly json: boolean
  readonly help: boolean
}

export const HELP = `Usage: npm run demo [-- options]

The same load and the same faults for two callers: plain undici, and gateless. Every service, the registry and both
callers are processes of their own; the faults are real.

  --seconds N  length of the load, from ${MIN_SECONDS} to 3600; the fault script is scaled to it (default ${DEFAULT_SECONDS})
  --json       print one JSON object and nothing else:
               { "lanes": { "plain": {…}, "gateless": { "calls", "successes", "successRate" (0 to 1), "p50Ms", "p99Ms",
                 "maxMs", "attemptsPerCall" } }, "timeline": [{ "atMs", "source", "text" }], "leftovers": 0 }
  --help       print this

Latencies are measured from the scheduled arrival of a call, over all calls, failed ones included.
Exit code: 0 when gateless held its bars, 1 when not, 2 for wrong arguments.
`

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): Arguments {
  let seconds = DEFAULT_SECONDS
  let json = false
  let help = false
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--json') json = true
    else if (arg === '--help' || arg === '-h') help = true
    else if (arg === '--seconds') seconds = parseSeconds(rest.shift())
    else if (arg.startsWith('--seconds=')) seconds = parseSeconds(arg.slice('--seconds='.length))
    else throw new UsageError(`unknown argument '${arg}'`)
  }
  return { seconds, json, help }
}

function parseSeconds(text = ''): number {
  // Digits only: Number() would take '', '0x20' and '2e1' too.
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= MIN_SECONDS && seconds <= 3_600) return seconds
  throw new UsageError(`--seconds must be an integer from ${MIN_SECONDS} to 3600, got '${text}'`)
}

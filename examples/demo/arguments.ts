import { DEFAULT_SECONDS, MIN_SECONDS } from './scene.ts'

/** The command line of the demo. */

export interface Arguments {
  readonly seconds: number
  readonly json: boolean
  /** Lines, also where a live view would be possible. */
  readonly plain: boolean
  /** Where the HTML report goes; undefined for none. */
  readonly report: string | undefined
  readonly help: boolean
}

export const DEFAULT_REPORT = 'demo-report.html'

export const HELP = `Usage: npm run demo [-- options]

The same load and the same faults for two callers: plain undici, and gateless. Every service, the registry and both
callers are processes of their own; the faults are real. In a terminal the run is drawn as it happens.

  --seconds N  length of the load, from ${MIN_SECONDS} to 3600; the fault script is scaled to it (default ${DEFAULT_SECONDS})
  --plain      print lines, also in a terminal
  --report F   write the HTML report to this file (default ${DEFAULT_REPORT}; with --json only when asked for)
  --no-report  write none
  --json       print one JSON object and nothing else:
               { "lanes": { "plain": {…}, "gateless": { "calls", "successes", "successRate" (0 to 1), "p50Ms", "p99Ms",
                 "maxMs", "attemptsPerCall" } }, "timeline": [{ "atMs", "source", "text" }], "leftovers": 0 }
  --help       print this

Latencies are measured from the scheduled arrival of a call, over all calls, failed ones included.
Exit code: 0 when gateless held its bars, 1 when not (or the report could not be written), 2 for wrong arguments.
`

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): Arguments {
  let seconds = DEFAULT_SECONDS
  let json = false
  let plain = false
  let report: string | false | undefined
  let help = false
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--json') json = true
    else if (arg === '--plain') plain = true
    else if (arg === '--no-report') report = false
    else if (arg === '--report') report = fileName(rest.shift())
    else if (arg.startsWith('--report=')) report = fileName(arg.slice('--report='.length))
    else if (arg === '--help' || arg === '-h') help = true
    else if (arg === '--seconds') seconds = parseSeconds(rest.shift())
    else if (arg.startsWith('--seconds=')) seconds = parseSeconds(arg.slice('--seconds='.length))
    else throw new UsageError(`unknown argument '${arg}'`)
  }
  // Who wants JSON is a program: it gets no file that it did not ask for.
  report ??= json ? false : DEFAULT_REPORT
  return { seconds, json, plain, report: report === false ? undefined : report, help }
}

function fileName(text = ''): string {
  // `--report --json` is somebody who forgot the name.
  if (text !== '' && !text.startsWith('-')) return text
  throw new UsageError(`--report must be followed by a file name, got '${text}'`)
}

function parseSeconds(text = ''): number {
  // Digits only: Number() would take '', '0x20' and '2e1' too.
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= MIN_SECONDS && seconds <= 3_600) return seconds
  throw new UsageError(`--seconds must be an integer from ${MIN_SECONDS} to 3600, got '${text}'`)
}

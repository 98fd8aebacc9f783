import { type Arguments, HELP, parseArguments, UsageError } from './arguments.ts'
import { LiveView } from './live/live-view.ts'
import type { RunRecord } from './measurements.ts'
import { decisionLine, laneTable, lostCallLine } from './print.ts'
import { writeReport } from './report/write.ts'
import { DemoRun, type RunListener } from './run.ts'
import { LANE_NAMES, RATE } from './scene.ts'
import { missedBars, summarize } from './verdict.ts'

/** `npm run demo`: one run, shown live, as text or as JSON, and kept as a report. */

/** What shells expect of a program that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const LOST_CALLS_SHOWN = 20

async function main(): Promise<number> {
  const args = readArguments()
  if (args === undefined) return 2
  if (args.help) {
    print(HELP)
    return 0
  }
  const view = viewFor(args)
  const run = new DemoRun(args.seconds, view)
  let interrupted = 0
  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    process.once(signal, () => {
      interrupted = code
      run.stop(new Error(`ended by ${signal}`))
    })
  }
  try {
    const record = await run.run()
    view.close()
    const held = show(record, args)
    const written = report(record, args)
    return held && written ? 0 : 1
  } catch (error) {
    view.close()
    process.stderr.write(`demo: ${interrupted > 0 ? (error as Error).message : (error as Error).stack}\n`)
    return interrupted || 1
  }
}

/** Who watches the run: somebody in front of a terminal, somebody who reads lines, or a program that waits for the end. */
function viewFor({ seconds, json, plain }: Arguments): RunListener & { close(): void } {
  const close = (): void => {}
  if (json) return { close }
  if (!plain && process.stdout.isTTY && process.env['TERM'] !== 'dumb') return new LiveView(seconds, process.stdout)
  print(`${RATE} calls per second in each lane for ${seconds} s; starting the fleet …\n`)
  return { decision: (decision) => print(decisionLine(decision)), close }
}

function readArguments(): Arguments | undefined {
  try {
    return parseArguments(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`demo: ${error.message}\n\n${HELP}`)
    return undefined
  }
}

/** Says whether all bars were held. */
function show(record: RunRecord, { json }: Arguments): boolean {
  const summary = summarize(record)
  const missed = missedBars(summary)
  if (json) {
    print(JSON.stringify(summary))
    // On the other stream: the JSON stays alone.
    for (const each of missed) process.stderr.write(`demo: missed: ${each}\n`)
    return missed.length === 0
  }
  const { lost } = record.lanes.gateless
  if (lost.length > 0) {
    print(['\ncalls that gateless lost:', ...lost.slice(0, LOST_CALLS_SHOWN).map(lostCallLine)].join('\n'))
  }
  print(`\n${laneTable(summary)}\n`)
  const delays = LANE_NAMES.map((lane) => `${lane} ${record.lanes[lane].worstStartDelayMs.toFixed(0)} ms`)
  print(`The latest a call was sent after its arrival (it counts, and is this machine's doing): ${delays.join(', ')}.`)
  print(missed.length === 0 ? 'gateless held its bars, and nothing was left running.' : `MISSED: ${missed.join('; ')}`)
  return missed.length === 0
}

/** Says whether there is now a report where one was wanted. */
function report(record: RunRecord, { report: file, json }: Arguments): boolean {
  if (file === undefined) return true
  try {
    writeReport(file, record)
  } catch (error) {
    process.stderr.write(`demo: no report: ${(error as Error).message}\n`)
    return false
  }
  if (!json) print(`The report, to open in a browser: ${file}`)
  return true
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exitCode = await main()

import { type Arguments, HELP, parseArguments, UsageError } from './arguments.ts'
import type { RunRecord } from './measurements.ts'
import { decisionLine, laneTable, lostCallLine } from './print.ts'
import { DemoRun } from './run.ts'
import { LANE_NAMES, RATE } from './scene.ts'
import { missedBars, summarize } from './verdict.ts'

/** `npm run demo`: one run, shown as text or as JSON. */

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
  if (!args.json) print(`${RATE} calls per second in each lane for ${args.seconds} s; starting the fleet …\n`)
  const run = new DemoRun(args.seconds, args.json ? {} : { decision: (decision) => print(decisionLine(decision)) })
  let interrupted = 0
  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    process.once(signal, () => {
      interrupted = code
      run.stop(new Error(`ended by ${signal}`))
    })
  }
  try {
    return show(await run.run(), args)
  } catch (error) {
    process.stderr.write(`demo: ${interrupted > 0 ? (error as Error).message : (error as Error).stack}\n`)
    return interrupted || 1
  }
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

function show(record: RunRecord, { json }: Arguments): number {
  const summary = summarize(record)
  const missed = missedBars(summary)
  if (json) {
    print(JSON.stringify(summary))
    // On the other stream: the JSON stays alone.
    for (const each of missed) process.stderr.write(`demo: missed: ${each}\n`)
  } else {
    const { lost } = record.lanes.gateless
    if (lost.length > 0)
      print(['\ncalls that gateless lost:', ...lost.slice(0, LOST_CALLS_SHOWN).map(lostCallLine)].join('\n'))
    print(`\n${laneTable(summary)}\n`)
    const delays = LANE_NAMES.map((lane) => `${lane} ${record.lanes[lane].worstStartDelayMs.toFixed(0)} ms`)
    print(
      `The latest a call was sent after its arrival (it counts, and is this machine's doing): ${delays.join(', ')}.`,
    )
    print(
      missed.length === 0 ? 'gateless held its bars, and nothing was left running.' : `MISSED: ${missed.join('; ')}`,
    )
  }
  return missed.length === 0 ? 0 : 1
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exitCode = await main()

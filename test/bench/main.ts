import { parseArgs } from 'node:util'
import { type BenchOptions, compare, type Contender, rowTable } from './harness.ts'
import { httpBench } from './http.ts'
import { importBench, importTable } from './imports.ts'
import { inFlightBench, type InFlightOptions, inFlightTable } from './in-flight.ts'
import { pickContenders } from './picks.ts'
import { failureContenders, rejectionContenders } from './rejection.ts'
import { successContenders } from './success.ts'

/** `npm run bench`, `npm run bench -- --only NAME`, `npm run bench -- --json`. Nothing else should run meanwhile. */

interface Suite {
  readonly name: string
  readonly title: string
  run(): Promise<{ readonly rows: readonly unknown[]; readonly text: string }>
}

const CPU: BenchOptions = { rounds: 25, sliceMs: 40 }
const HTTP: BenchOptions = { rounds: 25, sliceMs: 200 }
const IN_FLIGHT: InFlightOptions = { calls: 10_000, rounds: 8 }
const IMPORT_ROUNDS = 9

/** A table of contenders that take turns. */
function versus(name: string, title: string, make: () => Contender[]): Suite {
  return {
    name,
    title,
    run: async () => {
      const rows = await compare(make(), CPU)
      return { rows, text: rowTable(rows, 'ns') }
    },
  }
}

const suites: readonly Suite[] = [
  versus('success', 'A successful call of `async () => 1`', successContenders),
  versus('rejection', 'A call refused by an open circuit', rejectionContenders),
  versus('failure', 'A failing call, the circuit stays closed', failureContenders),
  ...[3, 10, 100, 1_000].map((size) =>
    versus(`pick-${size}`, `A pick among ${size} instances, and its return`, () => pickContenders(size)),
  ),
  {
    name: 'in-flight',
    title: `${IN_FLIGHT.calls} calls in flight at once`,
    run: async () => {
      const rows = await inFlightBench(IN_FLIGHT)
      return { rows, text: inFlightTable(rows) }
    },
  },
  {
    name: 'import',
    title: 'Import and bundle',
    run: async () => {
      const rows = await importBench(IMPORT_ROUNDS)
      return { rows, text: importTable(rows) }
    },
  },
  ...[1, 64, 256].map(
    (concurrency): Suite => ({
      name: `http-${concurrency}`,
      title: `HTTP over loopback, ${concurrency} at once`,
      run: async () => {
        const { contenders, close } = await httpBench(concurrency)
        const rows = await compare(contenders, HTTP)
        await close()
        return { rows, text: rowTable(rows, 'µs') }
      },
    }),
  ),
]

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, json: { type: 'boolean', default: false } },
})
const wanted = values.only ?? suites.map((suite) => suite.name)
const chosen = suites.filter((suite) => wanted.some((name) => suite.name === name || suite.name.startsWith(`${name}-`)))
if (chosen.length === 0) {
  console.error(`nothing is named ${wanted.join(', ')}; there are ${suites.map((suite) => suite.name).join(', ')}`)
  process.exit(2)
}

const results: Record<string, readonly unknown[]> = {}
for (const suite of chosen) {
  const { rows, text } = await suite.run()
  results[suite.name] = rows
  if (!values.json) console.log(`\n## ${suite.title} (--only ${suite.name})\n\n${text}`)
}
if (values.json) console.log(JSON.stringify({ node: process.version, results }, undefined, 2))
// opossum and mollitia keep timers of their own.
process.exit(0)

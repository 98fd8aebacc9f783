import { parseArgs } from 'node:util'
import { type BenchOptions, compare, type Contender, type Row, table } from './harness.ts'
import { httpBench } from './http.ts'
import { pickContenders } from './picks.ts'
import { failureContenders, rejectionContenders } from './rejection.ts'
import { successContenders } from './success.ts'

/** `npm run bench`, `npm run bench -- --only NAME`, `npm run bench -- --json`. Nothing else should run meanwhile. */

interface Suite {
  readonly name: string
  readonly title: string
  readonly unit: 'ns' | 'µs'
  readonly options: BenchOptions
  make():
    | { contenders: Contender[]; close?: () => Promise<void> }
    | Promise<{ contenders: Contender[]; close?: () => Promise<void> }>
}

const CPU: BenchOptions = { rounds: 25, sliceMs: 40 }
const HTTP: BenchOptions = { rounds: 25, sliceMs: 200 }

const suites: readonly Suite[] = [
  {
    name: 'success',
    title: 'A successful call of `async () => 1`',
    unit: 'ns',
    options: CPU,
    make: () => ({ contenders: successContenders() }),
  },
  {
    name: 'rejection',
    title: 'A call refused by an open circuit',
    unit: 'ns',
    options: CPU,
    make: () => ({ contenders: rejectionContenders() }),
  },
  {
    name: 'failure',
    title: 'A failing call, the circuit stays closed',
    unit: 'ns',
    options: CPU,
    make: () => ({ contenders: failureContenders() }),
  },
  ...[3, 10, 100, 1_000].map(
    (size): Suite => ({
      name: `pick-${size}`,
      title: `A pick among ${size} instances, and its return`,
      unit: 'ns',
      options: CPU,
      make: () => ({ contenders: pickContenders(size) }),
    }),
  ),
  ...[1, 64, 256].map(
    (concurrency): Suite => ({
      name: `http-${concurrency}`,
      title: `HTTP over loopback, ${concurrency} at once`,
      unit: 'µs',
      options: HTTP,
      make: () => httpBench(concurrency),
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

const results: Record<string, Row[]> = {}
for (const suite of chosen) {
  const { contenders, close } = await suite.make()
  const rows = await compare(contenders, suite.options)
  await close?.()
  results[suite.name] = rows
  if (!values.json) console.log(`\n## ${suite.title} (--only ${suite.name})\n\n${table(rows, suite.unit)}`)
}
if (values.json) console.log(JSON.stringify({ node: process.version, results }, undefined, 2))
// opossum and mollitia keep timers of their own.
process.exit(0)

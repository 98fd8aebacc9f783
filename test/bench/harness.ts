import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { table } from './table.ts'

/**
 * Measures contenders against each other in one run. All take turns in short slices, many rounds, in an order that is
 * shuffled each round: whatever else the machine does then hits all of them alike. Medians and ratios are what counts;
 * the first contender is the base, and it runs twice (A/A) so that the second one's ratio shows the noise.
 *
 * The heap is collected before the samples of what a call allocates, and not between slices: a collection at a moment
 * when no call is in flight lets the shapes of all objects of a call die, and V8 throws away the code it had optimised
 * for them ("embedded weak objects cleared", thousands of times in a run). Then slices would measure the compiler.
 */

export interface Contender {
  readonly name: string
  /** Does the work `times` times, and resolves when all of it is done. */
  run(times: number): Promise<void> | void
}

export interface Row {
  readonly name: string
  /** Wall-clock nanoseconds per call. */
  readonly nsMedian: number
  readonly nsMin: number
  readonly nsMax: number
  /** CPU nanoseconds per call of the whole process, with the collector's threads. */
  readonly cpuNsMedian: number
  /** Heap bytes allocated per call. */
  readonly bytes: number
  /** Median of the differences to the base in the same round, nanoseconds. */
  readonly overNs: number
  /** Median of the ratios to the base in the same round. */
  readonly ratio: number
}

export interface BenchOptions {
  readonly rounds: number
  readonly sliceMs: number
}

setFlagsFromString('--expose-gc')
export const collect = runInNewContext('gc') as () => void

interface Sample {
  readonly ns: number
  readonly cpuNs: number
}

/** Runs the contenders and returns a row each, the base first and its twin second. */
export async function compare(contenders: readonly Contender[], options: BenchOptions): Promise<Row[]> {
  const base = contenders[0] as Contender
  const all: readonly Contender[] = [
    base,
    { ...base, name: `${base.name} (again)`, run: (n) => base.run(n) },
    ...contenders.slice(1),
  ]
  const times = new Map<Contender, number>()
  const samples = new Map<Contender, Sample[]>()
  const bytes = new Map<Contender, number>()
  for (const contender of all) {
    times.set(contender, await calibrate(contender, options.sliceMs))
    bytes.set(contender, await allocation(contender))
    samples.set(contender, [])
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (const contender of shuffled(all)) {
      samples.get(contender)?.push(await slice(contender, times.get(contender) as number))
    }
  }
  const baseSamples = samples.get(base) as Sample[]
  return all.map((contender) => {
    const own = samples.get(contender) as Sample[]
    const ns = own.map((sample) => sample.ns)
    return {
      name: contender.name,
      nsMedian: median(ns),
      nsMin: Math.min(...ns),
      nsMax: Math.max(...ns),
      cpuNsMedian: median(own.map((sample) => sample.cpuNs)),
      bytes: bytes.get(contender) as number,
      overNs: median(own.map((sample, round) => sample.ns - (baseSamples[round] as Sample).ns)),
      ratio: median(own.map((sample, round) => sample.ns / (baseSamples[round] as Sample).ns)),
    }
  })
}

async function slice(contender: Contender, times: number): Promise<Sample> {
  const cpu = process.cpuUsage()
  const began = process.hrtime.bigint()
  await contender.run(times)
  const wall = Number(process.hrtime.bigint() - began)
  const used = process.cpuUsage(cpu)
  return { ns: wall / times, cpuNs: ((used.user + used.system) * 1_000) / times }
}

/** Warms the contender up and finds how many calls fill a slice. */
async function calibrate(contender: Contender, sliceMs: number): Promise<number> {
  let times = 50
  for (;;) {
    const { ns } = await slice(contender, times)
    if (ns * times >= sliceMs * 1e6 * 0.7) return Math.max(1, Math.round((sliceMs * 1e6) / ns))
    times = Math.min(times * 4, Math.max(times * 2, Math.ceil((sliceMs * 1e6) / ns)))
  }
}

/** What a call allocates, from the growth of the heap over a stretch too short for a collection. */
async function allocation(contender: Contender): Promise<number> {
  const grown: number[] = []
  for (let i = 0; i < 7; i += 1) {
    collect()
    const before = process.memoryUsage().heapUsed
    await contender.run(500)
    grown.push((process.memoryUsage().heapUsed - before) / 500)
  }
  return Math.max(0, median(grown))
}

export function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    const moved = copy[i] as T
    copy[i] = copy[j] as T
    copy[j] = moved
  }
  return copy
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** The rows as a Markdown table. */
export function rowTable(rows: readonly Row[], unit: 'ns' | 'µs'): string {
  const scale = unit === 'µs' ? 1_000 : 1
  const number = (value: number): string => (value / scale).toFixed(unit === 'µs' ? 2 : 0)
  return table(
    ['contender', `${unit}/call`, 'min', 'max', `CPU ${unit}/call`, `over base`, '× base', 'bytes/call'],
    rows.map((row) => [
      row.name,
      number(row.nsMedian),
      number(row.nsMin),
      number(row.nsMax),
      number(row.cpuNsMedian),
      number(row.overNs),
      row.ratio.toFixed(2),
      row.bytes.toFixed(0),
    ]),
  )
}

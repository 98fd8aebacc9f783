import { execFileSync } from 'node:child_process'
import { builtinModules } from 'node:module'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { median } from './harness.ts'
import { table } from './table.ts'

/** What it costs to have a package at all: the time and memory of its first import, and its weight in a bundle. */

export interface ImportRow {
  readonly name: string
  /** Milliseconds until the import is there, in a fresh process. */
  readonly ms: number
  readonly cpuMs: number
  /** Megabytes of resident memory over a process that imports nothing. */
  readonly rssMb: number
  /** Kibibytes of a minified bundle with all it depends on, less undici. */
  readonly minKib: number
  readonly gzipKib: number
}

interface Entry {
  readonly name: string
  /** The module whose first import is timed. */
  readonly module: string
  /** What a bundle takes of it. */
  readonly take: string
}

const whole = (module: string): Entry => ({ name: module, module, take: '*' })

const ENTRIES: readonly Entry[] = [
  { name: 'gateless/breaker { CircuitBreaker }', module: 'gateless/breaker', take: '{ CircuitBreaker }' },
  whole('gateless/breaker'),
  whole('gateless/retry'),
  whole('gateless/limits'),
  whole('gateless/balancing'),
  whole('gateless/client'),
  whole('gateless'),
  {
    name: 'cockatiel { circuitBreaker, ConsecutiveBreaker, handleAll }',
    module: 'cockatiel',
    take: '{ circuitBreaker, ConsecutiveBreaker, handleAll }',
  },
  whole('cockatiel'),
  whole('opossum'),
  whole('mollitia'),
  whole('p-retry'),
  whole('undici'),
]

export async function importBench(rounds: number): Promise<ImportRow[]> {
  const empty = Array.from({ length: rounds }, () => firstImport(undefined))
  const emptyMb = median(empty.map(({ rssMb }) => rssMb))
  const rows: ImportRow[] = []
  for (const { name, module, take } of ENTRIES) {
    const runs = Array.from({ length: rounds }, () => firstImport(module))
    rows.push({
      name,
      ms: median(runs.map(({ ms }) => ms)),
      cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
      rssMb: median(runs.map(({ rssMb }) => rssMb)) - emptyMb,
      ...(await weight(module, take)),
    })
  }
  return rows
}

interface FirstImport {
  readonly ms: number
  readonly cpuMs: number
  readonly rssMb: number
}

function firstImport(module: string | undefined): FirstImport {
  const script = `
    const cpu = process.cpuUsage()
    const began = performance.now()
    ${module === undefined ? '' : `await import(${JSON.stringify(module)})`}
    const ms = performance.now() - began
    const { user, system } = process.cpuUsage(cpu)
    console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1e3, rssMb: process.memoryUsage().rss / 2 ** 20 }))
  `
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  return JSON.parse(output) as FirstImport
}

async function weight(module: string, take: string): Promise<Pick<ImportRow, 'minKib' | 'gzipKib'>> {
  const names = take === '*' ? '* as all' : take
  const contents = `import ${names} from '${module}'; export ${take === '*' ? '{ all }' : take}`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
    external: module === 'undici' ? [...builtinModules] : ['undici'],
  })
  const code = outputFiles[0]?.contents ?? new Uint8Array()
  return { minKib: code.length / 1_024, gzipKib: gzipSync(code).length / 1_024 }
}

export function importTable(rows: readonly ImportRow[]): string {
  return table(
    ['import', 'ms', 'CPU ms', 'MB resident', 'KiB minified', 'KiB gzipped'],
    rows.map(({ name, ms, cpuMs, rssMb, minKib, gzipKib }) => [
      name,
      ms.toFixed(1),
      cpuMs.toFixed(1),
      rssMb.toFixed(1),
      minKib.toFixed(1),
      gzipKib.toFixed(1),
    ]),
  )
}

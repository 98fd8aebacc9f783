import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * The rooms of the house and who may enter which: docs/architecture.md draws what is written here. A rule that is broken
 * is reported as `file imports file (why not)`.
 */

const SRC = fileURLToPath(new URL('../src/', import.meta.url))

const GROUND = ['core', 'time', 'stats']

/** Which rooms a room may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ['time'],
  time: ['core'],
  stats: [],
  breaker: GROUND,
  retry: GROUND,
  limits: GROUND,
  answers: GROUND,
  balancing: GROUND,
  discovery: GROUND,
  backends: ['discovery', ...GROUND],
  client: ['breaker', 'retry', 'limits', 'answers', 'balancing', 'discovery', ...GROUND],
  registry: ['backends', ...GROUND],
  inbound: GROUND,
  testing: [
    'breaker',
    'retry',
    'limits',
    'answers',
    'balancing',
    'discovery',
    'backends',
    'client',
    'registry',
    'inbound',
    ...GROUND,
  ],
}

/** Where a permission covers single files and not the whole room. */
const ONLY_FILES: Readonly<Record<string, readonly string[]>> = {
  // Backoffs and deadlines check their options like everything else; nothing more of core is needed to tell time.
  'time → core': ['core/options.ts'],
  // A backend keeps the provider's contract; it does not use the cache above it.
  'backends → discovery': ['discovery/provider.ts', 'discovery/errors.ts'],
  // The registry speaks the wire protocol whose other end is the HTTP backend.
  'registry → backends': ['backends/http/api.ts'],
}

/** Who may import which package, by file prefix. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  undici: ['client/', 'backends/', 'registry/health-checker.ts', 'registry/health-probe.ts'],
  'p-retry': ['retry/'],
  'lru-cache': ['discovery/', 'client/', 'answers/'],
  eventemitter3: ['core/emitter.ts'],
}

interface Import {
  readonly from: string
  /** A file below src/, or a package. */
  readonly to: string
  readonly isFile: boolean
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))

const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(SRC, from), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const found = text.matchAll(
    /^(?:import|export)\b[^'`;=(]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  const specifiers = [...found].map((match) => (match[1] ?? match[2] ?? match[3]) as string)
  return specifiers.map((specifier) => {
    const isFile = specifier.startsWith('.')
    const to = isFile
      ? relative(SRC, normalize(join(SRC, dirname(from), specifier)))
          .split(sep)
          .join('/')
      : specifier
    return { from, to, isFile }
  })
})

const room = (file: string): string => (file.includes('/') ? (file.split('/', 1)[0] as string) : '')
const isFace = (file: string): boolean => /(?:^|\/)index\.ts$/.test(file)

describe('the architecture', () => {
  it('sees the imports it is to judge', () => {
    expect(files.length).toBeGreaterThan(50)
    expect(imports.length).toBeGreaterThan(150)
  })

  it('has only rooms that the rules know', () => {
    const unknown = files.filter((file) => room(file) !== '' && !(room(file) in MAY_IMPORT))
    expect(unknown).toEqual([])
    expect(files.filter((file) => room(file) === '')).toEqual(['index.ts'])
  })

  it('lets a room import only from the rooms it may', () => {
    const broken = imports
      .filter(({ from, to, isFile }) => isFile && room(from) !== '' && room(from) !== room(to))
      .filter(({ from, to }) => {
        const only = ONLY_FILES[`${room(from)} → ${room(to)}`]
        return !MAY_IMPORT[room(from)]?.includes(room(to)) || (only !== undefined && !only.includes(to))
      })
      .map(({ from, to }) => `${from} imports ${to}`)
    expect(broken).toEqual([])
  })

  it('imports no room through its face (index.ts), except the package itself', () => {
    const broken = imports
      .filter(({ from, to, isFile }) => isFile && isFace(to) && from !== 'index.ts')
      .map(({ from, to }) => `${from} imports ${to}`)
    expect(broken).toEqual([])
  })

  it('lets only some files import each package, and no others at all', () => {
    const broken = imports
      .filter(({ to, isFile }) => !isFile && !to.startsWith('node:'))
      .filter(({ from, to }) => !PACKAGES[to]?.some((prefix) => from.startsWith(prefix)))
      .map(({ from, to }) => `${from} imports ${to}`)
    expect(broken).toEqual([])
  })

  it('has no circular imports', () => {
    // Types count: a reader who follows them goes round in circles all the same.
    const edges = new Map<string, string[]>()
    for (const { from, to, isFile } of imports) if (isFile) edges.set(from, [...(edges.get(from) ?? []), to])
    const cycles: string[] = []
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file)
      if (at >= 0) cycles.push([...path.slice(at), file].join(' → '))
      if (at >= 0 || done.has(file)) return
      for (const next of edges.get(file) ?? []) visit(next, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('keeps every file to one concept: none is longer than 400 lines', () => {
    const long = files
      .map((file) => [file, readFileSync(join(SRC, file), 'utf8').split('\n').length] as const)
      .filter(([, lines]) => lines > 400)
    expect(long).toEqual([])
  })

  it('has no top-level await: it would break require()', () => {
    const awaiting = files.filter((file) =>
      /^await\b|^(?:export )?const .*= await\b/m.test(readFileSync(join(SRC, file), 'utf8')),
    )
    expect(awaiting).toEqual([])
  })
})

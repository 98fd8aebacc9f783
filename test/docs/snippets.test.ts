import { AsyncLocalStorage } from 'node:async_hooks'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as fixtures from './fixtures.ts'
import { pages, ROOT, type Snippet, snippets } from './markdown.ts'
import { moduleOf } from './snippet-module.ts'

/**
 * Every TypeScript snippet of README.md and docs/ is compiled as a strict user would compile it, and run. A comment
 * `// => value` behind an expression is checked. `ts no-run` is compiled only; other languages are left alone.
 */

const all = pages().flatMap((page) => snippets(page))
const typescript = all.filter(({ info }) => /^(?:ts|typescript)\b/.test(info))
const toRun = typescript.filter(({ info }) => info === 'ts')

const folder = mkdtempSync(join(tmpdir(), 'gateless-docs-'))
const fileOf = ({ page, line }: Snippet): string => join(folder, 'src', `${page.replaceAll('/', '__')}__${line}.ts`)
const load = (snippet: Snippet): Promise<unknown> => import(pathToFileURL(fileOf(snippet)).href)

/** A snippet that serves itself gets ports of its own; the others find those of the fixtures. */
async function withRealPorts(snippet: Snippet): Promise<Snippet> {
  const serves = /\bcreateServer\(|\bnew RegistryServer\(/.test(snippet.code)
  let { code } = snippet
  for (const [port, served] of fixtures.PORTS) {
    const literal = new RegExp(`\\b${port}\\b`, 'g')
    if (literal.test(code)) code = code.replace(literal, String(serves ? await fixtures.freePort() : served))
  }
  return { ...snippet, code }
}

symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      paths: { gateless: [join(ROOT, 'src/index.ts')], 'gateless/*': [join(ROOT, 'src/*/index.ts')] },
      typeRoots: [join(ROOT, 'node_modules/@types')],
    },
    include: ['src'],
  }),
)
mkdirSync(join(folder, 'src'))
for (const snippet of typescript) {
  writeFileSync(fileOf(snippet), moduleOf(await withRealPorts(snippet), Object.keys(fixtures)))
}

const globalDispatcher = getGlobalDispatcher()
const context = new AsyncLocalStorage<string>()

beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation(() => {})
  fixtures.resetRegistry()
})

afterEach(() => {
  vi.restoreAllMocks()
  setGlobalDispatcher(globalDispatcher)
})

afterAll(async () => {
  await fixtures.closeWorld()
  rmSync(folder, { recursive: true })
})

it('finds the snippets, and no code hides behind a fence without a language', () => {
  expect(typescript.length).toBeGreaterThan(20)
  const hidden = all.filter(({ info, code }) => info === '' && /^import |\bawait /m.test(code))
  expect(hidden.map(({ page, line }) => `${page}:${line}`)).toEqual([])
})

it('compiles them all', { timeout: 60_000 }, () => {
  // Reported at the page's own line.
  const complaints = compile().replace(/^src\/(.+?)__\d+\.ts\((\d+),\d+\)/gm, (_, page: string, line: string) => {
    return `${page.replaceAll('__', '/')}:${line}`
  })
  expect(complaints).toBe('')
})

function compile(): string {
  try {
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    return execFileSync(tsc, ['-p', folder, '--pretty', 'false'], { encoding: 'utf8', cwd: folder })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

describe('runs', () => {
  for (const snippet of toRun) {
    const name = `${snippet.page}:${snippet.line}`
    // A snippet that shows tests brings its own: they are collected here like any others.
    if (snippet.code.includes(`from 'vitest'`)) describe(name, () => load(snippet) as Promise<void>)
    else it(name, { timeout: 10_000 }, () => context.run(name, () => load(snippet)))
  }
})

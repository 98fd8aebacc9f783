import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/** `npm run check`: everything but the tests themselves, each by name; `-- --only NAME` does one of them. */

interface Check {
  readonly name: string
  /** What it finds. */
  readonly finds: string
  readonly command: string
  readonly needsBuild?: boolean
}

const checks: readonly Check[] = [
  { name: 'format', finds: 'files that `npm run format` would change', command: 'biome format .' },
  {
    name: 'lint',
    finds: 'likely bugs, and time or chance taken from a global',
    command: 'oxlint --type-aware --deny-warnings',
  },
  { name: 'types', finds: 'type errors, in the type tests too', command: 'tsc -p tsconfig.json' },
  {
    name: 'declarations',
    finds: 'exports whose type only inference knows',
    command: 'tsc -p tsconfig.build.json --noEmit --emitDeclarationOnly false',
  },
  {
    name: 'architecture',
    finds: 'imports across rooms, and circular ones',
    command: 'vitest run test/architecture.test.ts',
  },
  { name: 'links', finds: 'dead links and undocumented options', command: 'vitest run test/docs/links.test.ts' },
  { name: 'unused', finds: 'files, exports and dependencies that nothing uses', command: 'knip' },
  { name: 'api', finds: 'changes of the public API', command: 'node test/tools/api-report.ts', needsBuild: true },
  { name: 'publint', finds: 'mistakes in what would be published', command: 'publint --strict', needsBuild: true },
  {
    name: 'attw',
    finds: 'types that some resolution mode cannot find',
    command: 'attw --pack . --profile esm-only',
    needsBuild: true,
  },
  { name: 'size', finds: 'subpaths that outgrew their limit', command: 'size-limit', needsBuild: true },
]

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } })
const chosen = checks.filter(({ name }) => values.only?.includes(name) ?? true)
if (chosen.length === 0) {
  console.error(`there are ${checks.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

const run = (command: string): { ok: boolean; output: string } => {
  const { status, stdout, stderr } = spawnSync(command, { shell: true, encoding: 'utf8' })
  return { ok: status === 0, output: `${stdout}${stderr}` }
}

if (chosen.some(({ needsBuild }) => needsBuild)) {
  const { ok, output } = run('npm run -s build')
  if (!ok) {
    console.error(`${output}\nthe build failed`)
    process.exit(1)
  }
}
let failed = 0
for (const { name, finds, command } of chosen) {
  const began = performance.now()
  const { ok, output } = run(command)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(13)} ${seconds.padStart(5)} s  ${finds}`)
  if (ok) continue
  failed += 1
  console.log(`\n${output}\n  alone: npm run check -- --only ${name}\n`)
}
console.log(`${chosen.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * Runs every example one after another, as a reader would: in a process of its own, against the built package (so build
 * first). One fails that exits with anything but 0, prints nothing, or has not ended by itself in time.
 */

/** Far above what an example may take (5 s), so that a busy machine fails nobody. */
const LIMIT_MS = 30_000

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

interface Ending {
  /** Undefined when all is well. */
  readonly problem: string | undefined
  readonly output: string
  readonly tookMs: number
}

function run(file: string): Promise<Ending> {
  const path = join('examples', file)
  const args = file.endsWith('.test.ts') ? [vitest, 'run', path] : [path]
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let late = false
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const limit = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, LIMIT_MS)
    const end = (problem: string | undefined): void => {
      clearTimeout(limit)
      resolve({ problem, output, tookMs: performance.now() - startedAt })
    }
    child.once('error', (error) => end(error.message))
    child.once('close', (code, signal) => {
      if (late) end(`did not end by itself within ${LIMIT_MS / 1_000} s`)
      else if (code !== 0) end(`ended with ${signal ?? String(code)}`)
      else end(output.trim() === '' ? 'printed nothing' : undefined)
    })
  })
}

const files = readdirSync('examples')
  .filter((name) => /^\d\d-.*\.ts$/.test(name))
  .toSorted()
let failed = 0
for (const file of files) {
  const { problem, output, tookMs } = await run(file)
  const time = `${(tookMs / 1_000).toFixed(1)} s`
  console.log(`${problem === undefined ? 'ok  ' : 'FAIL'} ${file.padEnd(42)} ${time}${problem ? `  ${problem}` : ''}`)
  if (problem === undefined) continue
  failed += 1
  console.log(output.trimEnd().replaceAll(/^/gm, '     '))
}
console.log(`${files.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 && files.length > 0 ? 0 : 1

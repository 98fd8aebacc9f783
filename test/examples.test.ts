import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

/**
 * What keeps the examples readable in order. That each of them runs, and shows what it claims, is checked by
 * `npm run examples`: it needs the built package, as a user has it, and this suite needs no build.
 */

const folder = fileURLToPath(new URL('../examples/', import.meta.url))
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.ts'))
  .toSorted()
const textOf = (name: string): string => readFileSync(`${folder}${name}`, 'utf8')

it('are numbered without a gap', () => {
  expect(files.map((name) => name.slice(0, 3))).toEqual(files.map((_, i) => `${String(i + 1).padStart(2, '0')}-`))
  expect(files.length).toBeGreaterThanOrEqual(8)
})

it('stand in the README, in their order', () => {
  const listed = Array.from(textOf('README.md').matchAll(/^\| \[(\S+\.ts)\]\(\1\)/gm), ([, name]) => name)
  expect(listed).toEqual(files)
})

it.each(files)('%s begins by saying what it shows', (name) => {
  expect(textOf(name)).toMatch(/^\/\/ [A-Z].{40,}/)
})

it.each(files)('%s imports the package as a user does', (name) => {
  const sources = Array.from(textOf(name).matchAll(/ from '([^']+)'$/gm), ([, source]) => source)
  expect(sources.length).toBeGreaterThan(0)
  for (const source of sources) expect(source).toMatch(/^(?:gateless(?:\/.+)?|node:.+|undici|vitest)$/)
})

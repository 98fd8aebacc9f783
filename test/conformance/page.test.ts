import { describe, expect, it } from 'vitest'
import { filesUnder, read } from '../docs/markdown.ts'

/** The page says as many cases as there are. */

interface Row {
  readonly suite: string
  readonly cases: string
  readonly passed: string
}

const PAGE = 'docs/conformance.md'

const rows: readonly Row[] = Array.from(
  read(PAGE).matchAll(/^\| \[([\w-]+)\]\([^)]*\) \|[^|]*\| ([^|]*) \| ([^|]*) \|/gm),
  ([, suite = '', cases = '', passed = '']) => ({ suite, cases, passed }),
)

describe(PAGE, () => {
  it('has a row for every suite, and no other', () => {
    const suites = filesUnder('test/conformance', '.test.ts').map((file) => file.slice('test/conformance/'.length, -8))
    expect(rows.map(({ suite }) => suite).toSorted()).toEqual(suites.filter((suite) => suite !== 'page').toSorted())
  })

  // Vectors are counted by their own suites.
  it.each(rows.filter(({ cases }) => /^\d+$/.test(cases)))('says how many cases $suite has', ({ suite, ...row }) => {
    const source = read(`test/conformance/${suite}.test.ts`)
    const count = String(source.match(/^ *it(?:\.each)?\(/gm)?.length)
    expect(row).toEqual({ cases: count, passed: count })
  })

  it('leaves no test out by skipping it', () => {
    for (const { suite } of rows)
      expect(read(`test/conformance/${suite}.test.ts`)).not.toMatch(/\b(?:skip|todo|only)\(/)
  })
})

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchors, filesUnder, links, pages, prose, read, resolveLink, ROOT } from './markdown.ts'

/** The pages agree with each other and with the sources: links, tables of options, error codes. */

const all = pages()
const sources = filesUnder('src', '.ts')

const isRelative = (target: string): boolean => !/^[a-z][a-z0-9+.-]*:/i.test(target)

describe('links', () => {
  it.each(all)('of %s lead somewhere', (page) => {
    const dead = links(read(page))
      .filter(({ target }) => isRelative(target))
      .flatMap(({ line, target }) => {
        const problem = problemWith(page, target)
        return problem === undefined ? [] : [`${page}:${line}: ${target} (${problem})`]
      })
    expect(dead).toEqual([])
  })

  it('lead from the README to every page under docs', () => {
    const reached = new Set<string>()
    const visit = (page: string): void => {
      if (reached.has(page)) return
      reached.add(page)
      if (!page.endsWith('.md')) return
      for (const { target } of links(read(page))) {
        if (!isRelative(target)) continue
        const { path } = resolveLink(page, target)
        if (path.startsWith('..') || !existsSync(join(ROOT, path))) continue
        // Who links a folder links what is in it.
        if (statSync(join(ROOT, path)).isDirectory()) for (const file of filesUnder(path, '.md')) visit(file)
        else visit(path)
      }
    }
    visit('README.md')
    const lost = all.filter((page) => page.startsWith('docs/') && !reached.has(page))
    expect(lost).toEqual([])
  })
})

function problemWith(page: string, target: string): string | undefined {
  const { path, anchor } = resolveLink(page, target)
  if (path.startsWith('..')) return 'outside of the project'
  const file = join(ROOT, path)
  if (!existsSync(file)) return 'no such file'
  if (statSync(file).isDirectory()) {
    // git keeps no empty folder: a fresh clone would not have it.
    return readdirSync(file).length === 0 ? 'an empty folder' : undefined
  }
  if (anchor === undefined || !path.endsWith('.md')) return undefined
  return anchors(read(path)).has(anchor) ? undefined : 'no such heading'
}

// ---- tables of options --------------------------------------------------------------------------------------------

interface Option {
  readonly name: string
  /** Without the formatting; undefined where none is given. */
  readonly byDefault: string | undefined
}

interface OptionTable {
  readonly page: string
  readonly line: number
  /** `src/x/options.ts#Name` */
  readonly of: readonly string[]
  readonly options: readonly Option[]
}

/** Tables behind `<!-- options: src/x/options.ts Name, … -->`. */
const tables: readonly OptionTable[] = all.flatMap((page) => {
  const lines = prose(read(page))
  return lines.flatMap((text, index) => {
    const marker = /^<!-- options: (.+) -->$/.exec(text)?.[1]
    if (marker === undefined) return []
    const of = marker.split(',').map((part) => part.trim().replace(' ', '#'))
    const rows = lines.slice(index + 4)
    const end = rows.findIndex((row) => !row.startsWith('|'))
    const options = rows.slice(0, end).map((row) => {
      const [, name = '', , byDefault = ''] = row.replaceAll('\\|', '¦').split('|')
      return { name: plain(name), byDefault: plain(byDefault) }
    })
    return [{ page, line: index + 1, of, options }]
  })
})

function plain(cell: string): string {
  return cell.replaceAll('`', '').replaceAll('_', '').trim()
}

/** The members an interface declares itself, by its text. */
function declared(reference: string): readonly Option[] {
  const [file, name] = reference.split('#') as [string, string]
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(read(file))?.[1]
  if (body === undefined) throw new Error(`${file} declares no interface ${name}`)
  const members = body.matchAll(/(?:\/\*\*([\s\S]*?)\*\/\s*)?^ {2}readonly (\w+)\??:/gm)
  return Array.from(members, ([, comment = '', member = '']) => ({
    name: member,
    byDefault: /@default (.+?)\s*(?:\*?\n|$)/.exec(comment)?.[1],
  }))
}

/** Every interface named …Options that a face (index.ts) of the sources exports. */
const exported: readonly string[] = sources
  .filter((file) => file.endsWith('/index.ts'))
  .flatMap((face) =>
    Array.from(read(face).matchAll(/export (?:type )?\{([^}]*)\} from '(\.[^']+)'/g), ([, names = '', from = '']) =>
      names
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name.endsWith('Options'))
        .map((name) => `${join(face, '..', from).replaceAll('\\', '/')}#${name}`),
    ).flat(),
  )

describe('tables of options', () => {
  it('exist', () => {
    expect(tables.length).toBeGreaterThan(20)
  })

  it.each(tables)('$page:$line names exactly the options of $of', ({ of, options }) => {
    const expected = of.flatMap(declared).map(({ name }) => name)
    expect(options.map(({ name }) => name).toSorted()).toEqual([...new Set(expected)].toSorted())
  })

  it.each(tables)('$page:$line says the defaults of $of', ({ of, options }) => {
    // Only what is plain in the source: a number, a string, a boolean, a call.
    const known = of.flatMap(declared).filter(({ byDefault }) => isLiteral(byDefault))
    for (const { name, byDefault } of known) {
      const said = options.find((option) => option.name === name)?.byDefault
      expect(said, name).toContain(plain(byDefault as string))
    }
  })

  it('leave no exported options out', () => {
    const documented = new Set(tables.flatMap(({ of }) => of))
    // Those that only pick from others are described with the method that takes them.
    const own = exported.filter((reference) => {
      const [file, name] = reference.split('#') as [string, string]
      return new RegExp(`^export interface ${name}\\b`, 'm').test(read(file)) && !PICKED.has(name)
    })
    expect(own.length).toBeGreaterThan(15)
    expect(own.filter((reference) => !documented.has(reference))).toEqual([])
  })
})

const PICKED: ReadonlySet<string> = new Set(['BalancedCallOptions'])

function isLiteral(text: string | undefined): boolean {
  return text !== undefined && /^(?:[\d_.]+|'[^']*'|true|false|\{\}|\w+\(\))$/.test(text)
}

// ---- error codes --------------------------------------------------------------------------------------------------

const codes = (text: string): string[] => text.match(/ERR_GATELESS_[A-Z]+(?:_[A-Z]+)*/g) ?? []

describe('error codes', () => {
  it('of the sources and of the pages are the same', () => {
    const thrown = new Set(sources.flatMap((file) => codes(read(file))))
    const described = new Set(all.flatMap((page) => codes(read(page))))
    expect([...described].toSorted()).toEqual([...thrown].toSorted())
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Reads the project's Markdown as far as the tests need it: fences, headings, links, tables. No parser, no dependency. */

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url))

/** Paths relative to the root, with `/`. */
export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .toSorted()
}

/** Every page that is written by hand: the reports in docs/api are API Extractor's. */
export function pages(): string[] {
  const atRoot = readdirSync(ROOT).filter((name) => name.endsWith('.md'))
  return [...atRoot.toSorted(), ...filesUnder('docs', '.md').filter((page) => !page.startsWith('docs/api/'))]
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

export interface Snippet {
  readonly page: string
  /** Line of its first line of code, from 1. */
  readonly line: number
  /** What stands behind the backticks: `ts`, or `ts no-run`. */
  readonly info: string
  readonly code: string
}

const FENCE = /^```(.*)$/

export function snippets(page: string, text: string = read(page)): Snippet[] {
  const found: Snippet[] = []
  let open: { info: string; line: number; code: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const fence = FENCE.exec(line)
    if (fence === null) open?.code.push(line)
    else if (open === undefined) open = { info: (fence[1] as string).trim(), line: index + 2, code: [] }
    else {
      found.push({ page, line: open.line, info: open.info, code: open.code.join('\n') })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`${page}:${open.line - 1}: this fence is never closed`)
  return found
}

/** The text without its fences, line numbers kept. */
export function prose(text: string): string[] {
  let inFence = false
  return text.split('\n').map((line) => {
    const fence = FENCE.test(line)
    if (fence) inFence = !inFence
    return fence || inFence ? '' : line
  })
}

interface Link {
  readonly line: number
  readonly target: string
}

/** Links in running text; what stands in code spans is none. */
export function links(text: string): Link[] {
  return prose(text).flatMap((line, index) =>
    Array.from(line.replace(/`[^`]*`/g, (code) => '`'.repeat(code.length)).matchAll(/\]\(([^()\s]+)\)/g), (match) => ({
      line: index + 1,
      target: match[1] as string,
    })),
  )
}

/** The anchors of a page, by GitHub's rules: lower case, no punctuation, hyphens for blanks, `-1` for the second. */
export function anchors(text: string): ReadonlySet<string> {
  const found = new Map<string, number>()
  const all = new Set<string>()
  for (const line of prose(text)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1]
    if (heading === undefined) continue
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-')
    const times = found.get(slug) ?? 0
    found.set(slug, times + 1)
    all.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return all
}

/** A relative link's file, relative to the root, and its anchor. */
export function resolveLink(page: string, target: string): { path: string; anchor: string | undefined } {
  const [file = '', anchor] = target.split('#', 2)
  const path = file === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), decodeURIComponent(file))
  return { path: relative(ROOT, path).replaceAll('\\', '/'), anchor }
}

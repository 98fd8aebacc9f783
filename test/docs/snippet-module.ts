import { join } from 'node:path'
import { ROOT, type Snippet } from './markdown.ts'

/**
 * Makes a module of a snippet: what it takes for granted is imported on line 1, `expression // => value` becomes a check,
 * and its lines stand where they stand on the page, so that a complaint about the one is a complaint about the other.
 */
export function moduleOf(snippet: Snippet, fixtures: readonly string[]): string {
  const { page, line, code } = snippet
  const from = JSON.stringify(join(ROOT, 'test/docs/fixtures.ts'))
  const names = ['check as __check', ...fixtures.filter((name) => wants(code, name))]
  const lines = code.split('\n').map((text, index) => withCheck(text, `${page}:${line + index}`))
  return `import { ${names.join(', ')} } from ${from}; void __check;${'\n'.repeat(line - 1)}${lines.join('\n')}\n`
}

/** Whether the code uses a name that it does not declare: not as a property, in a string, or as a key. */
function wants(code: string, name: string): boolean {
  const used = new RegExp(`(?<![\\w.'"/-])${name}\\b(?![\\w'":-])`).test(code)
  const declared = new RegExp(`(?:(?:const|let|using|function|class) ${name}\\b|import \\{[^}]*\\b${name}\\b)`).test(
    code,
  )
  return used && !declared
}

function withCheck(text: string, where: string): string {
  const match = /^(\s*)(.*?);?\s*\/\/ => (.+)$/.exec(text)
  if (match === null) return text
  const [, indent, statement, value] = match as unknown as [string, string, string, string]
  const at = JSON.stringify(where)
  const declared = /^(?:const|let) (\w+) = /.exec(statement)?.[1]
  if (declared !== undefined) return `${indent}${statement}; __check(${declared}, (${value}), ${at})`
  const logged = /^console\.log\((.*)\)$/.exec(statement)?.[1]
  return `${indent};__check((${logged ?? statement}), (${value}), ${at})`
}

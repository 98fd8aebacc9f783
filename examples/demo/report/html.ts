/** Markup in which text can only be text: whatever is put into a template is escaped, unless it is markup itself. */

export class Markup {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type Part = Markup | string | number | undefined | readonly Part[]

/** HTML and SVG alike. Attributes have to stand in double quotes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, index) => text + render(parts[index])).join(''))
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.toString()
  if (typeof part === 'number') return coordinate(part)
  if (typeof part === 'string') return escapeText(part)
  return part.map(render).join('')
}

/** A tenth of a pixel is finer than any screen shows. */
export function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeText(text: string): string {
  // Control characters mean nothing in HTML, and have no business in a report.
  return text.replaceAll(/[&<>"']/g, (each) => ENTITIES[each] ?? each).replaceAll(/(?!\s)\p{Cc}/gu, '\u{FFFD}')
}

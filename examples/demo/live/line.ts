/** A line of the screen: pieces of text, each with what it means. What that looks like is the screen's affair. */

export type Style = 'normal' | 'bold' | 'dim' | 'good' | 'warn' | 'bad'

export interface Piece {
  readonly text: string
  readonly style: Style
}

export type Line = readonly Piece[]

export function piece(text: string, style: Style = 'normal'): Piece {
  return { text: harmless(text), style }
}

/** As wide as it may be and no wider; what does not fit ends in an ellipsis. */
export function fitted(text: string, width: number): string {
  const characters = Array.from(text)
  return characters.length <= width ? text.padEnd(width) : `${characters.slice(0, width - 1).join('')}…`
}

/** Cuts a line where the screen ends: a line that wraps would move all below it. */
export function cut(line: Line, width: number): Line {
  let left = width
  return line.flatMap(({ text, style }) => {
    const characters = Array.from(text)
    if (left <= 0) return []
    const kept = characters.length <= left ? text : `${characters.slice(0, left - 1).join('')}…`
    left -= characters.length
    return [{ text: kept, style }]
  })
}

export function textOf(line: Line): string {
  return line.map(({ text }) => text).join('')
}

/** A name may be anything, a command to the terminal included. */
function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{FFFD}')
}

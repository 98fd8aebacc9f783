import { type Line, type Style, textOf } from './line.ts'

/** Draws lines over the lines drawn before. Nothing else may write to the terminal between `draw` and `leave`. */

export interface Terminal {
  readonly columns: number
  readonly rows: number
  write(text: string): unknown
}

const COLOURS: Readonly<Record<Style, string>> = { normal: '', bold: '1', dim: '2', good: '32', warn: '33', bad: '31' }

/** Terminals that know it show what is between these at once; the others ignore it. */
const TOGETHER = '\u{1B}[?2026h'
const TOGETHER_END = '\u{1B}[?2026l'
const HIDE_CURSOR = '\u{1B}[?25l'
const SHOW_CURSOR = '\u{1B}[?25h'
const CLEAR_ALL = '\u{1B}[H\u{1B}[2J'
/** A character may be wider than it was counted: then the line ends early instead of moving all below it. */
const NO_WRAP = '\u{1B}[?7l'
const WRAP = '\u{1B}[?7h'
const CLEAR_REST_OF_LINE = '\u{1B}[K'
const CLEAR_BELOW = '\u{1B}[J'

export class Screen {
  readonly #terminal: Terminal
  readonly #colours: boolean
  #drawn = 0
  #resized = false
  #hidden = false

  constructor(terminal: Terminal, colours: boolean) {
    this.#terminal = terminal
    this.#colours = colours
  }

  /** Lines may have been wrapped anew, so where they are now is anybody's guess: the next drawing starts at the top. */
  resized(): void {
    if (this.#drawn > 0) this.#resized = true
  }

  draw(lines: readonly Line[]): void {
    const back = this.#resized ? CLEAR_ALL : this.#drawn > 1 ? `\r\u{1B}[${this.#drawn - 1}A` : '\r'
    const body = lines.map((line) => this.#painted(line) + this.#restOf(line)).join('\r\n')
    const hide = this.#hidden ? '' : HIDE_CURSOR
    // In one write: half a picture is what flickers.
    this.#terminal.write(`${TOGETHER}${hide}${NO_WRAP}${back}${body}${CLEAR_BELOW}${WRAP}${TOGETHER_END}`)
    this.#drawn = lines.length
    this.#resized = false
    this.#hidden = true
  }

  /** Leaves the last picture where it is, and gives the terminal back. Harmless when there is nothing to give back. */
  leave(): void {
    if (!this.#hidden) return
    this.#terminal.write(`${SHOW_CURSOR}\r\n`)
    this.#hidden = false
    this.#drawn = 0
    this.#resized = false
  }

  /** At the end of a full line the cursor stands on its last character: to clear from there would take that away. */
  #restOf(line: Line): string {
    return textOf(line).length < this.#terminal.columns ? CLEAR_REST_OF_LINE : ''
  }

  #painted(line: Line): string {
    return line
      .map(({ text, style }) => {
        const colour = this.#colours ? COLOURS[style] : ''
        return colour === '' ? text : `\u{1B}[${colour}m${text}\u{1B}[0m`
      })
      .join('')
  }
}

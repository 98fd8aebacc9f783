import { describe, expect, it } from 'vitest'
import { cut, piece, textOf } from '../../examples/demo/live/line.ts'
import { Screen } from '../../examples/demo/live/screen.ts'

/** Lines on a terminal. */

describe('a line', () => {
  it('is cut with an ellipsis, across its pieces', () => {
    expect(textOf(cut([piece('abc'), piece('defgh')], 6))).toBe('abcde…')
    expect(textOf(cut([piece('abc'), piece('def')], 6))).toBe('abcdef')
    expect(textOf(cut([piece('abc'), piece('def')], 3))).toBe('abc')
  })
})

describe('the screen', () => {
  it('draws in one write over what it drew before, and gives the cursor back once', () => {
    const written: string[] = []
    const screen = new Screen({ columns: 10, rows: 5, write: (text) => written.push(text) }, false)
    screen.draw([[piece('a')], [piece('b')], [piece('0123456789')]])
    screen.draw([[piece('c')]])
    screen.leave()
    screen.leave()
    expect(written).toHaveLength(3)
    expect(written[0]).toContain('\u{1B}[?25l')
    expect(written[0]).toContain('a\u{1B}[K\r\nb\u{1B}[K\r\n0123456789\u{1B}[J')
    expect(written[1]).toContain('\r\u{1B}[2Ac\u{1B}[K\u{1B}[J')
    expect(written[2]).toBe('\u{1B}[?25h\r\n')
  })

  it('starts at the top when the terminal has another size', () => {
    let last = ''
    const screen = new Screen({ columns: 10, rows: 5, write: (text) => (last = text) }, true)
    screen.draw([[piece('a', 'bad')]])
    expect(last).toContain('\u{1B}[31ma\u{1B}[0m')
    screen.resized()
    screen.draw([[piece('a')]])
    expect(last).toContain('\u{1B}[H\u{1B}[2Ja')
  })
})

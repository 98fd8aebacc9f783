import type { Fault } from '../faults.ts'
import { type Line, type Piece, piece } from './line.ts'
import type { Picture } from './picture.ts'

/** How far the run is, with the faults where they are: a bar, and below it what each of them is. */

export function progress({ seconds, atMs = 0, faults }: Picture, width: number): [bar: Line, labels: Line] {
  const cellMs = (seconds * 1_000) / width
  const bar: Piece[] = []
  for (let cell = 0; cell < width; cell += 1) {
    const middleMs = (cell + 0.5) * cellMs
    const isFault = faults.some(({ fromMs, toMs }) => middleMs >= fromMs && middleMs < toMs)
    const isDone = middleMs < atMs
    const mark = isFault ? (isDone ? '█' : '░') : isDone ? '━' : '─'
    bar.push(piece(mark, isFault && isDone ? 'warn' : isDone ? 'normal' : 'dim'))
  }
  return [joined(bar), [labels(faults, cellMs, atMs, width)]]
}

function labels(faults: readonly Fault[], cellMs: number, atMs: number, width: number): Piece {
  let text = ''
  for (const [index, fault] of faults.entries()) {
    const start = Math.round(fault.fromMs / cellMs)
    const next = faults[index + 1]
    const room = (next === undefined ? width : Math.round(next.fromMs / cellMs)) - start - 1
    const { letter, target, state } = fault
    const label = [`${letter} ${target} ${state}`, `${letter} ${state}`].find((each) => each.length <= room) ?? letter
    text = text.padEnd(start) + label
  }
  return piece(text, atMs > 0 ? 'normal' : 'dim')
}

/** Equal neighbours as one piece: eighty colour changes a line are eighty too many. */
function joined(pieces: readonly Piece[]): Line {
  const line: Piece[] = []
  for (const { text, style } of pieces) {
    const last = line.at(-1)
    if (last?.style === style) line[line.length - 1] = { text: last.text + text, style }
    else line.push({ text, style })
  }
  return line
}

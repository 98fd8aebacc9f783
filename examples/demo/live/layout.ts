import { decisionLine } from '../print.ts'
import { percent } from '../verdict.ts'
import { cut, fitted, type Line, type Piece, piece, type Style } from './line.ts'
import type { InstanceLoad, InstancePicture, LanePicture, Picture } from './picture.ts'
import { progress } from './progress.ts'

/** The picture as lines for a screen of a given size: always as many as fit, never one too wide. */

export const MIN_COLUMNS = 70
export const MIN_ROWS = 18

/** Just enough for every column; what there is more goes to long names, and with less some columns go. */
const FULL_COLUMNS = 80
/** Wider than this nothing gets better to read. */
const MAX_COLUMNS = 140
const MAX_EVENTS = 14
/** From here on there is room for empty lines between the parts. */
const AIRY_ROWS = 30

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

export function fits({ columns, rows }: ScreenSize): boolean {
  return columns >= MIN_COLUMNS && rows >= MIN_ROWS
}

export function layout(picture: Picture, { columns, rows }: ScreenSize): Line[] {
  const width = Math.min(columns, MAX_COLUMNS)
  const gap: Line[] = rows >= AIRY_ROWS ? [[]] : []
  const head = [
    title(picture, width),
    ...progress(picture, width),
    ...gap,
    ...laneLines(picture.lanes, width),
    ...gap,
    ...instanceLines(picture, width),
    serviceLine(picture),
    ...gap,
  ]
  const room = Math.min(MAX_EVENTS, rows - 1 - head.length)
  const events = picture.events.slice(-room).map((event): Line => {
    const style = event.source === 'script' ? 'bold' : event.source === 'registry' ? 'dim' : 'normal'
    return [piece(decisionLine(event), style)]
  })
  return [...head, ...events].map((line) => cut(line, width))
}

function title({ atMs, seconds }: Picture, width: number): Line {
  const name = 'gateless demo: the same load and faults, twice'
  const clock =
    atMs === undefined
      ? 'starting the fleet …'
      : atMs < seconds * 1_000
        ? `${(atMs / 1_000).toFixed(1)} of ${seconds} s`
        : `load ended after ${seconds} s`
  return [piece(name, 'bold'), piece(clock.padStart(width - name.length))]
}

function laneLines(lanes: readonly LanePicture[], width: number): Line[] {
  const withAttempts = width >= FULL_COLUMNS
  const header = `${''.padEnd(12)}  last second   overall  calls/s       p50       p99${withAttempts ? '  attempts/call' : ''}`
  return [[piece(header, 'dim')], ...lanes.map((lane) => laneLine(lane, withAttempts))]
}

function laneLine({ lane, last, calls, successes, attempts }: LanePicture, withAttempts: boolean): Line {
  const name = piece((lane === 'plain' ? 'plain undici' : lane).padEnd(12), 'bold')
  if (last === undefined) return [name, piece('  –'.padStart(13), 'dim')]
  const rate = last.successes / last.calls
  const rest = [
    String(last.calls).padStart(9),
    ms(last.p50Ms).padStart(10),
    ms(last.p99Ms).padStart(10),
    withAttempts ? (attempts / calls).toFixed(3).padStart(15) : '',
  ]
  return [
    name,
    piece(percent(rate).padStart(13), rateStyle(rate)),
    piece(percent(successes / calls).padStart(10), rateStyle(successes / calls)),
    piece(rest.join('')),
  ]
}

const STATE_STYLES = { up: 'good', slow: 'warn', failing: 'bad', stopped: 'bad', dead: 'bad' } as const

function instanceLines({ instances, registry }: Picture, width: number): Line[] {
  const longest = Math.max(9, ...instances.map(({ id }) => id.length))
  const names = Math.min(longest, Math.max(9, 9 + width - FULL_COLUMNS))
  const latency = width >= FULL_COLUMNS
  const lanes = latency ? 'share errors     p50' : 'share errors'
  return [
    [piece(`${''.padEnd(names + 8)} ${fitted('plain undici', lanes.length)}  gateless`, 'dim')],
    [piece(`${'instance'.padEnd(names)} ${'state'.padEnd(7)} ${lanes}  ${lanes}  standing`, 'dim')],
    ...instances.map((instance) => instanceLine(instance, names, latency)),
    [piece(`${'registry'.padEnd(names)} `), piece(registry, STATE_STYLES[registry])],
  ]
}

function instanceLine({ id, state, standing, lanes }: InstancePicture, names: number, latency: boolean): Line {
  return [
    piece(`${fitted(id, names)} `),
    piece(fitted(state, 7), STATE_STYLES[state]),
    ...loadPieces(lanes.plain, latency),
    piece(' '),
    ...loadPieces(lanes.gateless, latency),
    piece('  '),
    piece(standing, standing === 'in rotation' ? 'normal' : 'warn'),
  ]
}

function loadPieces(load: InstanceLoad | undefined, latency: boolean): Piece[] {
  if (load === undefined || load.attempts === 0) return [piece(`   0 %      –${latency ? '       –' : ''}`, 'dim')]
  const errors = load.failures / load.attempts
  return [
    piece(`${Math.round(load.share * 100)} %`.padStart(6)),
    // Rounded up: one error in a thousand is not none.
    piece(`${Math.ceil(errors * 100)} %`.padStart(7), errors > 0 ? 'bad' : 'normal'),
    ...(latency ? [piece(ms(load.p50Ms).padStart(8))] : []),
  ]
}

function serviceLine({ services }: Picture): Line {
  const parts = services.flatMap(({ service, breaker, panic }): Piece[] => [
    piece(`  ${service} `),
    piece(breaker, breaker === 'closed' ? 'good' : 'bad'),
    ...(panic ? [piece(' (believes no health)', 'warn')] : []),
  ])
  return [piece('breakers', 'dim'), ...parts]
}

function rateStyle(rate: number): Style {
  return rate >= 0.999 ? 'good' : rate >= 0.95 ? 'warn' : 'bad'
}

/** Three digits are enough to compare. */
function ms(value: number): string {
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ms`
}

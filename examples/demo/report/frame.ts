import type { Fault } from '../faults.ts'
import { html, type Markup } from './html.ts'
import { linearScale, type Scale, timeTicks } from './scales.ts'

/** What all charts have in common: the place, the axis of time, the faults as bands, and what a pointer reads. */

/** Every chart is drawn twice, and the page shows the one that fits: a scaled drawing has scaled, illegible text. */
export interface Size {
  readonly name: 'wide' | 'narrow'
  readonly width: number
  readonly left: number
  readonly right: number
  readonly timeLabels: number
}

export const SIZES: readonly Size[] = [
  { name: 'wide', width: 960, left: 56, right: 84, timeLabels: 12 },
  { name: 'narrow', width: 360, left: 54, right: 66, timeLabels: 5 },
]

export interface Run {
  readonly seconds: number
  readonly faults: readonly Fault[]
}

/** What is to be drawn into a frame, besides the frame. */
export interface Drawing {
  readonly id: string
  readonly title: string
  /** For those who cannot see it: what it shows. */
  readonly description: string
  readonly height: number
  readonly yTicks: readonly { readonly y: number; readonly text: string }[]
  readonly content: Markup
  readonly readings: readonly { readonly fromS: number; readonly toS: number; readonly text: string }[]
}

/** Room above the plot for the bands' labels, and below it for time and reading. */
const TOP = { wide: 34, narrow: 20 }
const BOTTOM = 38

export interface Place {
  readonly size: Size
  readonly x: Scale
  readonly top: number
  readonly bottom: number
  readonly right: number
}

export function placeOf(size: Size, run: Run, height: number): Place {
  const right = size.width - size.right
  const top = TOP[size.name]
  return { size, x: linearScale([0, run.seconds], [size.left, right]), top, bottom: top + height, right }
}

/** Named by an attribute: a title element would pop up over the readings. */
export function frame(place: Place, run: Run, drawing: Drawing): Markup {
  const { size, bottom, right } = place
  const { id, title, description, yTicks, content, readings } = drawing
  const name = `${id}-${size.name}`
  return html`<svg class="${size.name}" viewBox="0 0 ${size.width} ${bottom + BOTTOM}" role="img" aria-label="${title}" aria-describedby="${name}-d">
<desc id="${name}-d">${description}</desc>
${run.faults.map((fault) => band(place, fault))}
${yTicks.map(({ y, text }) => html`<path class="grid" d="M${size.left},${y}H${right}"/><text class="tick end" x="${size.left - 8}" y="${y + 4}">${text}</text>`)}
${content}
${timeAxis(place, run)}
${readings.map((reading) => pointer(place, reading))}
</svg>
`
}

function band(place: Place, fault: Fault): Markup {
  const { size, x, top, bottom } = place
  const { letter, target, state, fromMs, toMs } = fault
  const from = x(fromMs / 1_000)
  const to = x(toMs / 1_000)
  const middle = (from + to) / 2
  const words =
    size.name === 'wide'
      ? html`<text class="fault" x="${middle}" y="${top - 20}">${letter} ${target}</text><text class="fault" x="${middle}" y="${top - 7}">${state}</text>`
      : html`<text class="fault" x="${middle}" y="${top - 6}">${letter}</text>`
  return html`<rect class="band" x="${from}" y="${top}" width="${to - from}" height="${bottom - top}"/>${edges(place, fault)}${words}`
}

/** Apart from the band: what is drawn over the whole plot hides it, and draws these again. */
export function edges({ x, top, bottom }: Place, { fromMs, toMs }: Fault): Markup {
  return html`<path class="edge" d="M${x(fromMs / 1_000)},${top}V${bottom}M${x(toMs / 1_000)},${top}V${bottom}"/>`
}

function timeAxis({ size, x, bottom, right }: Place, { seconds }: Run): Markup {
  const ticks = timeTicks(seconds, size.timeLabels)
  const labels = ticks.map(
    (at) =>
      html`<path class="axis" d="M${x(at)},${bottom}v4"/><text class="tick mid" x="${x(at)}" y="${bottom + 16}">${at}</text>`,
  )
  return html`<path class="axis" d="M${size.left},${bottom}H${right}"/>${labels}<text class="tick" x="${right + 5 + String(seconds).length * 3.5}" y="${bottom + 16}">s</text>`
}

/** Shown by CSS alone while the pointer, or a finger, is over its time. */
function pointer({ size, x, top, bottom }: Place, { fromS, toS, text }: Drawing['readings'][number]): Markup {
  const middle = x((fromS + toS) / 2)
  const width = x(toS) - x(fromS)
  return html`<g class="at"><rect x="${x(fromS)}" y="${top}" width="${width}" height="${bottom - top}"/><path d="M${middle},${top}V${bottom}"/><text x="${size.left}" y="${bottom + 33}">${text}</text></g>
`
}

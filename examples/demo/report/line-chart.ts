import { LANE_NAMES, type LaneName } from '../scene.ts'
import type { Bin } from './bins.ts'
import { type Drawing, frame, placeOf, type Run, SIZES, type Size } from './frame.ts'
import { html, type Markup } from './html.ts'
import { spread, stepLine } from './paths.ts'
import type { Interval, Scale } from './scales.ts'

/** One measure of both lanes over the run: a line each, with its name at its end. */

export interface LineChart extends Pick<Drawing, 'id' | 'title' | 'description' | 'height'> {
  readonly value: (bin: Bin) => number
  readonly format: (value: number) => string
  readonly domain: Interval
  readonly scale: (domain: Interval, range: Interval) => Scale
  readonly ticks: readonly number[]
  readonly tickText: (value: number) => string
  /** A line to compare with: what was promised, or what is still of use. */
  readonly limit?: { readonly at: number; readonly text: string } | undefined
}

export type Lanes = Readonly<Record<LaneName, readonly Bin[]>>

export function lineChart(chart: LineChart, lanes: Lanes, run: Run): Markup {
  return html`${SIZES.map((size) => drawn(size, chart, lanes, run))}`
}

function drawn(size: Size, chart: LineChart, lanes: Lanes, run: Run): Markup {
  const place = placeOf(size, run, chart.height)
  const y = chart.scale(chart.domain, [place.bottom, place.top])
  const steps = (bins: readonly Bin[]) =>
    bins.map((bin) => ({
      from: place.x(bin.fromS),
      to: place.x(bin.toS),
      at: bin.calls === 0 ? undefined : y(chart.value(bin)),
    }))
  const lines = LANE_NAMES.map((lane) => ({ lane, steps: steps(lanes[lane]) }))
  const ends = lines.map(({ steps: all }) => all.findLast(({ at }) => at !== undefined)?.at ?? place.bottom)
  const labels = spread(ends, 15, [place.top + 4, place.bottom - 2])
  const { limit } = chart
  return frame(place, run, {
    ...chart,
    yTicks: chart.ticks.map((tick) => ({ y: y(tick), text: chart.tickText(tick) })),
    content: html`${
      limit &&
      html`<path class="limit" d="M${size.left},${y(limit.at)}H${place.right}"/><text class="note end" x="${place.right - 4}" y="${y(limit.at) - 5}">${limit.text}</text>`
    }${lines.map(({ lane, steps: all }) => html`<path class="line ${lane}" d="${stepLine(all)}"/>`)}${lines.map(
      ({ lane }, index) =>
        html`<text class="name ${lane}" x="${place.right + 6}" y="${(labels[index] ?? 0) + 4}">${lane}</text>`,
    )}`,
    readings: readings(chart, lanes),
  })
}

function readings({ value, format }: LineChart, lanes: Lanes): Drawing['readings'] {
  return lanes.gateless.map(({ fromS, toS }, index) => {
    const values = LANE_NAMES.map((lane) => {
      const bin = lanes[lane][index]
      return `${lane} ${bin === undefined || bin.calls === 0 ? '–' : format(value(bin))}`
    })
    return { fromS, toS, text: `${fromS}–${toS} s: ${values.join(' · ')}` }
  })
}

import type { LaneName } from '../scene.ts'
import type { Bin } from './bins.ts'
import { type Drawing, edges as faultEdges, frame, type Place, placeOf, type Run, SIZES, type Size } from './frame.ts'
import { html, type Markup } from './html.ts'
import { spread, stepArea } from './paths.ts'
import { linearScale } from './scales.ts'

/** Where the attempts of one lane went: one layer for each instance, with its name at its end. */

/** Layers take these in turn; names and edges tell them apart where colours do not. */
const FILLS = 6
const HEIGHT = 150

export function shareChart(lane: LaneName, bins: readonly Bin[], instances: readonly string[], run: Run): Markup {
  return html`${SIZES.map((size) => drawn(size, lane, bins, instances, run))}`
}

function drawn(size: Size, lane: LaneName, bins: readonly Bin[], instances: readonly string[], run: Run): Markup {
  const place = placeOf(size, run, HEIGHT)
  const y = linearScale([0, 1], [place.bottom, place.top])
  const shares = bins.filter(({ attempts }) => attempts > 0).map((bin) => ({ bin, edges: edgesOf(bin, instances) }))
  const layers = instances.map((id, index) => ({
    id,
    slabs: shares.map(({ bin, edges }) => ({
      from: place.x(bin.fromS),
      to: place.x(bin.toS),
      bottom: y(edges[index] ?? 0),
      top: y(edges[index + 1] ?? 0),
    })),
  }))
  const ends = layers.map(({ slabs }) => ((slabs.at(-1)?.top ?? place.top) + (slabs.at(-1)?.bottom ?? place.top)) / 2)
  const labels = spread(ends, 14, [place.top + 4, place.bottom - 2])
  return frame(place, run, {
    id: `share-${lane}`,
    title: `Share of attempts by instance, ${lane}`,
    description: `Stacked areas over ${run.seconds} seconds, one for each of ${instances.join(', ')}.`,
    height: HEIGHT,
    yTicks: [0, 0.5, 1].map((share) => ({ y: y(share), text: `${share * 100} %` })),
    content: html`${hatch(`hatch-${lane}-${size.name}`)}${layers.map(
      ({ slabs }, index) => html`<path class="layer fill-${index % FILLS}" d="${stepArea(slabs)}"/>`,
    )}${run.faults.map((fault) => faultEdges(place, fault))}${run.faults.map((fault) =>
      sickArea(place, y, fault, shares, instances, `hatch-${lane}-${size.name}`),
    )}${layers.map(
      ({ id }, index) =>
        html`<text class="name" x="${place.right + 6}" y="${(labels[index] ?? 0) + 4}">${shortened(id)}</text>`,
    )}`,
    readings: readings(size, bins, instances),
  })
}

/** Lines and no colour: they stay visible on every layer, and on paper. */
function hatch(id: string): Markup {
  return html`<defs><pattern id="${id}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0,0V5"/></pattern></defs>`
}

/** The fault over the layer of its instance, for as long as it lasts; nothing where no attempts went. */
function sickArea(
  { x }: Place,
  y: (share: number) => number,
  { target, fromMs, toMs }: Run['faults'][number],
  shares: readonly { readonly bin: Bin; readonly edges: readonly number[] }[],
  instances: readonly string[],
  pattern: string,
): Markup | undefined {
  const index = instances.indexOf(target)
  const inside = shares.filter(({ bin }) => bin.toS * 1_000 > fromMs && bin.fromS * 1_000 < toMs)
  if (index < 0 || inside.length === 0) return undefined
  const slabs = inside.map(({ bin, edges }) => ({
    from: x(Math.max(bin.fromS, fromMs / 1_000)),
    to: x(Math.min(bin.toS, toMs / 1_000)),
    bottom: y(edges[index] ?? 0),
    top: y(edges[index + 1] ?? 0),
  }))
  return html`<path fill="url(#${pattern})" d="${stepArea(slabs)}"/>`
}

/** Cumulated shares: one more than there are instances. */
function edgesOf({ attemptsOf, attempts }: Bin, instances: readonly string[]): number[] {
  const edges = [0]
  for (const id of instances) edges.push((edges.at(-1) ?? 0) + (attemptsOf.get(id) ?? 0) / attempts)
  return edges
}

/** A narrow chart has no room for names: the numbers are in the order of the layers, from the bottom. */
function readings(size: Size, bins: readonly Bin[], instances: readonly string[]): Drawing['readings'] {
  return bins.map(({ fromS, toS, attempts, attemptsOf }) => {
    const values = instances.map((id) => {
      const share = attempts === 0 ? 0 : (attemptsOf.get(id) ?? 0) / attempts
      const percent = `${Math.round(share * 100)} %`
      return size.name === 'wide' ? `${shortened(id)} ${percent}` : percent
    })
    return { fromS, toS, text: `${fromS}–${toS} s: ${values.join(' · ')}` }
  })
}

/** Beside the chart there is room for ten letters. */
function shortened(id: string): string {
  return id.length <= 10 ? id : `${id.slice(0, 9)}…`
}

import { milliseconds } from '../print.ts'
import type { LostCall, RunRecord } from '../measurements.ts'
import { LANE_NAMES } from '../scene.ts'
import { BARS, type LaneSummary, percent, type Summary } from '../verdict.ts'
import { binned } from './bins.ts'
import type { Run } from './frame.ts'
import { html, type Markup } from './html.ts'

/** The tables of the report. Each can be read alone, and without the charts. */

const MEASURES: readonly {
  readonly title: string
  readonly cell: (lane: LaneSummary) => string
  readonly promised?: string
}[] = [
  {
    title: 'success rate',
    cell: ({ successRate }) => percent(successRate),
    promised: `at least ${percent(BARS.successRate)}`,
  },
  { title: 'calls', cell: ({ calls }) => calls.toLocaleString('en') },
  { title: 'lost calls', cell: ({ calls, successes }) => (calls - successes).toLocaleString('en') },
  { title: 'latency, median', cell: ({ p50Ms }) => milliseconds(p50Ms) },
  { title: 'latency, 99th percentile', cell: ({ p99Ms }) => milliseconds(p99Ms) },
  { title: 'latency, longest', cell: ({ maxMs }) => milliseconds(maxMs) },
  {
    title: 'attempts per call',
    cell: ({ attemptsPerCall }) => attemptsPerCall.toFixed(3),
    promised: `at most ${BARS.attemptsPerCall}`,
  },
]

export function headline({ lanes }: Pick<Summary, 'lanes'>): Markup {
  return html`<table class="numbers headline"><thead><tr><td></td><th scope="col">plain undici</th><th scope="col">gateless</th><th scope="col">promised</th></tr></thead><tbody>
${MEASURES.map(
  ({ title, cell, promised = '' }) =>
    html`<tr><th scope="row">${title}</th><td>${cell(lanes.plain)}</td><td class="strong">${cell(lanes.gateless)}</td><td class="quiet">${promised}</td></tr>
`,
)}</tbody></table>`
}

export function faultTable({ faults }: Run): Markup {
  return html`<table><thead><tr><td></td><th scope="col">from – to</th><th scope="col">what the script does</th></tr></thead><tbody>
${faults.map(
  ({ letter, fromMs, toMs, target, state, text }) =>
    html`<tr><th scope="row">${letter}</th><td class="number">${seconds(fromMs)} – ${seconds(toMs)} s</td><td><b>${target} ${state}</b>: ${text}</td></tr>
`,
)}</tbody></table>`
}

export function timelineTable({ timeline }: RunRecord): Markup {
  return html`<table class="timeline"><thead><tr><th scope="col">s</th><th scope="col">who</th><th scope="col">what</th></tr></thead><tbody>
${timeline.map(
  ({ atMs, source, text }) =>
    html`<tr class="${source}"><td class="number">${seconds(atMs)}</td><td>${source}</td><td>${text}</td></tr>
`,
)}</tbody></table>`
}

export function lostTable(lost: readonly LostCall[]): Markup {
  return html`<table class="timeline"><thead><tr><th scope="col">s</th><th scope="col">call</th><th scope="col">why</th><th scope="col">attempts</th></tr></thead><tbody>
${lost.map(
  ({ atMs, call, latencyMs, why, attempts }) =>
    html`<tr><td class="number">${(atMs / 1_000).toFixed(3)}</td><td>${call}</td><td>${why} after ${milliseconds(latencyMs)}</td><td>${attempts}</td></tr>
`,
)}</tbody></table>`
}

/** What the charts draw, for those who want the numbers or cannot see the charts. */
export function secondsTable(record: RunRecord): Markup {
  const columns = LANE_NAMES.map((lane) => binned(record.perSecond[lane], record.seconds))
  const rows = (columns[0] ?? []).map(({ fromS, toS }, index) => {
    const cells = columns.map((bins) => {
      const bin = bins[index]
      if (bin === undefined || bin.calls === 0) return html`<td>–</td><td>–</td><td>–</td><td>–</td>`
      const { calls, successes, attempts, p50Ms, p99Ms } = bin
      return html`<td>${percent(successes / calls)}</td><td>${p50Ms.toFixed(1)}</td><td>${p99Ms.toFixed(1)}</td><td>${(attempts / calls).toFixed(3)}</td>`
    })
    return html`<tr><th scope="row">${fromS}–${toS}</th>${cells}</tr>
`
  })
  const titles = LANE_NAMES.map(
    () =>
      html`<th scope="col">success</th><th scope="col">p50 ms</th><th scope="col">p99 ms</th><th scope="col">attempts</th>`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="The numbers behind the charts"><table class="numbers"><thead><tr><td></td>${LANE_NAMES.map((lane) => html`<th scope="colgroup" colspan="4">${lane}</th>`)}</tr><tr><th scope="col">s</th>${titles}</tr></thead><tbody>
${rows}</tbody></table></div>`
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}

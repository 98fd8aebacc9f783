import type { Decision, LostCall } from './measurements.ts'
import { LANE_NAMES } from './scene.ts'
import { type LaneSummary, percent, type Summary } from './verdict.ts'

/** Turns what was gathered into lines of text. */

export function decisionLine({ atMs, source, text }: Decision): string {
  return `${(atMs / 1_000).toFixed(1).padStart(6)} s  ${source.padEnd(8)}  ${text}`
}

export function lostCallLine({ atMs, call, latencyMs, why, attempts }: LostCall): string {
  return `${(atMs / 1_000).toFixed(3).padStart(8)} s  ${call}: ${why} after ${latencyMs.toFixed(0)} ms [${attempts}]`
}

const COLUMNS: readonly { readonly title: string; readonly cell: (lane: LaneSummary) => string }[] = [
  { title: 'calls', cell: ({ calls }) => String(calls) },
  { title: 'success', cell: ({ successRate }) => percent(successRate) },
  { title: 'lost', cell: ({ calls, successes }) => String(calls - successes) },
  { title: 'p50', cell: ({ p50Ms }) => milliseconds(p50Ms) },
  { title: 'p99', cell: ({ p99Ms }) => milliseconds(p99Ms) },
  { title: 'max', cell: ({ maxMs }) => milliseconds(maxMs) },
  { title: 'attempts/call', cell: ({ attemptsPerCall }) => attemptsPerCall.toFixed(3) },
]

export function laneTable({ lanes }: Pick<Summary, 'lanes'>): string {
  const rows = [
    ['', ...COLUMNS.map(({ title }) => title)],
    ...LANE_NAMES.map((name) => [name, ...COLUMNS.map(({ cell }) => cell(lanes[name]))]),
  ]
  return table(rows)
}

/** Columns as wide as their widest cell; the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`
}

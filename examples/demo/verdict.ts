import type { LaneReport, RunRecord } from './measurements.ts'
import type { LaneName } from './scene.ts'

/** The numbers of a run in short, and whether gateless held what it promises. */

export interface LaneSummary {
  readonly calls: number
  readonly successes: number
  /** From 0 to 1. */
  readonly successRate: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly attemptsPerCall: number
}

export interface Summary {
  readonly lanes: Readonly<Record<LaneName, LaneSummary>>
  readonly timeline: readonly { readonly atMs: number; readonly source: string; readonly text: string }[]
  readonly leftovers: number
}

export const BARS = Object.freeze({
  successRate: 0.999,
  attemptsPerCall: 1.2,
  /** By how much plain undici has to be worse, in success rate: otherwise the faults were none. */
  difference: 0.01,
  leftovers: 0,
})

export function summarize({ lanes, timeline, leftovers }: RunRecord): Summary {
  return {
    lanes: { plain: summarizeLane(lanes.plain), gateless: summarizeLane(lanes.gateless) },
    timeline: timeline.map(({ atMs, source, text }) => ({ atMs: Math.round(atMs), source, text })),
    leftovers,
  }
}

function summarizeLane({ calls, successes, attempts, p50Ms, p99Ms, maxMs }: LaneReport): LaneSummary {
  return {
    calls,
    successes,
    successRate: successes / calls,
    p50Ms: round(p50Ms, 2),
    p99Ms: round(p99Ms, 2),
    maxMs: round(maxMs, 2),
    attemptsPerCall: round(attempts / calls, 4),
  }
}

/** What was promised and not held; empty when all was well. */
export function missedBars({ lanes, leftovers }: Pick<Summary, 'lanes' | 'leftovers'>): string[] {
  const { plain, gateless } = lanes
  const missed: string[] = []
  if (gateless.successRate < BARS.successRate) {
    missed.push(`gateless: ${percent(gateless.successRate)} success, ${percent(BARS.successRate)} promised`)
  }
  if (gateless.attemptsPerCall > BARS.attemptsPerCall) {
    missed.push(`gateless: ${gateless.attemptsPerCall} attempts per call, at most ${BARS.attemptsPerCall} promised`)
  }
  if (gateless.successRate - plain.successRate < BARS.difference) {
    missed.push(`plain: ${percent(plain.successRate)} success, so the faults of this run prove nothing`)
  }
  if (leftovers > BARS.leftovers) missed.push(`${leftovers} processes, calls or handles left over`)
  return missed
}

/** Rounded down: with one call lost it is not 100 %. */
export function percent(share: number): string {
  return `${(Math.floor(share * 10_000 + 1e-6) / 100).toFixed(2)} %`
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

import type { Decision, LaneReport, RunRecord, SecondOfLane } from '../../examples/demo/measurements.ts'
import { SERVICES } from '../../examples/demo/scene.ts'
import { scriptFor } from '../../examples/demo/script.ts'

/** A run that never was: the whole script, and one second that went badly. */

export const HOSTILE = `<img src=x onerror="alert('&')">\u{1B}[2J`

const INSTANCES = Object.values(SERVICES).flatMap(({ instances }) => instances)

export function sampleSecond(second: number, changes: Partial<SecondOfLane> = {}): SecondOfLane {
  const counts = { attempts: 104, failures: 0, p50Ms: 3.5 }
  return {
    second,
    calls: 520,
    successes: 520,
    attempts: 520,
    p50Ms: 4.2,
    p99Ms: 12.5,
    maxMs: 20,
    instances: Object.fromEntries(INSTANCES.map((id) => [id, counts])),
    ...changes,
  }
}

const report: LaneReport = {
  calls: 5_200,
  successes: 5_200,
  attempts: 5_210,
  p50Ms: 4.2,
  p99Ms: 12.5,
  maxMs: 40,
  worstStartDelayMs: 3,
  lost: [],
  inFlight: 0,
  handles: [],
}

export function sampleTimeline(seconds: number): Decision[] {
  return scriptFor(seconds).map(({ atMs, action, target, text }) => ({
    atMs,
    source: 'script',
    kind: 'script',
    text,
    change: { what: 'fault', action, target },
  }))
}

export function sampleRun(seconds = 10): RunRecord {
  const perSecond = Array.from({ length: seconds }, (_, second) => sampleSecond(second))
  const bad = sampleSecond(3, { successes: 416, p99Ms: 1_001 })
  return {
    seconds,
    timeline: sampleTimeline(seconds),
    perSecond: { plain: perSecond.with(3, bad), gateless: perSecond },
    lanes: { plain: { ...report, successes: 4_680, attempts: 5_200 }, gateless: report },
    leftovers: 0,
  }
}

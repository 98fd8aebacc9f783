import type { SecondOfLane } from './measurements.ts'
import { percentile } from './percentile.ts'

/** A second of which not every call has ended, and what becomes of it when all have. */

export interface OpenSecond {
  pending: number
  successes: number
  attempts: number
  readonly latencies: number[]
  readonly instances: Map<string, OpenInstance>
}

interface OpenInstance {
  failures: number
  readonly durations: number[]
}

export function closed(number: number, { latencies, successes, attempts, instances }: OpenSecond): SecondOfLane {
  const calls = latencies.length
  const byInstance = [...instances].map(([id, { failures, durations }]) => {
    const { p50Ms } = quantiles(durations)
    return [id, { attempts: durations.length, failures, p50Ms }] as const
  })
  return {
    second: number,
    calls,
    successes,
    attempts,
    ...quantiles(latencies),
    instances: Object.fromEntries(byInstance),
  }
}

export function quantiles(latencies: readonly number[]): Pick<SecondOfLane, 'p50Ms' | 'p99Ms' | 'maxMs'> {
  const sorted = Float64Array.from(latencies).toSorted()
  return { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: percentile(sorted, 1) }
}

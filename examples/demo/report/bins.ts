import type { SecondOfLane } from '../measurements.ts'
import { percentile } from '../percentile.ts'

/** The seconds of a lane as a chart shows them: a long run has more of them than a screen has pixels. */

export interface Bin {
  readonly fromS: number
  readonly toS: number
  readonly calls: number
  readonly successes: number
  readonly attempts: number
  /** Of several seconds: the one in the middle, and the worst. Percentiles cannot be added up. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly attemptsOf: ReadonlyMap<string, number>
}

const MOST_BINS = 240

/** How many seconds make one step. */
export function binSeconds(seconds: number, most = MOST_BINS): number {
  return Math.ceil(seconds / most)
}

export function binned(perSecond: readonly SecondOfLane[], seconds: number, most = MOST_BINS): Bin[] {
  const width = binSeconds(seconds, most)
  const bins: Bin[] = []
  for (let fromS = 0; fromS < seconds; fromS += width) {
    const toS = Math.min(seconds, fromS + width)
    bins.push(
      binOf(
        perSecond.filter(({ second }) => second >= fromS && second < toS),
        fromS,
        toS,
      ),
    )
  }
  return bins
}

function binOf(inside: readonly SecondOfLane[], fromS: number, toS: number): Bin {
  const sum = (of: (second: SecondOfLane) => number): number => inside.reduce((total, each) => total + of(each), 0)
  const attemptsOf = new Map<string, number>()
  for (const { instances } of inside) {
    for (const [id, { attempts }] of Object.entries(instances)) {
      attemptsOf.set(id, (attemptsOf.get(id) ?? 0) + attempts)
    }
  }
  const medians = inside.map(({ p50Ms }) => p50Ms).toSorted((a, b) => a - b)
  return {
    fromS,
    toS,
    calls: sum(({ calls }) => calls),
    successes: sum(({ successes }) => successes),
    attempts: sum(({ attempts }) => attempts),
    p50Ms: percentile(medians, 0.5),
    p99Ms: Math.max(0, ...inside.map(({ p99Ms }) => p99Ms)),
    attemptsOf,
  }
}

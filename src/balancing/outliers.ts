import type { MemberState } from './member-state.ts'
import type { FailurePercentageOptions, SuccessRateOptions } from './outlier-options.ts'

/**
 * Finds the instances that fail more than the others, by what one interval counted. Pure: `now` is passed in.
 *
 * Nothing here has a timer, and successes read no clock: an interval ends with the first failure after its time is over.
 * In the meantime there were successes only, so nobody has become worse by waiting.
 */

/** What interval rules say about one member. */
export interface Outlier {
  readonly member: MemberState
  readonly reason: 'success-rate' | 'failure-percentage'
}

export interface OutlierRules {
  readonly intervalMs: number
  readonly successRate: Required<SuccessRateOptions> | false
  readonly failurePercentage: Required<FailurePercentageOptions> | false
}

export class OutlierIntervals {
  #rules: OutlierRules
  #since: number | undefined

  constructor(rules: OutlierRules) {
    this.#rules = rules
  }

  configure(rules: OutlierRules): void {
    this.#rules = rules
  }

  /** Whether anybody has to count. */
  get active(): boolean {
    return this.#rules.successRate !== false || this.#rules.failurePercentage !== false
  }

  /** To be called at each failure, before it is counted. When an interval is over, judges it and begins the next. */
  failing(members: Iterable<MemberState>, now: number): readonly Outlier[] {
    this.#since ??= now
    const elapsed = now - this.#since
    // A clock that went backwards begins the interval again; what was counted is of another time.
    if (elapsed >= 0 && elapsed < this.#rules.intervalMs) return NOBODY
    this.#since = now
    const counted = [...members]
    // What a lull has made old is no reason to eject anybody now.
    const fresh = elapsed >= 0 && elapsed < 2 * this.#rules.intervalMs
    const outliers = fresh ? this.#judge(counted.filter((member) => member.candidate && !member.ejected)) : NOBODY
    for (const member of counted) {
      member.intervalSuccesses = 0
      member.intervalFailures = 0
    }
    return outliers
  }

  #judge(members: readonly MemberState[]): readonly Outlier[] {
    const { successRate, failurePercentage } = this.#rules
    const outliers: Outlier[] = []
    if (successRate !== false) {
      const { requestVolume, minimumInstances, stdevFactor, minimumGap } = successRate
      const busy = withVolume(members, requestVolume)
      if (busy.length >= minimumInstances) {
        const { mean, threshold } = successRateThreshold(busy.map(rateOf), stdevFactor)
        for (const member of busy) {
          const rate = rateOf(member)
          if (rate < threshold && rate < mean - minimumGap) outliers.push({ member, reason: 'success-rate' })
        }
      }
    }
    if (failurePercentage !== false) {
      const { requestVolume, minimumInstances, threshold } = failurePercentage
      const busy = withVolume(members, requestVolume)
      if (busy.length >= minimumInstances) {
        for (const member of busy) {
          if (1 - rateOf(member) >= threshold) outliers.push({ member, reason: 'failure-percentage' })
        }
      }
    }
    // When not all of them may leave, it has to be the worst.
    return outliers.toSorted((a, b) => rateOf(a.member) - rateOf(b.member))
  }
}

const NOBODY: readonly Outlier[] = /* @__PURE__ */ Object.freeze([])

function withVolume(members: readonly MemberState[], volume: number): readonly MemberState[] {
  return members.filter(({ intervalSuccesses, intervalFailures }) => intervalSuccesses + intervalFailures >= volume)
}

function rateOf({ intervalSuccesses, intervalFailures }: MemberState): number {
  return intervalSuccesses / (intervalSuccesses + intervalFailures)
}

/**
 * Who succeeds less often than `threshold` is an outlier: mean − factor × standard deviation (of the whole population, as
 * in Envoy's outlier_detection_impl.cc and gRFC A50).
 */
export function successRateThreshold(
  rates: readonly number[],
  stdevFactor: number,
): { readonly mean: number; readonly threshold: number } {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  return { mean, threshold: mean - stdevFactor * Math.sqrt(variance) }
}

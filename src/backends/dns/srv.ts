import { INSTANCE_LIMITS } from '../../core/parse-instance.ts'
import type { SrvRecord } from './records.ts'

/** SRV's priorities and weights (RFC 2782) as those of instances. */

export interface RankedSrv {
  readonly record: SrvRecord
  /** 0 for the lowest priority of the answer, 1 for the next, up to 128. */
  readonly priority: number
  readonly weight: number
}

/** Instances have priorities up to here; whoever comes later shares the last. */
const LAST_RANK = 128

/** "Very small chance of being selected", next to weights of 1 and more. */
const ZERO_AMONG_OTHERS = 0.1

/** In the order of priority, weight and name: name servers turn their answers round, and an order is no news. */
export function rankSrv(records: readonly SrvRecord[]): readonly RankedSrv[] {
  const ranks = [...new Set(records.map(({ priority }) => priority))].toSorted((a, b) => a - b)
  const weighted = new Set(records.filter(({ weight }) => weight > 0).map(({ priority }) => priority))
  return records.toSorted(compare).map((record) => ({
    record,
    priority: Math.min(ranks.indexOf(record.priority), LAST_RANK),
    weight: weightOf(record, weighted.has(record.priority)),
  }))
}

/** 0 drains an instance, which is not what it says in a record. */
function weightOf({ weight }: SrvRecord, amongOthers: boolean): number {
  if (weight > 0) return Math.min(weight, INSTANCE_LIMITS.weight)
  return amongOthers ? ZERO_AMONG_OTHERS : 1
}

function compare(a: SrvRecord, b: SrvRecord): number {
  const byTarget = a.target === b.target ? 0 : a.target < b.target ? -1 : 1
  return a.priority - b.priority || b.weight - a.weight || byTarget || a.port - b.port
}

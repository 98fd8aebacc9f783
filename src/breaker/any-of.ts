import { show } from '../core/options.ts'
import { makeMemory } from './judgement.ts'
import type { TripCounts, TripMemory, TripRule } from './trip-rule.ts'

/**
 * Opens as soon as one of several rules says so.
 *
 * When to use: for failures and slowness together, or for "five in a row, or half of all".
 *
 * Gotcha: `metrics` show, of each number, the largest that any of the rules knows: all look at the same calls, but not
 * equally far back.
 *
 * @throws {TypeError} for an argument that is no rule, or without any.
 *
 * @example
 * const trip = anyOf(failureRate(), slowCallRate({ thresholdMs: 2_000 }))
 */
export function anyOf(...rules: readonly TripRule[]): TripRule {
  if (rules.length === 0) throw new TypeError('anyOf: there must be at least one rule')
  for (const [index, rule] of rules.entries()) {
    if (typeof (rule as Partial<TripRule> | undefined)?.create !== 'function')
      throw new TypeError(`anyOf: rule ${index} must be an object with create(), got ${show(rule)}`)
  }
  const windows = rules.map(({ windowMs }) => windowMs).filter((windowMs) => windowMs !== undefined)
  return Object.freeze({
    name: rules.map(({ name }) => name).join(', or '),
    windowMs: windows.length === 0 ? undefined : Math.max(...windows),
    create: () => new AnyMemory(rules.map(makeMemory)),
  })
}

class AnyMemory implements TripMemory {
  readonly timed: boolean
  readonly measured: boolean
  readonly parts: readonly TripMemory[]

  constructor(parts: readonly TripMemory[]) {
    this.parts = parts
    this.timed = parts.some(({ timed }) => timed)
    this.measured = parts.some(({ measured }) => measured)
  }

  record(failed: boolean, now: number, tookMs: number): boolean {
    let trips = false
    // All of them, also behind one that said yes: each has to know of every call.
    for (const memory of this.parts) trips = memory.record(failed, now, tookMs) || trips
    return trips
  }

  tooSlow(tookMs: number): boolean {
    return this.parts.some((memory) => memory.tooSlow?.(tookMs) === true)
  }

  reset(): void {
    for (const memory of this.parts) memory.reset()
  }

  counts(now: number): TripCounts {
    return largest(this.parts.map((memory) => memory.counts(now)))
  }

  save(): TripCounts | undefined {
    const saved = this.parts.map((memory) => memory.save()).filter((counts) => counts !== undefined)
    return saved.length === 0 ? undefined : largest(saved)
  }

  restore(saved: TripCounts): void {
    for (const memory of this.parts) memory.restore(saved)
  }
}

function largest(all: readonly TripCounts[]): TripCounts {
  return {
    successes: Math.max(...all.map(({ successes }) => successes)),
    failures: Math.max(...all.map(({ failures }) => failures)),
    slow: Math.max(...all.map(({ slow = 0 }) => slow)),
  }
}

import { show } from '../core/options.ts'
import type { Clock } from '../time/clock.ts'
import type { TripCounts, TripMemory, TripRule } from './trip-rule.ts'

/** What the rule makes of one result. The clock is read for rules that want to know the time, and for no others. */

export const NO_COUNTS: TripCounts = /* @__PURE__ */ Object.freeze({ successes: 0, failures: 0 })

const METHODS = ['record', 'reset', 'counts', 'save', 'restore'] as const

/** A rule may be a user's: what it creates is looked at before it is believed. @throws {TypeError} naming the rule. */
export function makeMemory(rule: TripRule): TripMemory {
  const memory: Partial<TripMemory> | null | undefined = rule.create()
  if (METHODS.every((method) => typeof memory?.[method] === 'function')) return memory as TripMemory
  throw new TypeError(
    `trip: create() of the rule '${rule.name}' must answer an object with ${METHODS.join('(), ')}(), got ${show(memory)}`,
  )
}

/** Whether a breaker that lets calls in should open: takes note of the call. */
export function trips(memory: TripMemory, clock: Clock, failed: boolean, startedAt: number | undefined): boolean {
  const now = memory.timed || startedAt !== undefined ? clock.now() : 0
  return memory.record(failed, now, startedAt === undefined ? 0 : tookMs(startedAt, now))
}

/** Whether a good answer to a probe came too late, or the breaker would close on a service that is as slow as before. */
export function tooSlow(memory: TripMemory, clock: Clock, startedAt: number | undefined): boolean {
  return startedAt !== undefined && memory.tooSlow?.(tookMs(startedAt, clock.now())) === true
}

/** While a clock went backwards, no time passed. */
function tookMs(startedAt: number, now: number): number {
  return Math.max(0, now - startedAt)
}

/** A new rule's memory, with what it can use of the old one's: each part takes from whichever it understands. */
export function inherit(memory: TripMemory, previous: TripMemory): TripMemory {
  const ancestors = leaves(previous)
  for (const heir of leaves(memory)) for (const ancestor of ancestors) heir.adopt?.(ancestor)
  return memory
}

function leaves(memory: TripMemory): readonly TripMemory[] {
  return memory.parts === undefined ? [memory] : memory.parts.flatMap(leaves)
}

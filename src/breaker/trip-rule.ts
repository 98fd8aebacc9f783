/**
 * When does a closed breaker open? A rule is a frozen description; every breaker makes its own memory from it, so one
 * rule can serve many breakers. The rule only counts: what tripping does is the gate's business.
 */

export interface TripRule {
  readonly name: string
  create(): TripMemory
}

/** What one breaker remembers. */
export interface TripMemory {
  /** Whether it looks at the clock: one that only counts spares every call the reading (about 40 ns). */
  readonly timed: boolean
  /** Takes note of one result, and says whether the breaker should open now. `now` is 0 unless `timed`. */
  record(failed: boolean, now: number): boolean
  /** Forgets everything: called whenever the breaker closes. */
  reset(): void
  /** What it knows, for events and metrics. */
  counts(now: number): TripCounts
  /** JSON-able, for `snapshot`; undefined where nothing is worth keeping. */
  save(): TripCounts | undefined
  restore(saved: TripCounts): void
}

export interface TripCounts {
  /** Calls that ended well, as far back as the rule looks. */
  readonly successes: number
  readonly failures: number
}

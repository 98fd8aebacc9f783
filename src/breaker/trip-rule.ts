/**
 * When does a closed breaker open? A rule is a frozen description; every breaker makes its own memory from it, so one
 * rule can serve many breakers. The rule only counts: what tripping does is the gate's business.
 */

export interface TripRule {
  /** In words, so that "opens at …" is a sentence: "5 consecutive failures". */
  readonly name: string
  /** How far back it looks, in milliseconds, where it looks back by time. */
  readonly windowMs?: number | undefined
  create(): TripMemory
}

/** What one breaker remembers. */
export interface TripMemory {
  /** Whether it looks at the clock: one that only counts spares every call the reading (about 40 ns). */
  readonly timed: boolean
  /** Whether it wants to know how long calls took: that costs a second reading, when the call begins. */
  readonly measured?: boolean
  /**
   * Takes note of one result, and says whether the breaker should open now.
   *
   * @param now 0 unless `timed` or `measured`.
   * @param tookMs How long the call took in milliseconds; 0 unless `measured`, or when it began before the rule was set.
   */
  record(failed: boolean, now: number, tookMs: number): boolean
  /** Whether a probe that took so long has failed, although its answer was good. */
  tooSlow?(tookMs: number): boolean
  /** Forgets everything: called whenever the breaker closes. */
  reset(): void
  /** What it knows, for events and metrics. */
  counts(now: number): TripCounts
  /** JSON-able, for `snapshot`; undefined where nothing is worth keeping. */
  save(): TripCounts | undefined
  restore(saved: TripCounts): void
  /** The memories it is made of, where it only puts others together. */
  readonly parts?: readonly TripMemory[]
  /**
   * Takes over what the memory of another rule knows, as far as both mean the same, when `configure` changes the rule.
   * Asked for each of the other's `parts`.
   */
  adopt?(previous: TripMemory): void
}

export interface TripCounts {
  /** Calls that ended well, as far back as the rule looks. */
  readonly successes: number
  readonly failures: number
  /** Calls of either kind that took too long, where the rule measures that. */
  readonly slow?: number
}

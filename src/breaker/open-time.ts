import type { OutcomeInfo } from '../core/outcome.ts'
import type { BreakerSettings } from './options.ts'

/** How long a breaker stays open, and how many times in a row it had to open. */

/** As long as a clock can hold a timer, 24 days: nothing stays open for longer, whatever a backoff says. */
export const MAX_OPEN_MS = 2_073_600_000

/** Where a jitter of [0, 1) can come to at most. */
const ALMOST_ONE = 1 - Number.EPSILON

export class OpenTime {
  /** Openings in a row, this one included. */
  trips: number
  /** How long it is, or was last, open for. */
  lastMs = 0
  #previousMs: number | undefined
  /** When it last closed; null before. */
  #closedAt: number | null = null

  constructor(trips = 0) {
    this.trips = trips
  }

  /** Opens once more. Returns for how long, in milliseconds. `onFault`: told when the backoff throws or makes no sense. */
  next(
    settings: BreakerSettings,
    now: number,
    info: OutcomeInfo | undefined,
    onFault: (error: unknown) => void,
  ): number {
    if (this.#closedAt !== null && isLong(now - this.#closedAt, settings.forgetTripsAfterMs)) {
      this.trips = 0
      this.#previousMs = undefined
    }
    this.#closedAt = null
    this.trips += 1
    const ownMs = this.#own(settings, onFault)
    this.#previousMs = ownMs
    this.lastMs = Math.max(ownMs, Math.min(hintOf(info), settings.maxRetryAfterMs))
    return this.lastMs
  }

  closed(now: number): void {
    this.#closedAt = now
  }

  /** The longest it could be open for now, hints aside: for a snapshot that does not say for how long it was. */
  longestMs(settings: BreakerSettings): number {
    return this.#own({ ...settings, random: () => ALMOST_ONE }, ignored)
  }

  #own(settings: BreakerSettings, onFault: (error: unknown) => void): number {
    const { recoveryBackoff, recoveryTimeoutMs, random } = settings
    if (recoveryBackoff === undefined) return recoveryTimeoutMs
    try {
      const attempt = Math.max(1, this.trips)
      const delayMs = recoveryBackoff.delayMs({ attempt, previousDelayMs: this.#previousMs, random })
      if (Number.isFinite(delayMs) && delayMs >= 0) return Math.min(delayMs, MAX_OPEN_MS)
      throw new RangeError(
        `recoveryBackoff: the delay must be a finite number from 0 milliseconds, got ${String(delayMs)}`,
      )
    } catch (error) {
      onFault(error)
      return recoveryTimeoutMs
    }
  }
}

function ignored(): void {}

/**
 * When the clock went backwards nobody can say how long it was closed. Then it was long: the mistake costs one open time
 * that is too short, and the other would keep the row for as long as the clock went back.
 */
function isLong(closedMs: number, forgetTripsAfterMs: number): boolean {
  return closedMs < 0 || closedMs >= forgetTripsAfterMs
}

/** What the remote asked for, in milliseconds; 0 when it is no number. Less than nothing asks for nothing. */
function hintOf(info: OutcomeInfo | undefined): number {
  const hint = info?.retryAfterMs ?? hintOfError(info?.error)
  return typeof hint === 'number' && !Number.isNaN(hint) ? hint : 0
}

/** Of any error: those of other libraries that carry the same field mean the same by it. */
function hintOfError(error: unknown): unknown {
  let hint: unknown
  try {
    hint = (Object(error) as { retryAfterMs?: unknown }).retryAfterMs
  } catch {
    // A getter of a user's own; his error is the outcome, not this.
  }
  return hint
}

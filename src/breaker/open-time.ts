import type { OutcomeInfo } from '../core/outcome.ts'
import type { BreakerSettings } from './options.ts'

/** How long a breaker stays open, and how many times in a row it had to open. */

/** As long as a clock can hold a timer, 24 days: nothing stays open for longer, whatever a backoff says. */
const MAX_OPEN_MS = 2_073_600_000

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
    if (this.#closedAt !== null && now - this.#closedAt >= settings.forgetTripsAfterMs) {
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

  /** The longest it could be open for now, hints aside: what a snapshot may ask for. */
  longestMs(settings: BreakerSettings): number {
    return this.#own({ ...settings, random: () => ALMOST_ONE }, ignored)
  }

  #own(settings: BreakerSettings, onFault: (error: unknown) => void): number {
    const { recoveryBackoff, recoveryTimeoutMs, random } = settings
    if (recoveryBackoff === undefined) return recoveryTimeoutMs
    try {
      const attempt = Math.max(1, this.trips)
      const delayMs = recoveryBackoff.delayMs({ attempt, previousDelayMs: this.#previousMs, random })
      if (delayMs >= 0) return Math.min(delayMs, MAX_OPEN_MS)
      throw new RangeError(`recoveryBackoff: the delay must be a number from 0 milliseconds, got ${String(delayMs)}`)
    } catch (error) {
      onFault(error)
      return recoveryTimeoutMs
    }
  }
}

function ignored(): void {}

/** What the remote asked for, in milliseconds; 0 when nothing that makes sense. */
function hintOf(info: OutcomeInfo | undefined): number {
  const hint = info?.retryAfterMs ?? hintOfError(info?.error)
  return typeof hint === 'number' && hint > 0 ? hint : 0
}

/** Of any error: those of other libraries that carry the same field mean the same by it. */
function hintOfError(error: unknown): unknown {
  try {
    return (error as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs
  } catch {
    // A getter of a user's own; his error is the outcome, not this.
    return undefined
  }
}

import { type Clock, type Timer, timerEpoch, unref } from '../time/clock.ts'
import { LATE_MS } from '../time/deadline.ts'

/**
 * Who has to show a sign of life by when. Not a `DeadlineQueue`: lease lengths are the instances' own choice and may
 * all differ, and a registry that only waits for silence must not keep its process alive.
 *
 * Renewing is one assignment. The one timer stands at what was the earliest end when it was armed; when it fires, the
 * leases are gone through once, and it is armed again.
 */

interface Lease {
  readonly leaseMs: number
  dueAt: number
}

/** At most one pass over the leases in this time: with thousands of them, each end would otherwise cost a pass. */
const SWEEP_GAP_MS = 100

export class Leases {
  readonly #clock: Clock
  readonly #onLapse: (key: string) => void
  readonly #leases = new Map<string, Lease>()
  #timer: Timer | undefined
  #timerDueAt = 0
  #epoch: unknown
  #lastNow = Number.NEGATIVE_INFINITY
  #graceGiven = false

  constructor(clock: Clock, onLapse: (key: string) => void) {
    this.#clock = clock
    this.#onLapse = onLapse
  }

  get size(): number {
    return this.#leases.size
  }

  /** Begins a lease, or begins it anew. */
  grant(key: string, leaseMs: number): void {
    const now = this.#now()
    const lease = { leaseMs, dueAt: now + leaseMs }
    this.#leases.set(key, lease)
    if (this.#epoch !== timerEpoch()) this.#armForEarliest(now)
    else if (this.#timer === undefined || lease.dueAt < this.#timerDueAt) this.#arm(now, lease.dueAt)
  }

  /** A sign of life. */
  renew(key: string): void {
    const lease = this.#leases.get(key)
    if (lease === undefined) return
    const now = this.#now()
    lease.dueAt = now + lease.leaseMs
    if (this.#epoch !== timerEpoch()) this.#armForEarliest(now)
  }

  end(key: string): void {
    this.#leases.delete(key)
    if (this.#leases.size === 0) this.#disarm()
  }

  close(): void {
    this.#leases.clear()
    this.#disarm()
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    const late = this.#clock.now() - this.#timerDueAt > LATE_MS
    const now = this.#now()
    if (late && !this.#graceGiven) {
      // The loop was busy or the machine asleep: heartbeats may wait unread in the sockets. One turn for them first.
      this.#graceGiven = true
      this.#arm(now, now)
      return
    }
    this.#graceGiven = false
    const lapsed: string[] = []
    for (const [key, lease] of this.#leases) if (lease.dueAt <= now) lapsed.push(key)
    for (const key of lapsed) this.#leases.delete(key)
    this.#armForEarliest(now, now + SWEEP_GAP_MS)
    for (const key of lapsed) this.#onLapse(key)
  }

  #armForEarliest(now: number, notBefore = now): void {
    let earliest = Number.POSITIVE_INFINITY
    for (const lease of this.#leases.values()) earliest = Math.min(earliest, lease.dueAt)
    if (earliest === Number.POSITIVE_INFINITY) this.#disarm()
    else this.#arm(now, Math.max(earliest, notBefore))
  }

  #arm(now: number, dueAt: number): void {
    this.#disarm()
    const waitMs = Math.max(0, Math.ceil(dueAt - now))
    this.#epoch = timerEpoch()
    this.#timerDueAt = now + waitMs
    this.#timer = this.#clock.setTimeout(this.#fire, waitMs)
    unref(this.#timer)
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** A clock that went backwards (fake timers installed late) starts every lease again: none hangs, none ends early. */
  #now(): number {
    const now = this.#clock.now()
    if (now < this.#lastNow) {
      for (const lease of this.#leases.values()) lease.dueAt = now + lease.leaseMs
      this.#lastNow = now
      this.#armForEarliest(now)
    }
    this.#lastNow = now
    return now
  }
}

import { type Clock, ref, type Timer, timerEpoch, unref } from './clock.ts'

/**
 * Deadlines of one duration end in the order they began, so a list and one timer serve all of them: adding and
 * cancelling are a pointer each, where a `setTimeout` + `clearTimeout` pair per call costs about 300 ns.
 *
 * Exact: the timer is always armed for the oldest entry, or for one that has been cancelled since (then it finds
 * nothing due and arms itself again).
 */

/** Whatever wants to be told that its time is up. An object, not a closure: the hot path owns one already. */
export interface Expirable {
  expire(): void
}

/** A pending deadline. Cancelling twice, or after it expired, does nothing. */
export interface Deadline {
  cancel(): void
}

/** A timer this late means the event loop was blocked, so answers may be waiting unread in the sockets. */
export const LATE_MS = 50

class Entry implements Deadline {
  dueAt: number
  readonly target: Expirable
  queue: DeadlineQueue | undefined
  previous: Entry | undefined
  next: Entry | undefined

  constructor(dueAt: number, target: Expirable, queue: DeadlineQueue) {
    this.dueAt = dueAt
    this.target = target
    this.queue = queue
  }

  cancel(): void {
    this.queue?.remove(this)
  }
}

/** All pending deadlines of one duration. */
export class DeadlineQueue {
  readonly #durationMs: number
  readonly #clock: Clock
  #head: Entry | undefined
  #tail: Entry | undefined
  #timer: Timer | undefined
  #timerDueAt = 0
  #epoch: unknown
  #lastNow = Number.NEGATIVE_INFINITY
  #graceGiven = false

  constructor(durationMs: number, clock: Clock) {
    this.#durationMs = durationMs
    this.#clock = clock
  }

  get empty(): boolean {
    return this.#head === undefined
  }

  add(target: Expirable): Deadline {
    const now = this.#clock.now()
    if (now < this.#lastNow) this.#rebase(now)
    this.#lastNow = now
    const entry = new Entry(now + this.#durationMs, target, this)
    entry.previous = this.#tail
    if (this.#tail === undefined) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
    if (this.#timer === undefined || this.#epoch !== timerEpoch()) this.#arm(now)
    else if (this.#head === entry) {
      // The timer idled through an empty spell, unref'd; somebody is waiting for it again.
      if (now > this.#timerDueAt + LATE_MS) this.#arm(now)
      else ref(this.#timer)
    }
    return entry
  }

  /** @internal */
  remove(entry: Entry): void {
    entry.queue = undefined
    if (entry.previous === undefined) this.#head = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#tail = entry.previous
    else entry.next.previous = entry.previous
    // Clearing the timer here and arming it at the next call would cost what this queue is there to save.
    if (this.#head === undefined && this.#timer !== undefined) unref(this.#timer)
  }

  #arm(now: number, delayMs = (this.#head as Entry).dueAt - now): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#epoch = timerEpoch()
    const wait = Math.max(0, Math.ceil(delayMs))
    this.#timerDueAt = now + wait
    this.#timer = this.#clock.setTimeout(this.#fire, wait)
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    const now = this.#clock.now()
    if (now < this.#lastNow) this.#rebase(now)
    this.#lastNow = now
    if (this.#head === undefined) return
    if (now - this.#head.dueAt > LATE_MS && !this.#graceGiven) {
      // Give the sockets one turn before declaring anybody late: the answer may have come while the loop was busy.
      this.#graceGiven = true
      this.#arm(now, 0)
      return
    }
    this.#graceGiven = false
    while (this.#head !== undefined && this.#head.dueAt <= now) {
      const entry = this.#head
      this.remove(entry)
      entry.target.expire()
    }
    if (this.#head !== undefined && this.#timer === undefined) this.#arm(now)
  }

  /** The clock went backwards (fake timers installed over a running queue): start every wait again, none hangs. */
  #rebase(now: number): void {
    this.#lastNow = now
    for (let entry = this.#head; entry !== undefined; entry = entry.next) entry.dueAt = now + this.#durationMs
    if (this.#head !== undefined) this.#arm(now)
  }
}

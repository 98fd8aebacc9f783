import { type Clock, MAX_DELAY_MS, ref, type Timer, timerEpoch, timersAreFake, unref } from './clock.ts'
import { type Deadline, type Expirable, LATE_MS } from './deadline.ts'

/**
 * Deadlines of one duration end in the order they began, so a list and one timer serve all of them: adding and
 * cancelling are a pointer each, where a `setTimeout` + `clearTimeout` pair per call costs about 300 ns.
 *
 * Exact: the timer is always armed for the oldest entry, or for one that has been cancelled since (then it finds
 * nothing due and arms itself again).
 */

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

  /** To be called when it is empty and not used any more. */
  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  get empty(): boolean {
    return this.#head === undefined
  }

  /** @param now The time, from a caller who has just read it. */
  add(target: Expirable, now: number = this.#clock.now()): Deadline {
    if (now < this.#lastNow) now = this.#latest()
    this.#lastNow = now
    const entry = new Entry(now + this.#durationMs, target, this)
    entry.previous = this.#tail
    if (this.#tail === undefined) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
    // A timer that is long overdue may have been lost (fake timers were cleared).
    const lost = this.#timer === undefined || this.#epoch !== timerEpoch() || now > this.#timerDueAt + LATE_MS
    if (lost) this.#arm(now)
    // The timer idled through an empty spell, unref'd; somebody is waiting for it again.
    else if (this.#head === entry) ref(this.#timer as Timer)
    return entry
  }

  /** Older than what others knew: read before they came, or the clock went backwards. Only the clock itself can tell. */
  #latest(): number {
    const now = this.#clock.now()
    if (now < this.#lastNow) this.#rebase(now)
    return now
  }

  /** @internal */
  remove(entry: Entry): void {
    entry.queue = undefined
    if (entry.previous === undefined) this.#head = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#tail = entry.previous
    else entry.next.previous = entry.previous
    // An old entry that still pointed on would keep the younger alive until the next full collection, and those others.
    entry.previous = undefined
    entry.next = undefined
    // Clearing the timer here and arming it at the next call would cost what this queue is there to save.
    if (this.#head === undefined && this.#timer !== undefined) this.#idle(this.#timer)
  }

  /** Nobody waits any more. On real timers the timer is kept: arming it anew at the next call is what costs. */
  #idle(timer: Timer): void {
    if (timersAreFake()) {
      this.#clock.clearTimeout(timer)
      this.#timer = undefined
    } else unref(timer)
  }

  #arm(now: number, delayMs = (this.#head as Entry).dueAt - now): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#epoch = timerEpoch()
    // An injected clock may not know that Node fires at once what is too far away; firing early only arms again.
    const wait = Math.min(Math.max(0, Math.ceil(delayMs)), MAX_DELAY_MS)
    this.#timerDueAt = now + wait
    this.#timer = this.#clock.setTimeout(this.#fire, wait)
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    const now = this.#clock.now()
    if (now < this.#lastNow) this.#rebase(now)
    this.#lastNow = now
    const late = this.#head !== undefined && now - this.#head.dueAt > LATE_MS
    this.#graceGiven = late && !this.#graceGiven
    if (this.#graceGiven) {
      this.#arm(now, 0)
      return
    }
    try {
      while (this.#head !== undefined && this.#head.dueAt <= now) {
        const entry = this.#head
        this.remove(entry)
        entry.target.expire()
      }
    } finally {
      // Also when a target threw: the others must not wait for ever.
      if (this.#head !== undefined && this.#timer === undefined) this.#arm(now)
    }
  }

  /** The clock went backwards (fake timers installed over a running queue): start every wait again, none hangs. */
  #rebase(now: number): void {
    this.#lastNow = now
    for (let entry = this.#head; entry !== undefined; entry = entry.next) entry.dueAt = now + this.#durationMs
    if (this.#head !== undefined) this.#arm(now)
  }
}

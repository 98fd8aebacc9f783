import type { Clock, Timer } from './clock.ts'
import { type Deadline, DeadlineQueue, type Expirable, LATE_MS } from './deadline-queue.ts'

/**
 * Hands out deadlines of any duration. Configured durations are few and recur, so each gets a {@link DeadlineQueue};
 * what remains of somebody's budget is a different number each time, and gets a timer of its own.
 */
export class Deadlines {
  /** More distinct durations than this are not configuration but data: they must not grow a map. */
  static readonly MAX_QUEUES = 64

  readonly #clock: Clock
  readonly #queues = new Map<number, DeadlineQueue>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `target.expire()` after `durationMs`, unless cancelled before. */
  add(durationMs: number, target: Expirable): Deadline {
    const queue = this.#queues.get(durationMs) ?? this.#makeQueue(durationMs)
    return queue === undefined ? new SingleDeadline(durationMs, this.#clock, target) : queue.add(target)
  }

  #makeQueue(durationMs: number): DeadlineQueue | undefined {
    if (!Number.isInteger(durationMs) || this.#queues.size >= Deadlines.MAX_QUEUES) return undefined
    const queue = new DeadlineQueue(durationMs, this.#clock)
    this.#queues.set(durationMs, queue)
    return queue
  }
}

class SingleDeadline implements Deadline {
  readonly #clock: Clock
  readonly #target: Expirable
  readonly #dueAt: number
  #timer: Timer | undefined

  constructor(durationMs: number, clock: Clock, target: Expirable) {
    this.#clock = clock
    this.#target = target
    this.#dueAt = clock.now() + durationMs
    this.#timer = clock.setTimeout(() => this.#fire(), Math.max(0, Math.ceil(durationMs)))
  }

  #fire(): void {
    this.#timer = undefined
    if (this.#clock.now() - this.#dueAt > LATE_MS) {
      // As in the queue: one turn for the sockets before anybody is declared late.
      this.#timer = this.#clock.setTimeout(() => {
        this.#timer = undefined
        this.#target.expire()
      }, 0)
    } else this.#target.expire()
  }

  cancel(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

const shared = /* @__PURE__ */ new WeakMap<Clock, Deadlines>()

/** The deadlines of a clock, shared by everybody who uses that clock: one timer per duration in the whole process. */
export function deadlinesOf(clock: Clock): Deadlines {
  let deadlines = shared.get(clock)
  if (deadlines === undefined) {
    deadlines = new Deadlines(clock)
    shared.set(clock, deadlines)
  }
  return deadlines
}

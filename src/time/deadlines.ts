import type { Clock } from './clock.ts'
import type { Deadline, Expirable } from './deadline.ts'
import { DeadlineQueue } from './deadline-queue.ts'
import { SingleDeadline } from './single-deadline.ts'

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

  /** Calls `target.expire()` after `durationMs`, unless cancelled before. `now`: the time, for who has just read it. */
  add(durationMs: number, target: Expirable, now?: number): Deadline {
    const queue = this.#queues.get(durationMs) ?? this.#makeQueue(durationMs)
    return queue === undefined ? new SingleDeadline(durationMs, this.#clock, target) : queue.add(target, now)
  }

  #makeQueue(durationMs: number): DeadlineQueue | undefined {
    if (!Number.isInteger(durationMs) || (this.#queues.size >= Deadlines.MAX_QUEUES && !this.#dropOne()))
      return undefined
    const queue = new DeadlineQueue(durationMs, this.#clock)
    this.#queues.set(durationMs, queue)
    return queue
  }

  /** Makes room by the first queue that nobody waits in: limits given per call must not keep out those that recur. */
  #dropOne(): boolean {
    for (const [durationMs, queue] of this.#queues) {
      if (!queue.empty) continue
      queue.close()
      this.#queues.delete(durationMs)
      return true
    }
    return false
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

import { type Clock, type Timer, unref } from '../time/clock.ts'
import type { Random } from '../time/random.ts'

/**
 * When checks run: each in its own rhythm, so many at once at most. Apart from what a check is, so that the spreading
 * can be tested without one.
 *
 * The rhythm is jittered by a tenth: a thousand instances that registered in one second after a restart drift apart
 * instead of being checked in one second for ever. The next interval begins when a check ended, so a slow one is never
 * overtaken by its own successor.
 */

export interface CheckScheduleOptions {
  readonly intervalMs: number
  readonly concurrency: number
  readonly clock: Clock
  readonly random: Random
}

/** A check that comes again and again until it is cancelled. */
export interface Planned {
  cancel(): void
}

interface Entry {
  readonly run: () => Promise<void>
  timer: Timer | undefined
  cancelled: boolean
}

const JITTER = 0.1

export class CheckSchedule {
  readonly #options: CheckScheduleOptions
  /** In the order in which they came due; bounded, because each entry stands here once at most. */
  readonly #waiting = new Set<Entry>()
  #running = 0

  constructor(options: CheckScheduleOptions) {
    this.#options = options
  }

  add(run: () => Promise<void>): Planned {
    const { intervalMs, random } = this.#options
    const entry: Entry = { run, timer: undefined, cancelled: false }
    // Soon, because a starting instance waits for it, but not all in one moment.
    this.#arm(entry, random() * intervalMs * JITTER)
    return { cancel: () => this.#cancel(entry) }
  }

  #arm(entry: Entry, delayMs: number): void {
    entry.timer = this.#options.clock.setTimeout(() => {
      entry.timer = undefined
      this.#waiting.add(entry)
      this.#startSome()
    }, delayMs)
    unref(entry.timer)
  }

  #startSome(): void {
    for (const entry of this.#waiting) {
      if (this.#running >= this.#options.concurrency) return
      this.#waiting.delete(entry)
      this.#running += 1
      const ended = (): void => this.#ended(entry)
      entry.run().then(ended, ended)
    }
  }

  #ended(entry: Entry): void {
    const { intervalMs, random } = this.#options
    this.#running -= 1
    if (!entry.cancelled) this.#arm(entry, intervalMs * (1 - JITTER + random() * 2 * JITTER))
    this.#startSome()
  }

  #cancel(entry: Entry): void {
    entry.cancelled = true
    this.#waiting.delete(entry)
    if (entry.timer !== undefined) this.#options.clock.clearTimeout(entry.timer)
    entry.timer = undefined
  }
}

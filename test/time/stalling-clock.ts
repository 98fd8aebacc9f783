import type { Clock, Timer } from '../../src/time/clock.ts'

/** A clock whose time can pass without its timers firing, as when the event loop is blocked; or run backwards. */
export class StallingClock implements Clock {
  #now: number
  #next = 1
  readonly timers = new Map<number, { readonly dueAt: number; readonly delayMs: number; readonly run: () => void }>()

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#now
  }

  setTimeout<A extends unknown[]>(callback: (...args: A) => void, delayMs: number, ...args: A): Timer {
    const id = this.#next++
    this.timers.set(id, { dueAt: this.#now + delayMs, delayMs, run: () => callback(...args) })
    return id
  }

  clearTimeout(timer: Timer): void {
    this.timers.delete(timer as number)
  }

  /** Time passes, and nothing runs. */
  stall(ms: number): void {
    this.#now += ms
  }

  jumpTo(ms: number): void {
    this.#now = ms
  }

  /** Runs the timers that are due now, but not those they set. */
  fireDue(): void {
    this.fire((timer) => timer.dueAt <= this.#now)
  }

  /** Runs every timer, due or not. */
  fireAll(): void {
    this.fire(() => true)
  }

  fire(which: (timer: { readonly dueAt: number }) => boolean): void {
    for (const [id, timer] of Array.from(this.timers)) {
      if (!which(timer) || !this.timers.delete(id)) continue
      timer.run()
    }
  }
}

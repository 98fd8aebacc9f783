import type { Clock, Timer } from '../time/clock.ts'

/** A timer waiting in a {@link FakeClock}. */
interface Waiting {
  readonly dueAt: number
  readonly order: number
  readonly run: () => void
}

/**
 * A clock that stands still until told to move. When to use: where fake timers are not wanted (simulations, several
 * clocks in one process); otherwise `vi.useFakeTimers()` drives every primitive without it.
 *
 * @example
 * const clock = new FakeClock()
 * const breaker = new CircuitBreaker({ clock })
 * await clock.advance(60_000)
 */
export class FakeClock implements Clock {
  #now: number
  #order = 0
  readonly #waiting = new Map<number, Waiting>()

  /** @param startMs What `now` and `wallNow` begin with, in milliseconds. */
  constructor(startMs = 0) {
    this.#now = startMs
  }

  readonly now = (): number => this.#now
  readonly wallNow = (): number => this.#now

  /** Timers that have not fired. */
  get pending(): number {
    return this.#waiting.size
  }

  readonly setTimeout = <A extends unknown[]>(callback: (...args: A) => void, delayMs: number, ...args: A): Timer => {
    this.#order += 1
    const run = (): void => callback(...args)
    this.#waiting.set(this.#order, { dueAt: this.#now + Math.max(1, delayMs), order: this.#order, run })
    return this.#order
  }

  readonly clearTimeout = (timer: Timer): void => {
    this.#waiting.delete(timer as number)
  }

  /** Moves time on by `ms`, firing what is due in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms
    await settle()
    for (let next = this.#next(); next !== undefined && next.dueAt <= target; next = this.#next()) {
      this.#waiting.delete(next.order)
      this.#now = Math.max(this.#now, next.dueAt)
      next.run()
      await settle()
    }
    this.#now = target
    await settle()
  }

  #next(): Waiting | undefined {
    let earliest: Waiting | undefined
    for (const waiting of this.#waiting.values()) {
      if (earliest === undefined || waiting.dueAt < earliest.dueAt) earliest = waiting
    }
    return earliest
  }
}

/** Long enough for a chain of awaits; a macrotask would need the very timers this clock replaces. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve()
}

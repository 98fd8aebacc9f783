import { type HeapNode, IndexedHeap } from '../balancing/indexed-heap.ts'
import type { Clock, Timer } from '../time/clock.ts'

/** A timer waiting in a {@link FakeClock}: earliest first, and of two that are due together the one set first. */
interface Waiting extends HeapNode {
  readonly run: () => void
}

/**
 * A clock that stands still until told to move. When to use: where fake timers are not wanted (several clocks in one
 * process, a step by step test); otherwise `vi.useFakeTimers()` drives every primitive without it. For many calls under
 * load there is {@link Simulation}.
 *
 * @example
 * const clock = new FakeClock()
 * const breaker = new CircuitBreaker({ clock })
 * await clock.advance(60_000)
 */
export class FakeClock implements Clock {
  #now: number
  #order = 0
  readonly #waiting = new IndexedHeap<Waiting>()

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
    const waiting: Waiting = { key: this.#now + Math.max(1, delayMs), tie: this.#order, at: -1, run }
    this.#waiting.push(waiting)
    return waiting
  }

  readonly clearTimeout = (timer: Timer): void => {
    const waiting = timer as Waiting | undefined
    if (waiting !== undefined && waiting.at >= 0) this.#waiting.remove(waiting)
  }

  /** Moves time on by `ms`, firing what is due in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms
    await settle()
    for (let next = this.#waiting.top; next !== undefined && next.key <= target; next = this.#waiting.top) {
      this.#waiting.remove(next)
      this.#now = Math.max(this.#now, next.key)
      next.run()
      await settle()
    }
    this.#now = target
    await settle()
  }
}

/** Long enough for a chain of awaits; a macrotask would need the very timers this clock replaces. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve()
}

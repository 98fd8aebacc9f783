// A turn of the event loop, not a wait: it lets every promise settle, however long the chain, and carries no time.
// oxlint-disable-next-line no-restricted-imports
import { setImmediate } from 'node:timers/promises'
import { type HeapNode, IndexedHeap } from '../balancing/indexed-heap.ts'
import { OptionReader } from '../core/options.ts'
import type { Clock, Timer } from '../time/clock.ts'
import { type Random, seededRandom } from '../time/random.ts'

export interface SimulationOptions {
  /** The same seed gives the same run, an integer from 0. @default 1 */
  readonly seed?: number
}

/** Something that will happen. Earliest first, and of two at the same moment the one planned first. */
class Happening implements HeapNode {
  key: number
  tie: number
  at = -1
  readonly callback: (argument: never) => void
  readonly argument: unknown

  constructor(key: number, tie: number, callback: (argument: never) => void, argument: unknown) {
    this.key = key
    this.tie = tie
    this.callback = callback
    this.argument = argument
  }
}

/** What {@link Simulation.after} returned, for {@link Simulation.cancel}. */
export type PlannedEvent = object

/**
 * Virtual time with an event heap: a day of traffic in seconds, the same each time.
 *
 * When to use: to see what a policy does to a service under load, before production shows it. It is a `Clock`: hand it
 * to every primitive as `clock`, and `simulation.random` as `random`, and the real classes run in it.
 *
 * Gotchas: `run` never lets a promise settle, so it is for the decision cores (`tryAcquire`, `acquire`, `decide`) that
 * {@link SimulatedClient} uses; work that awaits (`execute`, `pipeline`) needs `runAsync`. A primitive that was not given
 * this clock lives in real time and sees none of it pass.
 *
 * @example
 * const simulation = new Simulation({ seed: 7 })
 * const server = new SimulatedServer(simulation, { serviceMs: exponential(5) })
 * const client = new SimulatedClient(simulation, { servers: [server], attemptTimeoutMs: 100 })
 * arrivals(simulation, { perSecond: 150, untilMs: 60_000 }, () => client.call())
 * simulation.run()
 * client.meter.latencyMs.quantile(0.99)
 */
export class Simulation implements Clock {
  readonly seed: number
  /** Chance for whoever has no {@link stream} of its own. */
  readonly random: Random
  readonly #heap = new IndexedHeap<Happening>()
  #now = 0
  #planned = 0
  #happened = 0
  #running = false

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: SimulationOptions) {
    const read = new OptionReader('Simulation', options)
    this.seed = read.number('seed', { default: 1, min: 0, max: 2 ** 32 - 1, integer: true })
    read.end()
    this.random = seededRandom(this.seed)
  }

  /** Milliseconds since the simulation began. */
  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#now
  }

  /** Events that have not happened. */
  get pending(): number {
    return this.#heap.size
  }

  /** Events that have happened. */
  get happened(): number {
    return this.#happened
  }

  /**
   * Chance of one's own, the same for the same seed and name: whoever draws more or less than in another run does not
   * change what the others draw, so that two policies can be compared on the same traffic.
   */
  stream(name: string): Random {
    // FNV-1a (Fowler, Noll, Vo): names that differ in one letter must not begin alike.
    let hash = 0x811c9dc5
    for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) as number), 0x01000193)
    return seededRandom((hash ^ Math.imul(this.seed + 1, 0x9e3779b1)) >>> 0)
  }

  /** Calls `callback(argument)` in `delayMs`, from 0 and to any fraction. */
  after<A>(delayMs: number, callback: (argument: A) => void, argument: A): PlannedEvent {
    if (!(delayMs >= 0)) throw new RangeError(`Simulation: delayMs must be a number from 0, got ${String(delayMs)}`)
    this.#planned += 1
    const happening = new Happening(this.#now + delayMs, this.#planned, callback, argument)
    this.#heap.push(happening)
    return happening
  }

  /** Calls `callback` at `timeMs`, or now when that is past. */
  at(timeMs: number, callback: () => void): PlannedEvent {
    return this.after(Math.max(0, timeMs - this.#now), callback, undefined)
  }

  /** Takes back what was planned; does nothing when it has happened. */
  cancel(event: PlannedEvent): void {
    const happening = event as Happening
    if (happening.at >= 0) this.#heap.remove(happening)
  }

  /** As Node's: no delay is shorter than a millisecond. */
  setTimeout<A extends unknown[]>(callback: (...args: A) => void, delayMs: number, ...args: A): Timer {
    return this.after(delayMs >= 1 ? delayMs : 1, (given: A) => callback(...given), args)
  }

  clearTimeout(timer: Timer | undefined): void {
    if (timer instanceof Happening) this.cancel(timer)
  }

  /**
   * Lets everything up to `untilMs` happen, that moment included; without it, until nothing is left to happen.
   *
   * @throws what a callback throws; the simulation can be run on.
   */
  run(untilMs: number = Number.POSITIVE_INFINITY): void {
    this.#begin()
    try {
      for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
        next.callback(next.argument as never)
      }
      this.#arrive(untilMs)
    } finally {
      this.#running = false
    }
  }

  /** {@link run} for work that awaits: after every event, all promises settle before the next. */
  async runAsync(untilMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.#begin()
    try {
      await setImmediate()
      for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
        next.callback(next.argument as never)
        await setImmediate()
      }
      this.#arrive(untilMs)
    } finally {
      this.#running = false
    }
  }

  #begin(): void {
    if (this.#running)
      throw new Error('the simulation is running: plan events with after(), it cannot be run inside one')
    this.#running = true
  }

  #next(untilMs: number): Happening | undefined {
    const next = this.#heap.top
    if (next === undefined || next.key > untilMs) return undefined
    this.#heap.remove(next)
    this.#now = next.key
    this.#happened += 1
    return next
  }

  #arrive(untilMs: number): void {
    if (untilMs !== Number.POSITIVE_INFINITY) this.#now = Math.max(this.#now, untilMs)
  }
}

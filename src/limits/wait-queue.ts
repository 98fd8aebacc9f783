import type { CallContext } from '../core/context.ts'
import type { Permit } from '../core/outcome.ts'
import { IndexedHeap, type Ranked } from './indexed-heap.ts'

/** Whose turn is next among those of the same priority: who came first, or who came last. */
export type QueueOrder = 'fifo' | 'lifo'

/** A call that waits its turn. */
export class Waiter {
  readonly priority: number
  /** Its permit, or why there is none. */
  readonly turn: Promise<Permit>
  /** @internal The waiters of its priority, while it is among them. */
  band: Band | undefined
  /** @internal */
  previous: Waiter | undefined
  /** @internal */
  next: Waiter | undefined
  readonly grant: (permit: Permit) => void
  readonly refuse: (reason: unknown) => void

  constructor(priority: number) {
    const { promise, resolve, reject } = Promise.withResolvers<Permit>()
    this.priority = priority
    this.turn = promise
    this.grant = resolve
    this.refuse = reject
  }
}

/** The waiters of one priority, in the order they came. */
interface Band extends Ranked {
  head: Waiter | undefined
  tail: Waiter | undefined
}

/**
 * Waiters by priority, higher first. Leaving from anywhere is O(1), so that a thousand aborts cost a thousand steps;
 * joining with a priority that nobody else waits with is O(log n) of the priorities there are, otherwise O(1) too.
 */
export class WaitQueue {
  /** None is empty, so there are never more than waiters. */
  readonly #bands = new Map<number, Band>()
  readonly #lowest = new IndexedHeap<Band>(0)
  readonly #highest = new IndexedHeap<Band>(1)
  #size = 0

  get size(): number {
    return this.#size
  }

  add(waiter: Waiter): void {
    const band = this.#band(waiter.priority)
    waiter.band = band
    waiter.previous = band.tail
    if (band.tail === undefined) band.head = waiter
    else band.tail.next = waiter
    band.tail = waiter
    this.#size += 1
  }

  /** Who is served first. */
  first(order: QueueOrder): Waiter | undefined {
    const band = this.#highest.first
    return order === 'fifo' ? band?.head : band?.tail
  }

  /** Who would be served last. */
  last(order: QueueOrder): Waiter | undefined {
    const band = this.#lowest.first
    return order === 'fifo' ? band?.tail : band?.head
  }

  /** False for one who has left already. */
  remove(waiter: Waiter): boolean {
    const { band, previous, next } = waiter
    if (band === undefined) return false
    if (previous === undefined) band.head = next
    else previous.next = next
    if (next === undefined) band.tail = previous
    else next.previous = previous
    waiter.band = undefined
    waiter.previous = undefined
    waiter.next = undefined
    if (band.head === undefined) {
      this.#bands.delete(band.priority)
      this.#lowest.remove(band)
      this.#highest.remove(band)
    }
    this.#size -= 1
    return true
  }

  #band(priority: number): Band {
    const found = this.#bands.get(priority)
    if (found !== undefined) return found
    const band: Band = { priority, slots: [0, 0], head: undefined, tail: undefined }
    this.#bands.set(priority, band)
    this.#lowest.add(band)
    this.#highest.add(band)
    return band
  }
}

/** The priority of a call; what is no number counts as the default, since no order could be kept with it. */
export function priorityOf({ priority }: Pick<CallContext, 'priority'>): number {
  return typeof priority === 'number' && !Number.isNaN(priority) ? priority : 0
}

import { type Gate, type Pass, REFUSED } from '../core/gate.ts'
import type { Clock } from '../time/clock.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import type { Interruptible } from '../time/sleep.ts'

/** Callers that wait until the probes have decided, first come, first served. Only while somebody waits is there a timer. */

/** Leave that was waited for. */
export interface Ticket {
  readonly pass: Pass
  readonly generation: number
}

interface Waiter {
  readonly admit: (ticket: Ticket) => void
  readonly refuse: (error: unknown) => void
}

/** Whose queue it is. Told when it has to look again, because nobody else may come. */
export interface Door extends Expirable {
  /** Leave for whoever comes next, or REFUSED. */
  ask(): Pass
  /** Whether waiting makes sense at all, now. */
  open(): boolean
  /** Counts a refusal, and makes its error. */
  refuse(): Error
}

export class ProbeQueue {
  readonly #clock: Clock
  readonly #gate: Gate
  readonly #door: Door
  /** A set keeps its order and forgets anybody at once: the middle of a queue leaves by an abort. */
  readonly #waiters = new Set<Waiter>()
  #timer: Deadline | undefined

  constructor(clock: Clock, gate: Gate, door: Door) {
    this.#clock = clock
    this.#gate = gate
    this.#door = door
  }

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves with leave; rejects when it is refused, or with the scope's reason as soon as that aborts. */
  wait(scope: Interruptible): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      if (scope.aborted) {
        reject(scope.reason)
        return
      }
      const waiter: Waiter = {
        admit: (ticket) => {
          forget()
          resolve(ticket)
        },
        refuse: (error) => {
          forget()
          reject(error)
        },
      }
      const forget = scope.onAbort(() => {
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) this.#sleep()
        reject(scope.reason)
      })
      this.#waiters.add(waiter)
    })
  }

  /** Lets in whom the door lets in, first come, first served. */
  serve(): void {
    const door = this.#door
    const gate = this.#gate
    while (this.#waiters.size > 0) {
      const pass = door.ask()
      if (pass === REFUSED && gate.probing && door.open()) {
        this.#sleep()
        this.#timer = new SingleDeadline(gate.nextMs(this.#clock.now()), this.#clock, door)
        return
      }
      const [first] = this.#waiters
      // To ask may be to move, and whoever heard of that may have been here before us.
      if (first === undefined) {
        gate.release(pass)
        break
      }
      this.#waiters.delete(first)
      if (pass === REFUSED) first.refuse(door.refuse())
      else first.admit({ pass, generation: gate.generation })
    }
    this.#sleep()
  }

  #sleep(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

import { type Clock, MAX_DELAY_MS, type Timer } from './clock.ts'
import { type Deadline, type Expirable, LATE_MS } from './deadline.ts'

/** A deadline with a timer of its own: for durations that do not recur. */
export class SingleDeadline implements Deadline {
  readonly #clock: Clock
  #timer: Timer | undefined

  constructor(durationMs: number, clock: Clock, target: Expirable) {
    this.#clock = clock
    const dueAt = clock.now() + durationMs
    this.#arm(durationMs, () => {
      // One turn for the sockets before anybody is declared late.
      if (clock.now() - dueAt > LATE_MS) this.#arm(0, () => target.expire())
      else target.expire()
    })
  }

  cancel(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(delayMs: number, onFire: () => void): void {
    // An injected clock may not know that Node fires at once what is too far away.
    const wait = Math.min(Math.ceil(delayMs), MAX_DELAY_MS)
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      if (wait < delayMs) this.#arm(delayMs - wait, onFire)
      else onFire()
    }, wait)
  }
}

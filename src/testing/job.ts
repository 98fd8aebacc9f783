import type { HeapNode } from '../balancing/indexed-heap.ts'
import type { PlannedEvent } from './simulation.ts'

/**
 * What came back. `failed`: an error from the server; `full`: its queue had no room; `refused`: nothing listens there;
 * `lost`: the server died while it had the request.
 */
export type Answer = 'ok' | 'failed' | 'full' | 'refused' | 'lost'

/** Who waits for an answer. An object, not a closure: whoever calls owns one already. */
export interface Recipient {
  /** Once at most: not at all when the request vanished or was abandoned. */
  answered(answer: Answer): void
}

/** Who has a job, and does what is to be done when nobody waits for it any more. */
export interface JobKeeper {
  abandoned(job: Job): void
}

/** One request on a server. The fields are the station's, each discipline uses some. */
export class Job implements HeapNode {
  /** Milliseconds of work left, at normal speed. */
  workMs: number
  key = 0
  tie = 0
  at = -1
  previous: Job | undefined
  next: Job | undefined
  event: PlannedEvent | undefined
  /** Whether a station took it in; until it is finished or abandoned, which both make it forget its keeper, it has it. */
  held = false
  #recipient: Recipient | undefined
  #keeper: JobKeeper | undefined

  constructor(recipient: Recipient, workMs: number, keeper: JobKeeper) {
    this.#recipient = recipient
    this.workMs = workMs
    this.#keeper = keeper
  }

  /** Whether nobody waits for the answer. */
  get abandoned(): boolean {
    return this.#recipient === undefined
  }

  /** The caller has left. Whether the server notices is the server's business (`abandoned`). */
  abandon(): void {
    if (this.#recipient === undefined) return
    this.#recipient = undefined
    const keeper = this.#keeper
    this.#keeper = undefined
    keeper?.abandoned(this)
  }

  /** @internal */
  finish(answer: Answer): void {
    const recipient = this.#recipient
    this.#recipient = undefined
    this.#keeper = undefined
    recipient?.answered(answer)
  }
}

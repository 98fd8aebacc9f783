/**
 * The calls in flight of one client, so that closing can wait for them and end those that stay.
 *
 * A list through the calls themselves and not a Set: at forty thousand calls a second a Set's table, old by then and
 * rewritten all the time, kept dead calls alive through young collections: 7 µs of the 30 µs that a call then took.
 */

/** A call, as far as closing goes. The links belong to the list. */
export interface InFlightCall {
  close(): void
  before: InFlightCall | undefined
  after: InFlightCall | undefined
}

export class InFlight {
  #first: InFlightCall | undefined
  #onEmpty: (() => void) | undefined

  add(call: InFlightCall): void {
    const first = this.#first
    call.after = first
    if (first !== undefined) first.before = call
    this.#first = call
  }

  /** Each call once, after it was added. */
  delete(call: InFlightCall): void {
    const { before, after } = call
    if (before !== undefined) before.after = after
    else this.#first = after
    if (after !== undefined) after.before = before
    call.before = undefined
    call.after = undefined
    if (this.#onEmpty !== undefined && this.#first === undefined) this.#onEmpty()
  }

  /** Calls `onEmpty` as soon as there is no call; at once when there is none now. */
  whenEmpty(onEmpty: () => void): void {
    if (this.#first === undefined) onEmpty()
    else this.#onEmpty = onEmpty
  }

  /** All of them now; what ends meanwhile is still among them. */
  all(): readonly InFlightCall[] {
    const calls: InFlightCall[] = []
    for (let call = this.#first; call !== undefined; call = call.after) calls.push(call)
    return calls
  }
}

import type { Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/policy.ts'
import type { Hedge } from '../retry/hedge.ts'
import type { AttemptOwner, SimulatedAttempt } from './simulated-attempt.ts'
import type { ClientParts } from './client-parts.ts'
import type { PlannedEvent } from './simulation.ts'

/** @internal The call that a round belongs to. */
export interface HedgedCaller {
  readonly parts: ClientParts
  readonly deadline: number | undefined
  launch(owner: AttemptOwner): SimulatedAttempt | Refusal
  refused(refusal: Refusal): void
  ended(attempt: undefined, outcome: Outcome): void
}

/** @internal Attempts beside each other, of which the first to answer wins: `Hedge.execute` through its decision core. */
export class HedgedRound implements AttemptOwner {
  readonly parts: ClientParts
  readonly #call: HedgedCaller
  readonly #hedge: Hedge
  readonly #beganMs: number
  readonly #delayMs: number | undefined
  readonly #running: SimulatedAttempt[] = []
  #first: SimulatedAttempt | undefined
  #begun = 0
  #event: PlannedEvent | undefined

  constructor(call: HedgedCaller, hedge: Hedge) {
    this.parts = call.parts
    this.#call = call
    this.#hedge = hedge
    this.#beganMs = this.parts.simulation.now()
    this.#delayMs = hedge.delayMs()
  }

  begin(): void {
    const answer = this.#call.launch(this)
    if ('refused' in answer) {
      this.#call.refused(answer)
      return
    }
    this.#first = answer
    this.#started(answer)
  }

  ended(attempt: SimulatedAttempt, outcome: Outcome): void {
    this.#running.splice(this.#running.indexOf(attempt), 1)
    const { simulation } = this.parts
    if (this.#event !== undefined) simulation.cancel(this.#event)
    this.#event = undefined
    if (attempt === this.#first) this.#sample(outcome.ok)
    if (!outcome.ok) {
      // Somebody else may do better, and need not wait for that.
      this.#another()
      if (this.#running.length > 0) return
    }
    for (const other of this.#running.splice(0)) {
      if (other === this.#first) this.#sample(false)
      other.abandon()
    }
    this.#call.ended(undefined, outcome)
  }

  readonly #another = (): void => {
    this.#event = undefined
    const { deadline } = this.#call
    if (!this.#hedge.decide({ attempts: this.#begun, deadline }).hedge) return
    const answer = this.#call.launch(this)
    if (!('refused' in answer)) this.#started(answer)
  }

  #started(attempt: SimulatedAttempt): void {
    this.#begun += 1
    this.#running.push(attempt)
    const delayMs = this.#hedge.delayMs()
    if (delayMs !== undefined) this.#event = this.parts.simulation.after(delayMs, this.#another, undefined)
  }

  /** How long the first took, or how long it had not answered when it failed or lost, if that is longer than usual. */
  #sample(answered: boolean): void {
    const elapsedMs = this.parts.simulation.now() - this.#beganMs
    const late = this.#delayMs !== undefined && elapsedMs >= this.#delayMs
    if (answered || late) this.#hedge.record(elapsedMs)
  }
}

import type { Lease } from '../balancing/lease.ts'
import { CallScope } from '../core/context.ts'
import { TimeoutError } from '../core/errors.ts'
import type { Outcome, Permit } from '../core/outcome.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { deadlinesOf } from '../time/deadlines.ts'
import type { ClientParts } from './client-parts.ts'
import type { Answer, Job, Recipient } from './job.ts'
import { SimulatedFailure } from './simulated-failure.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** Failures carry nothing of the call they ended, so one of each kind serves all: making an error costs microseconds. */
const OUTCOMES: Readonly<Record<Answer, Outcome>> = /* @__PURE__ */ Object.freeze({
  ok: { ok: true, value: undefined },
  failed: { ok: false, error: /* @__PURE__ */ new SimulatedFailure('failed', 'server') },
  full: { ok: false, error: /* @__PURE__ */ new SimulatedFailure('full', 'server') },
  refused: { ok: false, error: /* @__PURE__ */ new SimulatedFailure('refused', 'server') },
  lost: { ok: false, error: /* @__PURE__ */ new SimulatedFailure('lost', 'server') },
})

/** @internal Whom an attempt reports to: once, unless it was abandoned. */
export interface AttemptOwner {
  readonly parts: ClientParts
  ended(attempt: SimulatedAttempt, outcome: Outcome): void
}

/** @internal One try on one server. Owns the permits, the lease and the time limit, and gives each back once. */
export class SimulatedAttempt implements Recipient, Expirable {
  readonly #owner: AttemptOwner
  readonly #server: SimulatedServer
  readonly #permits: readonly Permit[]
  readonly #lease: Lease | undefined
  #timedOut: Outcome
  #deadline: Deadline | undefined
  #job: Job | undefined
  #over = false

  constructor(owner: AttemptOwner, server: SimulatedServer, permits: readonly Permit[], lease: Lease | undefined) {
    this.#owner = owner
    this.#server = server
    this.#permits = permits
    this.#lease = lease
    this.#timedOut = owner.parts.timedOut
  }

  /** @param remainingMs What is left for the whole call. */
  begin(remainingMs: number): void {
    const { attemptTimeoutMs, networkMs, random, simulation, timeoutMs } = this.#owner.parts
    const limitMs = Math.min(attemptTimeoutMs, remainingMs)
    if (remainingMs < attemptTimeoutMs) {
      this.#timedOut = { ok: false, error: new TimeoutError(timeoutMs, 'total') }
    }
    if (limitMs !== Number.POSITIVE_INFINITY) {
      this.#deadline = deadlinesOf(simulation).add(limitMs, this, simulation.now())
    }
    if (networkMs === undefined) this.#arrive()
    else simulation.after(networkMs(random), this.#arrive, undefined)
  }

  readonly #arrive = (): void => {
    if (!this.#over) this.#job = this.#server.submit(this)
  }

  answered(answer: Answer): void {
    const { networkMs, random, simulation } = this.#owner.parts
    if (networkMs === undefined) this.#settle(OUTCOMES[answer])
    else simulation.after(networkMs(random), this.#settle, OUTCOMES[answer])
  }

  expire(): void {
    this.#job?.abandon()
    this.#settle(this.#timedOut)
  }

  /** Another one answered first: says nothing about the server. */
  abandon(): void {
    this.#over = true
    this.#deadline?.cancel()
    this.#job?.abandon()
    for (const permit of this.#permits) permit.ignore()
    this.#lease?.ignore()
  }

  readonly #settle = (outcome: Outcome): void => {
    if (this.#over) return
    this.#over = true
    this.#deadline?.cancel()
    const { guards } = this.#owner.parts
    for (const [i, permit] of this.#permits.entries()) guards[i]?.judge(permit, outcome, CallScope.idle)
    if (outcome.ok) this.#lease?.success()
    else this.#lease?.failure({ error: outcome.error })
    this.#owner.ended(this, outcome)
  }
}

import { CallScope } from '../core/context.ts'
import type { Outcome, Permit } from '../core/outcome.ts'
import { isRefusal, isWaiting, type Refusal } from '../core/policy.ts'
import { RetryProgress } from '../retry/progress.ts'
import type { CallEnd } from './call-meter.ts'
import type { ClientParts } from './client-parts.ts'
import { HedgedRound } from './hedged-round.ts'
import { type AttemptOwner, SimulatedAttempt } from './simulated-attempt.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** Pushed to by nobody: without guards there are no permits. */
const NONE: Permit[] = []

/** @internal One call with all its attempts. */
export class SimulatedCall implements AttemptOwner {
  readonly parts: ClientParts
  /** When the whole call must be done. */
  readonly deadline: number | undefined
  readonly #done: ((succeeded: boolean) => void) | undefined
  readonly #key: string | undefined
  readonly #beganMs: number
  #attempts = 0
  #progress: RetryProgress | undefined
  #tried: Set<string> | undefined

  constructor(parts: ClientParts, done: ((succeeded: boolean) => void) | undefined, key: string | undefined) {
    this.parts = parts
    this.#done = done
    this.#key = key
    this.#beganMs = parts.simulation.now()
    this.deadline = parts.timeoutMs === Number.POSITIVE_INFINITY ? undefined : this.#beganMs + parts.timeoutMs
  }

  begin(): void {
    const { hedge, meter, retry } = this.parts
    meter.begin(this.#beganMs)
    retry?.budget?.deposit()
    // A budget that both share is paid into once.
    if (hedge?.budget !== retry?.budget) hedge?.budget?.deposit()
    this.#next()
  }

  readonly #next = (): void => {
    if (this.parts.hedge !== undefined) {
      new HedgedRound(this, this.parts.hedge).begin()
      return
    }
    const answer = this.launch(this)
    if ('refused' in answer) this.refused(answer)
  }

  /** Asks everybody who has a say, and begins an attempt. */
  launch(owner: AttemptOwner): SimulatedAttempt | Refusal {
    const { guards, server, balancer, byId } = this.parts
    const permits: Permit[] = guards.length === 0 ? NONE : []
    for (const guard of guards) {
      const answer = guard.admit(CallScope.idle)
      if (isWaiting(answer)) {
        throw new TypeError(`${guard.info.name} makes calls wait: use execute and Simulation.runAsync`)
      }
      if (isRefusal(answer)) return refuse(answer, permits)
      permits.push(answer)
    }
    if (balancer === undefined) return this.#send(owner, server as SimulatedServer, permits, undefined)
    const lease = balancer.acquire({ key: this.#key, exclude: this.#tried })
    if (lease === undefined) return refuse({ refused: true, error: () => balancer.refusal() }, permits)
    return this.#send(owner, byId.get(lease.instance.id) as SimulatedServer, permits, lease)
  }

  /** This process refused the attempt. */
  refused(refusal: Refusal): void {
    // Made only for whoever asks: an error costs microseconds, and an open breaker refuses everything.
    this.#over('rejected', this.parts.retry === undefined ? undefined : refusal.error())
  }

  ended(_attempt: SimulatedAttempt | undefined, outcome: Outcome): void {
    this.#over(outcome.ok ? 'ok' : 'failed', outcome.ok ? undefined : outcome.error)
  }

  #send(
    owner: AttemptOwner,
    server: SimulatedServer,
    permits: readonly Permit[],
    lease: ConstructorParameters<typeof SimulatedAttempt>[3],
  ): SimulatedAttempt {
    const { hedge, meter, retry, simulation } = this.parts
    const now = simulation.now()
    this.#attempts += 1
    if (lease !== undefined && (retry !== undefined || hedge !== undefined))
      (this.#tried ??= new Set()).add(server.name)
    meter.attempt(now)
    const attempt = new SimulatedAttempt(owner, server, permits, lease)
    attempt.begin(this.deadline === undefined ? Number.POSITIVE_INFINITY : this.deadline - now)
    return attempt
  }

  #over(end: CallEnd, error: unknown): void {
    const { meter, retry, simulation } = this.parts
    if (end === 'ok') retry?.succeeded(this.#progress)
    else if (retry !== undefined) {
      this.#progress ??= new RetryProgress()
      const { deadline } = this
      // A refused try was none, but a policy that retries refusals all the same must come to an end.
      if (end === 'rejected') this.#attempts += 1
      const decision = retry.decide({ attempt: this.#attempts, error, deadline, progress: this.#progress })
      if (decision.retry) {
        simulation.after(decision.delayMs, this.#next, undefined)
        return
      }
    }
    meter.end(end, this.#beganMs, simulation.now())
    this.#done?.(end === 'ok')
  }
}

/** Gives back what others had granted. */
function refuse(refusal: Refusal, permits: readonly Permit[]): Refusal {
  for (const permit of permits) permit.ignore()
  return refusal
}

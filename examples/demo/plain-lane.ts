import { Agent, request } from 'undici'
import { type AttemptBook, type Lane, shortReason } from './lane.ts'
import type { PlannedCall } from './load.ts'
import type { Origin } from './messages.ts'
import { type ServiceName, SUCCESS_WITHIN_MS } from './scene.ts'

/** What many services do: undici over a list of addresses, in turn, with a timeout. Nothing is wrong with it, alone. */

export class PlainLane implements Lane {
  readonly #origins: Readonly<Record<ServiceName, readonly Origin[]>>
  readonly #book: AttemptBook
  readonly #agent = new Agent()
  readonly #turns: Record<ServiceName, number> = { 'device-service': 0, 'sensor-service': 0 }

  constructor(origins: Readonly<Record<ServiceName, readonly Origin[]>>, book: AttemptBook) {
    this.#origins = origins
    this.#book = book
  }

  async call({ service, method, path, body }: PlannedCall, scheduledMs: number): Promise<void> {
    const { id, origin } = this.#next(service)
    const began = performance.now()
    const book = (failed: boolean): void =>
      this.#book.attempt(scheduledMs, id, { failed, durationMs: performance.now() - began })
    try {
      const answer = await request(`${origin}${path}`, {
        method,
        dispatcher: this.#agent,
        // The time a call may take at all: to wait any longer would be of no use to anybody.
        signal: AbortSignal.timeout(SUCCESS_WITHIN_MS),
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
      })
      await answer.body.text()
      if (answer.statusCode < 200 || answer.statusCode > 299) throw new StatusError(answer.statusCode)
      book(false)
    } catch (error) {
      book(true)
      throw new InstanceError(id, error)
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  #next(service: ServiceName): Origin {
    const origins = this.#origins[service]
    this.#turns[service] += 1
    return origins[this.#turns[service] % origins.length] as Origin
  }
}

class StatusError extends Error {
  readonly code: string

  constructor(status: number) {
    super()
    this.code = `status ${status}`
  }
}

/** Says where it happened. */
class InstanceError extends Error {
  readonly code: string

  constructor(id: string, cause: unknown) {
    super(`${id}: ${String(cause)}`, { cause })
    this.code = `${id} ${shortReason(cause)}`
  }
}

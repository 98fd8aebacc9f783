import { AsyncResource } from 'node:async_hooks'
import { Dispatcher } from 'undici'

/**
 * A transport that does what it is told, one behaviour per attempt, without a socket: everything about attempts, retries
 * and deadlines is then exact under plain `vi.useFakeTimers()`. It keeps undici's promises (what a handler throws aborts
 * the request, an abort is reported once, nothing comes after the end), and its bad habits: callbacks run in the async
 * context of the connection and not of the caller.
 */

type Headers = Record<string, string | string[]>

/** What becomes of one attempt. */
export type Behaviour = (exchange: Exchange) => void

export class StubTransport extends Dispatcher {
  /** Every attempt that was dispatched, in order. */
  readonly exchanges: Exchange[] = []
  readonly #script: readonly Behaviour[]
  readonly #connection = new AsyncResource('StubConnection')

  /** One behaviour per attempt; the last goes on for ever. */
  constructor(...script: readonly Behaviour[]) {
    super()
    this.#script = script
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const exchange = new Exchange(options, handler, this.#connection)
    this.exchanges.push(exchange)
    const behaviour = this.#script[Math.min(this.exchanges.length, this.#script.length) - 1] as Behaviour
    this.#connection.runInAsyncScope(behaviour, undefined, exchange)
    return true
  }

  /** Where the attempts went. */
  get origins(): string[] {
    return this.exchanges.map(({ options }) => String(options.origin))
  }

  last(): Exchange {
    return this.exchanges.at(-1) as Exchange
  }
}

/** One attempt as the transport sees it, and the controller that its handler is given. */
export class Exchange implements Dispatcher.DispatchController {
  readonly options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  readonly #connection: AsyncResource
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  rawHeaders: string[] = []
  rawTrailers: string[] = []
  aborted = false
  reason: Error | null = null
  paused = false
  /** Whether the end, good or bad, was reported. */
  over = false

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, connection: AsyncResource) {
    this.options = options
    this.#handler = handler
    this.#connection = connection
  }

  // ---- what the handler may do ----------------------------------------------------------------------------------

  abort(reason: Error): void {
    if (this.over) return
    this.aborted = true
    this.reason = reason
    this.fail(reason)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  // ---- what a test may have happen ------------------------------------------------------------------------------

  /** The request is written. */
  sent(): this {
    if (this.over) return this
    try {
      this.#run(() => this.#handler.onRequestStart?.(this, null))
    } catch (error) {
      this.fail(error)
    }
    return this
  }

  headers(status: number, headers: Headers = {}): this {
    this.rawHeaders = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
    return this.#deliver(() => this.#handler.onResponseStart?.(this, status, headers, 'stub'))
  }

  chunk(data: string | Buffer): this {
    return this.#deliver(() => this.#handler.onResponseData?.(this, Buffer.from(data)))
  }

  end(trailers: Headers = {}): this {
    if (this.over) return this
    this.#finish()
    try {
      this.#run(() => this.#handler.onResponseEnd?.(this, trailers))
    } catch (error) {
      this.#run(() => this.#handler.onResponseError?.(this, error as Error))
    }
    return this
  }

  fail(error: unknown): this {
    if (this.over) return this
    this.#finish()
    this.#run(() => this.#handler.onResponseError?.(this, error as Error))
    return this
  }

  upgrade(socket: unknown): this {
    if (this.over) return this
    this.#finish()
    this.#run(() => this.#handler.onRequestUpgrade?.(this, 101, {}, socket as never))
    return this
  }

  /** Does something after so many milliseconds (undefined: in a microtask), unless it is all over by then. */
  later(delayMs: number | undefined, work: () => void): this {
    if (delayMs === undefined) {
      queueMicrotask(() => {
        if (!this.over) this.#run(work)
      })
      return this
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#run(work)
    }, delayMs)
    this.#timers.add(timer)
    return this
  }

  #deliver(work: () => void): this {
    if (this.over) return this
    try {
      this.#run(work)
    } catch (error) {
      this.abort(error as Error)
    }
    return this
  }

  #run(work: () => void): void {
    this.#connection.runInAsyncScope(work)
  }

  #finish(): void {
    this.over = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

// ---- behaviours -----------------------------------------------------------------------------------------------------

export interface Answer {
  readonly status?: number
  readonly headers?: Headers
  readonly body?: string | readonly string[]
  /** Until the headers. */
  readonly afterMs?: number
}

/** A whole answer. */
export function answer({ status = 200, headers = {}, body = '', afterMs }: Answer = {}): Behaviour {
  return (exchange) => {
    exchange.sent().later(afterMs, () => {
      exchange.headers(status, headers)
      for (const chunk of typeof body === 'string' ? [body] : body) if (chunk !== '') exchange.chunk(chunk)
      exchange.end()
    })
  }
}

/** A whole answer with JSON in it. */
export function json(value: unknown, more: Answer = {}): Behaviour {
  return answer({ ...more, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
}

/** Headers and the beginning of a body; the test goes on from there. */
export function begin({ status = 200, headers = {}, body = '', afterMs }: Answer = {}): Behaviour {
  return (exchange) => {
    exchange.sent().later(afterMs, () => {
      exchange.headers(status, headers)
      for (const chunk of typeof body === 'string' ? [body] : body) if (chunk !== '') exchange.chunk(chunk)
    })
  }
}

/** The connection is refused: nothing is sent. */
export function refuse(error: unknown = coded('ECONNREFUSED'), afterMs?: number): Behaviour {
  return (exchange) => {
    exchange.later(afterMs, () => exchange.fail(error))
  }
}

/** The request is written, then the connection goes. */
export function reset(error: unknown = coded('ECONNRESET'), afterMs?: number): Behaviour {
  return (exchange) => {
    exchange.sent().later(afterMs, () => exchange.fail(error))
  }
}

/** No connection ever: queued or connecting for ever. */
export const queued: Behaviour = () => {}

/** Written, and never answered. */
export const silent: Behaviour = (exchange) => {
  exchange.sent()
}

/** Throws instead of reporting. */
export function throwing(error: unknown): Behaviour {
  return () => {
    throw error
  }
}

export function coded(code: string, message = `stub: ${code}`): Error {
  return Object.assign(new Error(message), { code })
}

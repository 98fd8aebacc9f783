import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { OptionReader } from '../core/options.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { LatencyByLoad } from './latency-by-load.ts'

/** Options of a {@link LoadResponder}. */
export interface LoadResponderOptions {
  /** Where `wrap` answers probes, a path that begins with `/`. @default '/load' */
  readonly path?: string
  /** Whether `wrap` puts the load into the headers of every answer. @default true */
  readonly headers?: boolean
  /**
   * How busy the application is, 1 being full: the event loop's utilization, a queue's. Reported to clients that weigh by
   * it; without it they know only requests in flight, per second and failed.
   * @default none
   */
  readonly utilization?: () => number
  readonly clock?: Partial<Clock>
}

/** What a server says of its load: the answer to a probe. */
export interface ServerLoadReport {
  readonly inFlight: number
  /** The median of recent requests that found about as many in flight, in milliseconds; 0 when there was none lately. */
  readonly latencyMs: number
}

/** One request being served. */
export interface ServedRequest {
  /**
   * It is over; once, what comes later does nothing. `failed`: this server's fault. `abandoned`: the caller has left, so how
   * long it took says nothing.
   */
  end(how?: 'served' | 'failed' | 'abandoned'): void
}

/** Requests and failures per second are those of so many milliseconds. */
const WINDOW_MS = 10_000
const SERVED = 0
const FAILED = 1

/**
 * Counts what a server is working on, and tells clients that balance by it: to `prequal`, which asks, and to `serverLoad`,
 * which reads the headers of answers.
 *
 * When to use: in each instance of a service whose clients use one of these. `wrap` does all of it for a `node:http`
 * server; with another framework call `begin` per request, and answer probes with `report`.
 *
 * Gotchas: one per process, around everything that costs work, or the numbers leave something out. Probes are not counted.
 * Whoever may ask learns how busy the server is: in an open network keep the path, and the headers, to the inside. O(1)
 * per request; no timer.
 *
 * @example
 * const load = new LoadResponder()
 * createServer(load.wrap((request, response) => response.end('done'))).listen(8080)
 */
export class LoadResponder {
  readonly #path: string
  readonly #headers: boolean
  readonly #utilization: (() => number) | undefined
  readonly #clock: Clock
  readonly #latency = new LatencyByLoad()
  readonly #counts = new RollingCounts(WINDOW_MS, 2)
  #inFlight = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: LoadResponderOptions) {
    const read: OptionReader = new OptionReader('LoadResponder', options)
    this.#path = read.string('path', '/load')
    if (!this.#path.startsWith('/')) read.refuse('path', 'a path that begins with /')
    this.#headers = read.boolean('headers', true)
    this.#utilization = read.function<(() => number) | undefined>('utilization', undefined)
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    read.end()
  }

  /** Requests being served. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** A request has arrived. Must be ended. */
  begin(): ServedRequest {
    this.#inFlight += 1
    return new Served(this.#inFlight, this.#clock.now(), this.#end)
  }

  /** The answer to a probe. */
  report(): ServerLoadReport {
    return { inFlight: this.#inFlight, latencyMs: this.#latency.median(this.#inFlight + 1, this.#clock.now()) }
  }

  /** The load as headers of an answer: `x-load-rif`, and ORCA's `endpoint-load-metrics` in its text form. */
  headers(): Record<string, string> {
    const now = this.#clock.now()
    const perSecond = (column: number): number => this.#counts.total(column, now) / (WINDOW_MS / 1_000)
    const metrics = [`rps_fractional=${perSecond(SERVED)}`, `eps=${perSecond(FAILED)}`]
    const utilization = this.#utilization?.()
    // What is no number stays here: a client that is told NaN ignores the rest of it, too.
    if (utilization !== undefined && Number.isFinite(utilization) && utilization >= 0) {
      metrics.push(`application_utilization=${utilization}`)
    }
    return { 'x-load-rif': String(this.#inFlight), 'endpoint-load-metrics': `TEXT ${metrics.join(',')}` }
  }

  /** A listener around the server's own, which counts every request, and answers probes itself. */
  wrap(listener: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#isProbe(request)) return this.#answer(response)
      const served = this.begin()
      if (this.#headers) for (const [name, value] of Object.entries(this.headers())) response.setHeader(name, value)
      response.once('close', () => {
        if (!response.writableFinished) served.end('abandoned')
        else served.end(response.statusCode >= 500 ? 'failed' : 'served')
      })
      return listener(request, response)
    }
  }

  #isProbe({ method, url = '' }: IncomingMessage): boolean {
    return method === 'GET' && (url === this.#path || url.startsWith(`${this.#path}?`))
  }

  #answer(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(this.report()))
  }

  readonly #end = ({ arrivedWith, startedAt }: Served, how: 'served' | 'failed' | 'abandoned'): void => {
    this.#inFlight -= 1
    const now = this.#clock.now()
    this.#counts.add(SERVED, now)
    if (how === 'failed') this.#counts.add(FAILED, now)
    // An error comes fast, and would make the server look so.
    if (how === 'served') this.#latency.add(arrivedWith, Math.max(0, now - startedAt), now)
  }
}

type OnEnd = (served: Served, how: 'served' | 'failed' | 'abandoned') => void

class Served implements ServedRequest {
  readonly arrivedWith: number
  readonly startedAt: number
  #onEnd: OnEnd | undefined

  constructor(arrivedWith: number, startedAt: number, onEnd: OnEnd) {
    this.arrivedWith = arrivedWith
    this.startedAt = startedAt
    this.#onEnd = onEnd
  }

  end(how: 'served' | 'failed' | 'abandoned' = 'served'): void {
    const onEnd = this.#onEnd
    this.#onEnd = undefined
    onEnd?.(this, how)
  }
}

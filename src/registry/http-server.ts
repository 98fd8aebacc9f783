import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ClosedError } from '../core/errors.ts'
import { urlHost } from '../core/host.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { createRegistryHandler, type RegistryHandlerOptions } from './handler.ts'
import { ServiceRegistry } from './service-registry.ts'

/** Options of a {@link RegistryServer}. */
export interface RegistryServerOptions extends RegistryHandlerOptions {
  readonly registry: ServiceRegistry
  /** The address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** An integer from 0 (any free port) to 65535. @default 0 */
  readonly port?: number
  /** A request must have come in whole by then, milliseconds from 100. @default 10_000 */
  readonly requestTimeoutMs?: number
  /** An idle connection is kept open for so long, milliseconds from 1. @default 30_000 */
  readonly keepAliveTimeoutMs?: number
  /** How long `close` waits for requests in flight, milliseconds from 0. @default 1_000 */
  readonly drainMs?: number
  readonly clock?: Partial<Clock>
}

/** Where a server can be reached. */
export interface RegistryAddress {
  readonly url: string
  readonly port: number
}

/**
 * Serves a registry over HTTP.
 *
 * When to use: one process of the fleet runs it (or the `gateless registry` command), the others point
 * `httpRegistry({ url })` at it.
 *
 * Gotchas: nobody is authenticated, which is why it listens on the loopback address unless told otherwise; in an open
 * network put `createRegistryHandler` behind something that does. Closing it leaves the registry open.
 *
 * @example
 * const server = new RegistryServer({ registry: new ServiceRegistry({ warmupMs: 30_000 }), port: 8500 })
 * const { url } = await server.listen()
 */
export class RegistryServer implements AsyncDisposable {
  readonly #server: Server
  readonly #host: string
  readonly #port: number
  readonly #drainMs: number
  readonly #clock: Clock
  #listening: Promise<RegistryAddress> | undefined
  #closing: Promise<void> | undefined

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: RegistryServerOptions) {
    const read: OptionReader = new OptionReader('RegistryServer', options)
    const registry = read.raw('registry')
    if (!(registry instanceof ServiceRegistry)) read.refuse('registry', 'a ServiceRegistry')
    this.#host = read.string('host', '127.0.0.1')
    this.#port = read.number('port', { default: 0, min: 0, max: 65_535, integer: true })
    this.#drainMs = read.duration('drainMs', 1_000)
    this.#clock = toClock(options.clock)
    const requestTimeoutMs = read.duration('requestTimeoutMs', 10_000, 100)
    const keepAliveTimeoutMs = read.duration('keepAliveTimeoutMs', 30_000, 1)
    const handlerOptions: Record<string, unknown> = {}
    for (const name of ['maxBodyBytes', 'onError']) {
      if (read.raw(name) !== undefined) handlerOptions[name] = read.raw(name)
    }
    read.end()
    const handle = createRegistryHandler(registry, handlerOptions)
    this.#server = createServer(
      {
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        // How often node looks for late ones; its 30 s would make the timeouts above thirty seconds longer.
        connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
        keepAliveTimeout: keepAliveTimeoutMs,
      },
      (request, response) => {
        // A connection whose last request is answered while the server closes has nothing more to wait for.
        response.once('close', () => {
          if (this.#closing !== undefined) this.#server.closeIdleConnections()
        })
        handle(request, response)
      },
    )
  }

  /** Starts to listen; asked again, gives the same address. Rejects when the address is taken. */
  listen(): Promise<RegistryAddress> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('the registry server'))
    this.#listening ??= new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, this.#host, () => {
        this.#server.off('error', reject)
        const { address, port } = this.#server.address() as AddressInfo
        resolve({ url: `http://${urlHost(address)}:${port}`, port })
      })
    })
    return this.#listening
  }

  /** Takes no new connection, answers what is in flight for `drainMs`, then ends every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const listening = await this.#listening?.catch(() => undefined)
    if (listening === undefined) return
    const timer = this.#clock.setTimeout(() => this.#server.closeAllConnections(), this.#drainMs)
    await new Promise<void>((resolve) => {
      // Ends idle connections by itself.
      this.#server.close(() => resolve())
    })
    this.#clock.clearTimeout(timer)
  }
}

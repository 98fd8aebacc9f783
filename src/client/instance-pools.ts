import { Agent, Client, Dispatcher, Pool } from 'undici'

/** The connections: one undici pool per instance, made when first called and closed when the instance goes. */

/** What the connections want of an attempt, and tell it. Requests that only pass through have none of it. */
export interface PooledHandler extends Dispatcher.DispatchHandler {
  /** Whether it is over. */
  readonly ended?: boolean
  connection?: Connection | undefined
}

/** The connection that a request is written to. */
export interface Connection {
  /** Requests written since it was opened. */
  requests: number
  /** Stands for the one socket that it is now: undici opens another under the same name. */
  socket: object
}

/**
 * One connection of an instance.
 *
 * undici's `dispatch` answers `false` both for "busy, wait for the drain event" and for "this request is invalid". A
 * pool takes the second for the first and never uses that connection again: each invalid request burns one, and as many
 * as there are connections hang the pool for ever (8.12.4 and before). A request that was refused on the spot has an
 * ended handler, or else has left the connection without any request.
 */
class InstanceConnection extends Client implements Connection {
  requests = 0
  socket: object = {}

  constructor(url: string | URL, options: object) {
    super(url, options)
    this.on('connect', () => {
      this.requests = 0
      this.socket = {}
    })
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: PooledHandler): boolean {
    const { ended } = handler
    if (ended !== undefined) handler.connection = this
    if (super.dispatch(options, handler)) return true
    return ended === undefined ? this.stats.size === 0 : handler.ended === true
  }
}

export interface PoolOptions {
  readonly connections: number
  readonly connectTimeoutMs: number
}

/** For hosts that are no services: undici's own Agent, which drops origins by itself, on connections that do not burn. */
export function outsideAgent(): Agent {
  return new Agent({ factory: (origin, options: object) => new Pool(origin, { ...options, factory: connect }) })
}

function connect(url: string | URL, options: object): Client {
  return new InstanceConnection(url, options)
}

/**
 * A pool per origin. Not undici's Agent, which does the same for origins nobody manages: the instances are known here, so a
 * pool can be closed when its instance is gone, and finding one is a map look-up.
 */
export class InstancePools extends Dispatcher {
  readonly #options: Pool.Options
  readonly #pools = new Map<string, Pool>()

  constructor({ connections, connectTimeoutMs }: PoolOptions) {
    super()
    this.#options = {
      connections,
      // More than one request on a connection shares its fate: an abort of one sends the others again.
      pipelining: 1,
      connect: { timeout: connectTimeoutMs },
      // Attempts are timed by our own deadline queue: undici's timer fires up to a second late, and not while queueing.
      headersTimeout: 0,
      factory: connect,
    }
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = options.origin as string
    let pool = this.#pools.get(origin)
    if (pool === undefined) {
      pool = new Pool(origin, this.#options)
      this.#pools.set(origin, pool)
    }
    return pool.dispatch(options, handler)
  }

  /** The instance is gone: its requests finish, then its connections close. */
  forget(origin: string): void {
    const pool = this.#pools.get(origin)
    this.#pools.delete(origin)
    // Nobody waits for it, and what it could fail with each of its requests is told.
    pool?.close().catch(() => {})
  }

  override async destroy(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.destroy()))
  }
}

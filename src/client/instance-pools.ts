import { Agent, Client, type Dispatcher, Pool } from 'undici'

/** The connections: one undici pool per instance, made when first called and dropped by undici when idle. */

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

  constructor(url: string | URL, options: object) {
    super(url, options)
    this.on('connect', () => {
      this.requests = 0
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

export function instancePools(options: PoolOptions): Agent {
  return new Agent({
    connections: options.connections,
    // More than one request on a connection shares its fate: an abort of one sends the others again.
    pipelining: 1,
    connect: { timeout: options.connectTimeoutMs },
    // Attempts are timed by our own deadline queue: undici's timer fires up to a second late, and not while queueing.
    headersTimeout: 0,
    factory: (origin, poolOptions: object) =>
      new Pool(origin, { ...poolOptions, factory: (url, clientOptions) => new InstanceConnection(url, clientOptions) }),
  })
}

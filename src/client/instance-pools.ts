import { Agent, Client, type Dispatcher, Pool } from 'undici'

/** The connections: one undici pool per instance, made when first called and dropped by undici when idle. */

/**
 * undici's `dispatch` answers `false` both for "busy, wait for the drain event" and for "this request is invalid". A
 * pool takes the second for the first and never uses that connection again: each invalid request burns one, and as many
 * as there are connections hang the pool for ever (8.12.4 and before). A request that was refused on the spot has an
 * ended handler, so it can be told apart here.
 */
class UnburnableClient extends Client {
  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler & { ended?: boolean },
  ): boolean {
    return super.dispatch(options, handler) || handler.ended === true
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
      new Pool(origin, { ...poolOptions, factory: (url, clientOptions) => new UnburnableClient(url, clientOptions) }),
  })
}

import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import {
  fixedBackoff,
  roundRobin,
  ServiceClient,
  type ServiceClientOptions,
  type StaticInstance,
  staticList,
} from 'gateless'
import { expect } from 'vitest'
import { LeaseWatch } from './lease-watch.ts'

/** Misbehaving servers on real sockets, and clients for them, with everything counted that may be left over. */

export interface Peer {
  readonly port: number
  readonly instance: StaticInstance
  /** Sockets accepted so far. */
  readonly accepted: number
  /** Sockets open now. */
  readonly open: ReadonlySet<Socket>
  close(): Promise<void>
}

async function listen(server: Server | HttpServer, port: number): Promise<Peer> {
  const open = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    instance: { id: `i${bound}`, host: '127.0.0.1', port: bound },
    get accepted() {
      return accepted
    },
    open,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

export function http(listener: RequestListener, port = 0): Promise<Peer> {
  return listen(createHttpServer({ keepAliveTimeout: 60_000 }, listener), port)
}

/** A server that is no HTTP server: `onRequest` is called with each request's head (and whatever came with it). */
export function tcp(onRequest: (socket: Socket, head: string, count: number) => void, port = 0): Promise<Peer> {
  let count = 0
  const server = createTcpServer((socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = text
      text = ''
      count += 1
      onRequest(socket, head, count)
    })
  })
  return listen(server, port)
}

/** A server that answers `ok` to everything. */
export const good = (port = 0): Promise<Peer> => http((_, response) => response.end('ok'), port)

export const OK = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok'

/** A port on which nobody listens. */
export async function deadPort(): Promise<number> {
  const peer = await good()
  await peer.close()
  return peer.port
}

export interface RealClient extends AsyncDisposable {
  readonly client: ServiceClient
  readonly leases: LeaseWatch
  /** A call that must work, whatever happened before. */
  good(): Promise<void>
}

/**
 * A client of the service `orders` at these peers, tried in turn. Disposing of it (`await using`) closes client and
 * peers, and checks that nothing is left over: no lease, no socket.
 */
export function clientOf(
  peers: readonly Peer[],
  options: Partial<ServiceClientOptions> = {},
  more: readonly StaticInstance[] = [],
): RealClient {
  const leases = new LeaseWatch(roundRobin())
  const client = new ServiceClient({
    discovery: { provider: staticList({ orders: [...more, ...peers.map(({ instance }) => instance)] }) },
    balancing: { strategy: leases },
    retry: { backoff: fixedBackoff({ delayMs: 1 }), budget: false },
    breaker: { instance: false, service: false },
    random: () => 0,
    timeoutMs: 10_000,
    ...options,
  })
  return {
    client,
    leases,
    async good() {
      await expect(client.call('orders', 'GET', '/good')).resolves.toBe('ok')
    },
    async [Symbol.asyncDispose]() {
      expect(leases.inFlight).toBe(0)
      await client.close()
      for (const { open } of peers) await eventually(() => open.size === 0)
      await Promise.all(peers.map((peer) => peer.close()))
    },
  }
}

/** Waits for something that is bound to come; the test's own time limit is the only one. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(2)
}

/** For what only time brings: an ejection or an open breaker that runs out. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** The error something ended with, and about how long that took (it has begun a moment before the clock). */
export async function timed(
  promise: Promise<unknown>,
): Promise<{ error: Error & Record<string, unknown>; ms: number }> {
  const began = performance.now()
  try {
    await promise
  } catch (error) {
    return { error: error as never, ms: performance.now() - began }
  }
  throw new Error('it should have failed')
}

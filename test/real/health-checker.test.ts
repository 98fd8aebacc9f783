import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HealthChecker, ServiceRegistry } from '../../src/registry/index.ts'

/** Without a reader a socket never learns that its peer has gone. */
function drain(socket: Socket): void {
  socket.on('error', () => {}).resume()
}

describe('HealthChecker over HTTP', () => {
  let registry: ServiceRegistry
  let checker: HealthChecker
  const servers: (Server | TcpServer)[] = []

  beforeEach(() => {
    registry = new ServiceRegistry()
    checker = new HealthChecker({ registry, intervalMs: 100, timeoutMs: 300, unhealthyThreshold: 1 })
  })
  afterEach(async () => {
    await checker.close()
    await registry.close()
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
  })

  async function open(server: Server | TcpServer): Promise<number> {
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  /** One instance behind this listener; resolves with how its first check ended. */
  async function check(listener: RequestListener, healthCheckUrl = '/health') {
    return checkPort(await open(createServer(listener)), healthCheckUrl)
  }

  function checkPort(port: number, healthCheckUrl = '/health') {
    const checked = new Promise<{ ok: boolean; error: unknown; durationMs: number }>((resolve) => {
      checker.once('checked', resolve)
    })
    registry.register({ serviceName: 'orders', id: 'o1', host: '127.0.0.1', port, healthCheckUrl, status: 'starting' })
    return checked
  }

  it('takes any 2xx for healthy, and asks for the path as given', async () => {
    const seen: string[] = []
    const { ok } = await check((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['user-agent']}`)
      response.writeHead(204).end()
    }, '/up?full=1')
    expect(ok).toBe(true)
    expect(seen[0]).toBe('GET /up?full=1 gateless-health-check')
    expect(registry.instance('orders', 'o1')?.status).toBe('healthy')
  })

  it.each([199 + 101, 404, 500, 503])('takes %i for a failure', async (status) => {
    const { ok, error } = await check((_, response) => response.writeHead(status).end('x'))
    expect(ok).toBe(false)
    expect(String(error)).toContain(`answered with ${status}`)
  })

  it('follows no redirect', async () => {
    let elsewhere = 0
    const other = await open(createServer((_, response) => response.end(`${++elsewhere}`)))
    const { ok } = await check((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${other}/` }).end()
    })
    expect(ok).toBe(false)
    expect(elsewhere).toBe(0)
  })

  it('does not read an endless body, and leaves no connection behind', async () => {
    const ended: Promise<unknown>[] = []
    const { ok } = await check((_, response) => {
      const pour = setInterval(() => response.write('x'.repeat(1_000)), 5)
      response.once('close', () => clearInterval(pour))
      ended.push(once(response, 'close'))
    })
    expect(ok).toBe(true)
    await ended[0]
  })

  it.each([
    ['a server that accepts and stays silent', () => createTcpServer(drain)],
    [
      'one that says "102 Processing" for ever',
      () =>
        createTcpServer((socket) => {
          const drip = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 20)
          drain(socket)
          socket.once('close', () => clearInterval(drip))
        }),
    ],
  ])('gives up on %s after its timeout', async (_, makeServer) => {
    const { ok, durationMs } = await checkPort(await open(makeServer()))
    expect(ok).toBe(false)
    expect(durationMs).toBeGreaterThanOrEqual(295)
    expect(durationMs).toBeLessThan(1_500)
    await checker.close()
  })

  it('takes a refused connection for a failure', async () => {
    const server = createServer()
    const port = await open(server)
    servers.splice(0)
    await new Promise((resolve) => server.close(resolve))
    const { ok, error } = await checkPort(port)
    expect(ok).toBe(false)
    expect(String(error)).toContain('ECONNREFUSED')
  })

  it('answers reads while an instance hangs', async () => {
    const port = await open(createTcpServer(drain))
    void checkPort(port)
    await new Promise((resolve) => setImmediate(resolve))
    expect(registry.instances('orders')).toHaveLength(1)
    await checker.close()
  })
})

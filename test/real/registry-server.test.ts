import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MAX_REGISTRATION_BYTES } from '../../src/backends/http/api.ts'
import { createRegistryHandler, MemoryStore, RegistryServer, ServiceRegistry } from '../../src/registry/index.ts'

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: unknown
}

/** `path` goes out as it stands, which no URL-based client would do. */
function ask(
  port: number,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const json: unknown = text === '' ? undefined : JSON.parse(text)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(typeof body === 'string' || Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body))
  })
}

/** Everything the peer says on a bare socket until it ends the connection. */
function converse(port: number, text: string): { socket: Socket; all: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  const all = new Promise<string>((resolve) => {
    let received = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => (received += chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(received))
  })
  return { socket, all }
}

const o1 = { host: '10.0.0.1', port: 8080 }

describe('RegistryServer', () => {
  let registry: ServiceRegistry
  let server: RegistryServer
  let port: number

  beforeEach(async () => {
    registry = new ServiceRegistry()
    server = new RegistryServer({ registry })
    port = (await server.listen()).port
  })
  afterEach(async () => {
    await server.close()
    await registry.close()
  })

  it('registers, lists, renews, changes and removes an instance', async () => {
    expect(await ask(port, 'GET', '/services/orders')).toMatchObject({
      status: 404,
      json: { error: 'service "orders" is not known' },
    })
    const created = await ask(port, 'PUT', '/services/orders/instances/o1', { ...o1, metadata: { zone: 'a' } })
    expect(created.status).toBe(201)
    expect(created.headers['content-type']).toBe('application/json')
    expect(created.json).toMatchObject({
      id: 'o1',
      service_name: 'orders',
      host: '10.0.0.1',
      port: 8080,
      status: 'healthy',
      metadata: { zone: 'a' },
      created_at: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/) as string,
    })
    const listed = await ask(port, 'GET', '/services/orders')
    expect(listed).toMatchObject({ status: 200, json: [created.json] })
    expect((await ask(port, 'PUT', '/services/orders/instances/o1', o1)).status).toBe(200)
    expect(await ask(port, 'PUT', '/services/orders/instances/o1/heartbeat')).toMatchObject({ status: 204, text: '' })
    expect((await ask(port, 'PUT', '/services/orders/instances/o1/status', { status: 'Stopping' })).status).toBe(204)
    expect((await ask(port, 'GET', '/services/orders?healthy=true')).json).toEqual([])
    expect((await ask(port, 'GET', '/services/orders?healthy=false')).json).toHaveLength(1)
    expect((await ask(port, 'DELETE', '/services/orders/instances/o1')).status).toBe(204)
    expect(await ask(port, 'GET', '/services/orders')).toMatchObject({ status: 200, json: [] })
  })

  it('answers 404 for what happens to an unknown instance', async () => {
    for (const service of ['nobody', 'orders']) {
      const path = `/services/${service}/instances/o1`
      expect((await ask(port, 'PUT', `${path}/heartbeat`)).status).toBe(404)
      expect((await ask(port, 'PUT', `${path}/status`, { status: 'stopping' })).status).toBe(404)
      expect(await ask(port, 'DELETE', path)).toMatchObject({
        status: 404,
        json: { error: `service "${service}" has no instance "o1"` },
      })
      registry.define({ name: 'orders', version: '1' })
    }
  })

  it('keeps definitions', async () => {
    const path = '/services/orders/definition'
    expect((await ask(port, 'GET', path)).status).toBe(404)
    registry.register({ serviceName: 'orders', ...o1 })
    expect((await ask(port, 'GET', path)).json).toEqual({ error: 'service "orders" has no definition' })
    expect((await ask(port, 'PUT', path, { version: '1', service_type: 'core' })).status).toBe(201)
    expect((await ask(port, 'PUT', path, { name: 'orders', version: '2' })).status).toBe(200)
    expect((await ask(port, 'GET', path)).json).toMatchObject({ name: 'orders', version: '2', dependencies: [] })
    expect(await ask(port, 'PUT', path, { name: 'other', version: '2' })).toMatchObject({
      status: 400,
      json: { error: 'name must be as in the path, "orders", got "other"' },
    })
  })

  it('lists services, sums up their health, and says how it is itself', async () => {
    registry.register({ serviceName: 'orders', id: 'o1', ...o1 })
    registry.register({ serviceName: 'billing', ...o1 })
    expect((await ask(port, 'GET', '/services')).json).toEqual(['billing', 'orders'])
    expect((await ask(port, 'GET', '/services?prefix=or')).json).toEqual(['orders'])
    expect((await ask(port, 'GET', '/services/orders/health')).json).toEqual({
      service_name: 'orders',
      status: 'healthy',
      total: 1,
      healthy: 1,
      instances: [{ id: 'o1', status: 'healthy' }],
    })
    expect((await ask(port, 'GET', '/services/nobody/health')).status).toBe(404)
    expect((await ask(port, 'GET', '/health')).json).toEqual({ status: 'healthy', services: 2 })
  })

  it.each([
    ['DELETE', '/services', 'GET, HEAD'],
    ['POST', '/services/orders/instances/o1', 'DELETE, PUT'],
    ['GET', '/services/orders/instances/o1/status', 'PUT'],
    ['OPTIONS', '/services/orders/definition', 'GET, HEAD, PUT'],
  ])('answers %s %s with 405 and what it allows', async (method, path, allow) => {
    const reply = await ask(port, method, path)
    expect(reply.status).toBe(405)
    expect(reply.headers.allow).toBe(allow)
    expect(reply.json).toEqual({ error: `this path knows ${allow}` })
  })

  it.each([
    '/',
    '/services/',
    '/service',
    '/services/a/b',
    '/services//instances/x',
    'http://x/services',
    '/services/a/instances/b/',
  ])('answers %s with 404', async (path) => {
    expect(await ask(port, 'GET', path)).toMatchObject({ status: 404, json: { error: 'no such path' } })
  })

  it.each([
    '/services/%',
    '/services/%ff',
    '/services/%00',
    '/services/%2e%2e',
    '/services/%20',
    `/services/${'x'.repeat(257)}`,
  ])('answers the malformed name in %s with 400', async (path) => {
    expect((await ask(port, 'GET', path)).status).toBe(400)
  })

  it('decodes names once, after the path was split', async () => {
    const name = 'a/b %2F ü?#'
    const encoded = encodeURIComponent(name)
    expect((await ask(port, 'PUT', `/services/${encoded}/instances/${encoded}`, o1)).status).toBe(201)
    expect(registry.services()).toEqual([name])
    expect((await ask(port, 'GET', `/services/${encoded}`)).json).toMatchObject([{ id: name, service_name: name }])
  })

  it('answers HEAD without a body', async () => {
    const reply = await ask(port, 'HEAD', '/services')
    expect(reply).toMatchObject({ status: 200, text: '' })
    expect(reply.headers['content-length']).toBe('2')
  })

  it.each([
    ['bad JSON', '{"host":'],
    ['no JSON at all', '<html>'],
    ['nothing', ''],
    ['invalid UTF-8', Buffer.from(JSON.stringify({ ...o1, zone: '\u00ff' }), 'latin1')],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['a host with CR and LF', JSON.stringify({ ...o1, host: '127.0.0.1\r\nX' })],
    ['a port that is more', JSON.stringify({ ...o1, port: '80@evil' })],
    ['another id', JSON.stringify({ ...o1, id: 'o2' })],
    ['another id, spelt the other way', JSON.stringify({ ...o1, instance_id: 'o2' })],
    ['another service', JSON.stringify({ ...o1, service_name: 'billing' })],
    ['a health check elsewhere', JSON.stringify({ ...o1, health_check_url: 'http://169.254.169.254/' })],
    ['a lease that is no number', JSON.stringify({ ...o1, lease_ms: '1h' })],
    ['100,000 levels', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ])('answers %s with 400, and stores nothing', async (_, body) => {
    const reply = await ask(port, 'PUT', '/services/orders/instances/o1', body)
    expect(reply.status).toBe(400)
    expect(reply.json).toEqual({ error: expect.any(String) as string })
    expect(registry.services()).toEqual([])
  })

  it('takes an absurd lease for the nearest sensible one', async () => {
    for (const lease of ['-5', '0', '1e400', '99999999999']) {
      const body = `{"host":"10.0.0.1","port":8080,"lease_ms":${lease}}`
      expect((await ask(port, 'PUT', '/services/orders/instances/o1', body)).status).toBeLessThan(300)
    }
  })

  it('keeps __proto__ in metadata, and pollutes nothing', async () => {
    const body = '{"host":"10.0.0.1","port":8080,"__proto__":{"secure":true},"metadata":{"__proto__":"x"}}'
    const reply = await ask(port, 'PUT', '/services/orders/instances/o1', body)
    expect(reply.status).toBe(201)
    expect(reply.text).toContain('"metadata":{"__proto__":"x"}')
    expect(reply.json).toMatchObject({ secure: false })
    expect(({} as { secure?: boolean }).secure).toBeUndefined()
  })

  it('refuses a status it does not know, and a status that is missing', async () => {
    registry.register({ serviceName: 'orders', id: 'o1', ...o1 })
    const path = '/services/orders/instances/o1/status'
    expect((await ask(port, 'PUT', path, { status: 'fine' })).status).toBe(400)
    expect((await ask(port, 'PUT', path, {})).json).toEqual({ error: 'status must be given, got undefined' })
    expect((await ask(port, 'GET', '/services/orders?healthy=maybe')).status).toBe(400)
  })

  it('refuses a body over the limit before it is read, and keeps the connection usable', async () => {
    const small = new RegistryServer({ registry, maxBodyBytes: 1_024 })
    const { port: at } = await small.listen()
    const path = '/services/orders/instances/o1'
    const huge = 'x'.repeat(2 * 1024 * 1024)
    expect(await ask(at, 'PUT', path, huge)).toMatchObject({
      status: 413,
      json: { error: 'the body must not be larger than 1024 bytes' },
    })
    expect((await ask(at, 'PUT', path, huge, { 'transfer-encoding': 'chunked' })).status).toBe(413)
    const head = `PUT ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n`
    const unsent = converse(at, head)
    const [first] = (await once(unsent.socket, 'data')) as [string]
    expect(first).toMatch(/^HTTP\/1\.1 413 /)
    unsent.socket.destroy()
    const { all } = converse(
      at,
      `${head}${'x'.repeat(5_000)}GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    )
    expect((await all).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
    await small.close()
  })

  it('takes metadata as large as it may be, as a whole', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, 'x'.repeat(4_096)]))
    expect((await ask(port, 'PUT', '/services/orders/instances/o1', { ...o1, metadata })).status).toBe(201)
    const over = Buffer.alloc(MAX_REGISTRATION_BYTES + 1, 0x20)
    expect((await ask(port, 'PUT', '/services/orders/instances/o1', over)).status).toBe(413)
  })

  it('refuses a compressed body', async () => {
    const reply = await ask(port, 'PUT', '/services/orders/instances/o1', '{}', { 'content-encoding': 'gzip' })
    expect(reply.status).toBe(415)
  })

  it('answers 507 when the registry is full', async () => {
    const full = new ServiceRegistry({ maxInstances: 1 })
    await using other = new RegistryServer({ registry: full })
    const { port: at } = await other.listen()
    expect((await ask(at, 'PUT', '/services/orders/instances/o1', o1)).status).toBe(201)
    const reply = await ask(at, 'PUT', '/services/orders/instances/o2', { ...o1, port: 1 })
    expect(reply).toMatchObject({ status: 507, json: { error: 'the registry is full: maxInstances is 1' } })
    await full.close()
  })

  it('answers 503 for unknown services while it warms up, and for known ones what it knows', async () => {
    const cold = new ServiceRegistry({ warmupMs: 60_000 })
    await using other = new RegistryServer({ registry: cold })
    const { port: at } = await other.listen()
    for (const path of ['/services/orders', '/services/orders/health', '/services/orders/definition']) {
      const reply = await ask(at, 'GET', path)
      expect(reply.status).toBe(503)
      expect(Number(reply.headers['retry-after'])).toBeGreaterThan(50)
    }
    expect((await ask(at, 'GET', '/health')).json).toMatchObject({ status: 'warming-up' })
    // Renewing what is not known must still lead to a registration.
    expect((await ask(at, 'PUT', '/services/orders/instances/o1/heartbeat')).status).toBe(404)
    await ask(at, 'PUT', '/services/orders/instances/o1', o1)
    expect((await ask(at, 'GET', '/services/orders')).status).toBe(200)
    const known = await ask(at, 'GET', '/services/orders')
    expect(known.headers['x-gateless-warming-up']).toBe('1')
    expect((await ask(port, 'GET', '/services/orders')).headers['x-gateless-warming-up']).toBeUndefined()
    await cold.close()
  })

  it('answers 503 once the registry is closed', async () => {
    await registry.close()
    const reply = await ask(port, 'GET', '/services')
    expect(reply).toMatchObject({ status: 503, json: { error: 'the service registry is closed' } })
    expect(reply.headers['retry-after']).toBe('1')
  })

  it('says no more than 500 about a fault of its own, and tells its owner', async () => {
    class BrokenStore extends MemoryStore {
      override put(): void {
        throw new Error('secret path /var/lib')
      }
    }
    const broken = new ServiceRegistry({ store: new BrokenStore() })
    const faults: unknown[] = []
    const onError = (error: unknown): never => {
      faults.push(error)
      throw new Error('the listener is broken too')
    }
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const handle = createRegistryHandler(broken, { onError })
    const plain = createServer(handle).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const reply = await ask((plain.address() as AddressInfo).port, 'PUT', '/services/orders/instances/o1', o1)
    expect(reply).toMatchObject({ status: 500, json: { error: 'internal error' } })
    expect(faults).toEqual([new Error('secret path /var/lib')])
    expect(String(warnings.mock.calls[0]?.[0])).toContain('the listener is broken too')
    warnings.mockRestore()
    plain.close()
    await broken.close()
  })

  it('survives a client that leaves in the middle of its body', async () => {
    const { socket, all } = converse(
      port,
      'PUT /services/orders/instances/o1 HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"host"',
    )
    await vi.waitFor(() => expect(socket.bytesWritten).toBeGreaterThan(0))
    socket.destroy()
    await all
    expect((await ask(port, 'GET', '/health')).status).toBe(200)
    expect(registry.services()).toEqual([])
  })

  it('ends a request that does not come to its end in time', async () => {
    await using strict = new RegistryServer({ registry, requestTimeoutMs: 150 })
    const { port: at } = await strict.listen()
    const headers = converse(at, 'GET /services HTTP/1.1\r\nhost: x\r\n')
    const body = converse(at, 'PUT /services/a/instances/b HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{')
    expect(await headers.all).toMatch(/^HTTP\/1\.1 408 /)
    expect(await body.all).toMatch(/^HTTP\/1\.1 4\d\d /)
  })

  it('ends kept connections when it is closed', async () => {
    const { socket, all } = converse(port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    const startedAt = performance.now()
    await server.close()
    expect(await all).toMatch(/^HTTP\/1\.1 200 /)
    expect(performance.now() - startedAt).toBeLessThan(500)
    await expect(ask(port, 'GET', '/health')).rejects.toThrow('ECONNREFUSED')
  })

  it('answers what is in flight when it is closed, then ends the connection', async () => {
    const body = JSON.stringify(o1)
    const head = `PUT /services/orders/instances/o1 HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`
    const { socket, all } = converse(port, head)
    await ask(port, 'GET', '/health')
    const startedAt = performance.now()
    const closing = server.close()
    socket.write(body)
    expect(await all).toMatch(/^HTTP\/1\.1 201 /)
    await closing
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  it('waits for nobody longer than it may', async () => {
    const impatient = new RegistryServer({ registry, drainMs: 50 })
    const { port: at } = await impatient.listen()
    const { all } = converse(at, 'PUT /services/a/instances/b HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n')
    await ask(at, 'GET', '/health')
    const startedAt = performance.now()
    await impatient.close()
    expect(performance.now() - startedAt).toBeLessThan(800)
    expect(await all).toBe('')
  })

  it('rejects when the address is taken, gives its address as often as asked, and listens never again once closed', async () => {
    const second = new RegistryServer({ registry, port })
    await expect(second.listen()).rejects.toThrow('EADDRINUSE')
    await second.close()
    expect((await server.listen()).url).toBe(`http://127.0.0.1:${port}`)
    await server.close()
    await expect(server.listen()).rejects.toThrow('the registry server is closed')
    await new RegistryServer({ registry }).close()
  })

  it('can be closed while it begins to listen', async () => {
    const hasty = new RegistryServer({ registry })
    const listening = hasty.listen()
    await hasty.close()
    await expect(ask((await listening).port, 'GET', '/health')).rejects.toThrow('ECONNREFUSED')
  })

  it.each([
    [{ registry: {} }, 'RegistryServer: registry must be a ServiceRegistry, got an object'],
    [{ port: 65_536 }, 'port'],
    [{ host: '' }, 'host'],
    [{ maxBodyBytes: 10 }, 'maxBodyBytes'],
    [{ onError: 1 }, 'onError'],
    [{ requestTimeoutMs: 0 }, 'requestTimeoutMs'],
    [{ keepAliveTimeoutMs: 0 }, 'keepAliveTimeoutMs'],
    [{ drainMs: -1 }, 'drainMs'],
    [{ tls: true }, 'unknown option "tls"'],
  ])('refuses %j', (options, message) => {
    expect(() => new RegistryServer({ registry, ...options } as never)).toThrow(message)
  })
})

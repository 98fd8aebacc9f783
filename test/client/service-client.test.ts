import { ipHash, staticList } from 'gateless'
import { describe, expect, it } from 'vitest'
import { LeaseWatch } from '../support/lease-watch.ts'
import { failure, stubClient, origin } from '../support/stub-client.ts'
import { answer, json, StubTransport } from '../support/stub-transport.ts'

async function sent(...args: Parameters<ReturnType<typeof stubClient>['client']['call']>) {
  const transport = new StubTransport(json(1))
  await stubClient(transport).client.call(...args)
  return transport.last().options
}

describe('call', () => {
  it('sends JSON, and says so', async () => {
    expect(await sent('orders', 'post', '/a', { b: 1 })).toMatchObject({
      method: 'POST',
      path: '/a',
      body: '{"b":1}',
      headers: ['accept', 'application/json', 'content-type', 'application/json'],
    })
    expect(await sent('orders', 'POST', '/', null)).toMatchObject({ body: 'null' })
    expect(await sent('orders', 'POST', '/', 'text')).toMatchObject({ body: '"text"' })
    expect(await sent('orders', 'POST', '/', 0)).toMatchObject({ body: '0' })
  })

  it('sends bytes as they are, and nothing for undefined', async () => {
    const bytes = new Uint8Array([1, 2])
    expect(await sent('orders', 'POST', '/', bytes)).toMatchObject({
      body: bytes,
      headers: ['accept', 'application/json'],
    })
    expect(await sent('orders', 'GET', '/')).toMatchObject({ body: null, headers: ['accept', 'application/json'] })
  })

  it('lets the caller say what it accepts and sends, whatever the case of the names', async () => {
    const headers = { Accept: 'text/csv', 'Content-Type': 'application/merge-patch+json', 'X-A': '1' }
    expect(await sent('orders', 'PATCH', '/', {}, { headers })).toMatchObject({
      headers: ['Accept', 'text/csv', 'Content-Type', 'application/merge-patch+json', 'X-A', '1'],
    })
  })

  it('refuses a body JSON cannot say', async () => {
    const loop: { self?: unknown } = {}
    loop.self = loop
    const transport = new StubTransport(json(1))
    const { client } = stubClient(transport)
    for (const body of [() => {}, Symbol('x'), 1n, loop]) {
      expect(await failure(client.call('orders', 'POST', '/', body))).toMatchObject({
        code: 'ERR_GATELESS_INVALID_REQUEST',
      })
    }
    expect(transport.exchanges).toHaveLength(0)
  })

  it('hands the transport what undici knows, and nothing that undici refuses', async () => {
    const options = await sent('orders', 'GET', '/', undefined, {
      timeoutMs: 5_000,
      balancingKey: 'k',
      idempotent: true,
      key: 'x',
      priority: 3,
    })
    expect(options).toMatchObject({ body: null, idempotent: true, method: 'GET', origin: origin(1), path: '/' })
    expect(options).not.toHaveProperty('dispatcher')
    expect(options).not.toHaveProperty('signal')
  })

  it('ties calls of one key to one instance, under a strategy that hashes', async () => {
    const transport = new StubTransport(json(1))
    const { client } = stubClient(transport, { balancing: { strategy: new LeaseWatch(ipHash()) } })
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await client.call('orders', 'GET', '/', undefined, { balancingKey: key })
      await client.call('orders', 'GET', '/', undefined, { key })
      await client.request({ service: 'orders', path: '/', balancingKey: key })
      const [one, two, three] = transport.origins.slice(-3)
      expect([two, three]).toEqual([one, one])
    }
    expect(new Set(transport.origins).size).toBeGreaterThan(1)
  })

  it('with something that is no signal fails, and leaves nothing', async () => {
    const { client, leases } = stubClient(new StubTransport(json(1)))
    const call = client.call('orders', 'GET', '/', undefined, { signal: {} as never })
    await expect(call).rejects.toMatchObject({ code: 'ERR_GATELESS_INVALID_REQUEST' })
    expect(leases.inFlight).toBe(0)
    await client.close()
  })
})

describe('request', () => {
  it('gives undici’s answer, whatever its status', async () => {
    const { client } = stubClient(new StubTransport(answer({ status: 404, headers: { a: 'b' }, body: 'gone' })))
    const { statusCode, headers, body } = await client.request({ service: 'orders', path: '/' })
    expect({ statusCode, headers, text: await body.text() }).toEqual({
      statusCode: 404,
      headers: { a: 'b' },
      text: 'gone',
    })
  })

  it('hands on informational answers and trailers', async () => {
    const transport = new StubTransport((exchange) => {
      exchange.sent().later(undefined, () => exchange.headers(103, { link: '</a>' }).headers(200).end({ sum: '7' }))
    })
    const info: unknown[] = []
    const { client } = stubClient(transport)
    const response = await client.request({ service: 'orders', path: '/', onInfo: (given) => info.push(given) })
    await response.body.dump()
    expect(info).toEqual([{ statusCode: 103, headers: { link: '</a>' } }])
    expect(response.trailers).toEqual({ sum: '7' })
  })

  it('uses GET, and the deadline covers the body, unless told otherwise', async () => {
    const transport = new StubTransport(answer())
    const { client } = stubClient(transport)
    await client.request({ service: 'orders', path: '/' })
    await client.request({ service: 'orders', path: '/', method: 'DELETE' })
    expect(transport.exchanges.map(({ options }) => options.method)).toEqual(['GET', 'DELETE'])
  })
})

describe('fetch', () => {
  it('takes the URL’s host for the service, and gives a Response', async () => {
    const transport = new StubTransport(json({ a: 1 }))
    const { client } = stubClient(transport, {
      discovery: { provider: staticList({ orders: [{ host: '10.0.0.1', port: 80 }] }) },
    })
    const response = await client.fetch('http://orders/a?b=1', { method: 'POST', body: 'x', headers: { c: 'd' } })
    expect([response.status, await response.json()]).toEqual([200, { a: 1 }])
    expect(transport.last().options).toMatchObject({ path: '/a?b=1', method: 'POST', origin: 'http://10.0.0.1:80' })
  })

  it('rejects like any fetch, with our error as the cause', async () => {
    const { client } = stubClient(new StubTransport(answer()))
    const error = await failure(client.fetch('http://ghost/'))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.cause).toMatchObject({ code: 'ERR_GATELESS_SERVICE_NOT_FOUND' })
  })
})

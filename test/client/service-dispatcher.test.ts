import { Writable } from 'node:stream'
import { ServiceClient, staticList } from 'gateless'
import {
  Agent,
  type Dispatcher,
  fetch as undiciFetch,
  getGlobalDispatcher,
  interceptors,
  request,
  setGlobalDispatcher,
} from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, good, http, type Peer } from '../support/servers.ts'
import { stubClient } from '../support/stub-client.ts'
import { answer, StubTransport } from '../support/stub-transport.ts'

describe('as a dispatcher on real sockets', () => {
  let peer: Peer
  let other: Peer
  let client: ServiceClient
  const before = getGlobalDispatcher()

  beforeEach(async () => {
    peer = await http((incoming, response) => {
      if (incoming.url === '/again') return void response.writeHead(302, { location: '/landed' }).end()
      let text = ''
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${text}`))
    })
    other = await good()
    client = new ServiceClient({
      discovery: { provider: staticList({ orders: [{ host: '127.0.0.1', port: peer.port }] }) },
      services: { orders: {} },
    })
  })

  afterEach(async () => {
    setGlobalDispatcher(before)
    await client.close()
    await eventually(() => peer.open.size === 0)
    await Promise.all([peer.close(), other.close()])
  })

  it('set globally: undici resolves the service, and leaves other hosts alone', async () => {
    setGlobalDispatcher(client.dispatcher)
    const ours = await request('http://orders/a?b=1')
    expect(await ours.body.text()).toBe('GET /a?b=1 ')
    const theirs = await request(`http://127.0.0.1:${other.port}/`)
    expect(await theirs.body.text()).toBe('ok')
  })

  it('set globally: the built-in fetch of this Node works', async () => {
    setGlobalDispatcher(client.dispatcher)
    const response = await fetch('http://orders/a', { method: 'POST', body: 'hello' })
    expect(await response.text()).toBe('POST /a hello')
    expect(await (await fetch(`http://127.0.0.1:${other.port}/`)).text()).toBe('ok')
    await expect(fetch('http://ghost.invalid/')).rejects.toThrow('fetch failed')
  })

  it('set globally: undici.fetch works, with redirects and streams', async () => {
    setGlobalDispatcher(client.dispatcher)
    const response = await undiciFetch('http://orders/again')
    expect(await response.text()).toBe('GET /landed ')
    const body = new Response('streamed').body as never
    const streamed = await undiciFetch('http://orders/up', { method: 'PUT', body, duplex: 'half' })
    expect(await streamed.text()).toBe('PUT /up streamed')
  })

  it('composes with undici’s interceptors', async () => {
    const composed = client.dispatcher.compose(interceptors.redirect({ maxRedirections: 1 }))
    const { body } = await request('http://orders/again', { dispatcher: composed })
    expect(await body.text()).toBe('GET /landed ')
  })

  it('passes a whole stream', async () => {
    const chunks: string[] = []
    await client.dispatcher.stream(
      { origin: 'http://orders', path: '/s', method: 'GET' },
      () =>
        new Writable({
          write(chunk: Buffer, _: string, done: () => void) {
            chunks.push(chunk.toString())
            done()
          },
        }),
    )
    expect(chunks.join('')).toBe('GET /s ')
  })

  it('over an Agent of the user’s own, which stays the user’s to close', async () => {
    const agent = new Agent({ connections: 1 })
    const own = new ServiceClient({
      discovery: { provider: staticList({ orders: [{ host: '127.0.0.1', port: peer.port }] }) },
      transport: agent,
    })
    await own.call('orders', 'GET', '/')
    await own.close()
    expect(agent.closed || agent.destroyed).toBe(false)
    await agent.close()
  })
})

describe('as a dispatcher', () => {
  it('speaks to handlers of undici 7 and before', async () => {
    const { client, leases } = stubClient(new StubTransport(answer({ status: 404, headers: { a: 'b' }, body: 'gone' })))
    const seen: unknown[] = []
    await new Promise<void>((resolve, reject) => {
      client.dispatcher.dispatch(
        { service: 'orders', path: '/', method: 'GET', dispatcher: client.dispatcher } as never,
        {
          onConnect: () => seen.push('connect'),
          onHeaders: (status: number) => seen.push(status),
          onData: (chunk: Buffer) => seen.push(chunk.toString()),
          onComplete: () => resolve(),
          onError: reject,
        } as never,
      )
    })
    expect(seen).toEqual(['connect', 404, 'gone'])
    expect(leases.inFlight).toBe(0)
  })

  it('tells exactly one start, whatever happens behind it', async () => {
    const transport = new StubTransport((exchange) => {
      exchange.sent()
      exchange.sent()
      answer()(exchange)
    })
    const { client } = stubClient(transport)
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      client.dispatcher.dispatch(
        { service: 'orders', path: '/', method: 'GET' },
        {
          onRequestStart: () => seen.push('start'),
          onResponseStart: () => seen.push('headers'),
          onResponseEnd: () => {
            seen.push('end')
            resolve()
          },
        },
      )
    })
    expect(seen).toEqual(['start', 'headers', 'end'])
  })

  it('tells a handler once of what it refuses, and answers that it is not busy', () => {
    const { client } = stubClient(new StubTransport(answer()))
    const seen: unknown[] = []
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => seen.push('start'),
      onResponseError: (controller, error) => {
        controller.pause()
        controller.resume()
        controller.abort(error)
        seen.push((error as { code?: string }).code)
      },
    }
    expect(client.dispatcher.dispatch({ service: 'orders', path: 'x', method: 'GET' }, handler)).toBe(true)
    expect(seen).toEqual(['ERR_GATELESS_INVALID_REQUEST'])
  })
})

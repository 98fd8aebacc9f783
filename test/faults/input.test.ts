import { getEventListeners } from 'node:events'
import { fixedBackoff, ServiceClient, staticList } from 'gateless'
import { request as undiciRequest } from 'undici'
import { describe, it } from 'vitest'
import { clientOf, eventually, good, http, tcp, timed } from '../support/servers.ts'

/** A server that answers `ok`, and remembers what it was asked. */
async function remembering() {
  const heads: string[] = []
  const peer = await tcp((socket, head) => {
    heads.push(head)
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok')
  })
  return Object.assign(peer, { heads })
}

describe.concurrent('faults of the caller’s input', () => {
  describe('38: an invalid request is refused before undici, and burns no connection', () => {
    const invalid: Record<string, object> = {
      'CR LF in a header': { headers: { 'x-a': 'b\r\nevil: 1' } },
      'a header name that is none': { headers: { 'x a': 'b' } },
      'CR LF in the path': { path: '/a\r\nevil: 1' },
      'a method that is none': { method: 'GET\r\n' },
      'a length that is none': { headers: { 'content-length': 'seven' } },
      'two lengths': { headers: ['content-length', '1', 'content-length', '2'] },
      'a body that is none': { method: 'POST', body: { a: 1 } },
    }
    for (const [name, request] of Object.entries(invalid)) {
      it(name, async ({ expect }) => {
        const peer = await remembering()
        await using ours = clientOf([peer], { connections: 2 })
        for (let i = 0; i < 10; i += 1) {
          const { error } = await timed(ours.client.request({ service: 'orders', path: '/', ...request }))
          expect(error).toMatchObject({
            name: 'InvalidRequestError',
            code: 'ERR_GATELESS_INVALID_REQUEST',
            local: true,
          })
        }
        expect(ours.leases.verdicts.every((verdict) => verdict.endsWith('ignore'))).toBe(true)
        await ours.good()
        expect(peer.heads).toHaveLength(1)
      })
    }

    it('a body whose length is not what was said: neither', async ({ expect }) => {
      const peer = await remembering()
      await using ours = clientOf([peer], { connections: 2 })
      for (let i = 0; i < 5; i += 1) {
        const { error } = await timed(
          ours.client.request({
            service: 'orders',
            path: '/',
            method: 'POST',
            body: 'abc',
            headers: { 'content-length': '7' },
          }),
        )
        expect(error).toMatchObject({ code: 'ERR_GATELESS_INVALID_REQUEST' })
      }
      await ours.good()
    })

    it('also one that only passes through the dispatcher to another host', async ({ expect }) => {
      const peer = await remembering()
      await using ours = clientOf([peer], { connections: 1 })
      const origin = `http://127.0.0.1:${peer.port}`
      for (let i = 0; i < 3; i += 1) {
        const { error } = await timed(
          undiciRequest(`${origin}/`, { dispatcher: ours.client.dispatcher, headers: { 'x-a': 'b\r\nevil: 1' } }),
        )
        expect(error['code']).toBe('UND_ERR_INVALID_ARG')
      }
      const { body } = await undiciRequest(`${origin}/`, { dispatcher: ours.client.dispatcher })
      await expect(body.text()).resolves.toBe('ok')
      await ours.good()
    })
  })

  it('39: a path that is another host’s never leaves', async ({ expect }) => {
    const peer = await remembering()
    await using ours = clientOf([peer])
    for (const path of ['//evil/x', 'http://evil/x', '/\\evil', 'evil']) {
      const { error } = await timed(ours.client.call('orders', 'GET', path))
      expect(error['code']).toBe('ERR_GATELESS_INVALID_REQUEST')
    }
    await ours.good()
    expect(peer.heads).toHaveLength(1)
  })

  it('40, 41, 43: dots stay, letters are encoded, __proto__ is a header', async ({ expect }) => {
    const peer = await remembering()
    await using ours = clientOf([peer])
    await ours.client.call('orders', 'GET', '/a/../b/%2e%2e/grün')
    await ours.client.call('orders', 'GET', '/', undefined, { headers: JSON.parse('{"__proto__":"x"}') as never })
    expect(peer.heads[0]).toMatch(/^GET \/a\/\.\.\/b\/%2e%2e\/gr%C3%BCn HTTP\/1\.1\r\n/)
    expect(peer.heads[1]).toContain('__proto__: x\r\n')
    await ours.good()
  })

  it('42: the Host header is the instance’s', async ({ expect }) => {
    const peer = await remembering()
    await using ours = clientOf([peer])
    const { error } = await timed(ours.client.call('orders', 'GET', '/', undefined, { headers: { Host: 'evil' } }))
    expect(error['code']).toBe('ERR_GATELESS_INVALID_REQUEST')
    await ours.good()
    expect(peer.heads[0]).toContain(`host: 127.0.0.1:${peer.port}\r\n`)
  })

  it('44, 45: numbers that are no durations are refused where they are given', async ({ expect }) => {
    const discovery = { provider: staticList({}) }
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 40]) {
      for (const name of ['timeoutMs', 'attemptTimeoutMs', 'connectTimeoutMs']) {
        expect(() => new ServiceClient({ discovery, [name]: value })).toThrow(RangeError)
      }
    }
    await using ours = clientOf([await good()])
    await expect(ours.client.call('orders', 'GET', '/', undefined, { timeoutMs: 2 ** 40 })).resolves.toBe('ok')
    await ours.good()
  })

  it('46: a signal aborted before costs not even a connection', async ({ expect }) => {
    const peer = await good()
    await using ours = clientOf([peer])
    const signal = AbortSignal.abort(new Error('never mind'))
    for (const start of [
      () => ours.client.call('orders', 'GET', '/', undefined, { signal }),
      () => ours.client.request({ service: 'orders', path: '/', signal }),
      () => ours.client.fetch('http://orders/', { signal }),
    ]) {
      expect((await timed(start())).error).toBe(signal.reason)
    }
    expect(peer.accepted).toBe(0)
    await ours.good()
  })

  it('47: an abort while queueing, sent, backing off and in the body: at once, and the place is free', async ({
    expect,
  }) => {
    const peer = await http((request, response) => {
      if (request.url === '/good') return void response.end('ok')
      if (request.url === '/busy') return void response.writeHead(503).end()
      if (request.url === '/body') {
        response.writeHead(200, { 'content-length': 100 })
        response.write('half')
      }
    })
    await using ours = clientOf([peer], {
      connections: 1,
      retry: { backoff: fixedBackoff({ delayMs: 60_000 }) },
      timeoutMs: 600_000,
    })
    const reason = new Error('enough')
    const run = async (path: string, until: () => Promise<unknown>): Promise<void> => {
      const controller = new AbortController()
      const result = timed(ours.client.call('orders', 'GET', path, undefined, { signal: controller.signal }))
      await until()
      controller.abort(reason)
      expect((await result).error).toBe(reason)
      expect(ours.leases.inFlight).toBe(path === '/queued' ? 1 : 0)
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    }
    const answered = (count: number) => () => eventually(() => ours.leases.verdicts.length >= count)
    await run('/busy', answered(1))
    await run('/body', answered(2))
    await run('/silent', () => {
      const accepted = peer.accepted
      return eventually(() => peer.accepted > accepted)
    })
    const blocker = new AbortController()
    const blocking = timed(ours.client.call('orders', 'GET', '/silent', undefined, { signal: blocker.signal }))
    await run('/queued', () => eventually(() => ours.leases.inFlight === 2))
    blocker.abort(reason)
    await blocking
    await ours.good()
  })

  it('48: 20,000 calls on one signal leave no listener', async ({ expect }) => {
    await using ours = clientOf([await good()])
    const { signal } = new AbortController()
    for (let i = 0; i < 40; i += 1) {
      await Promise.all(
        Array.from({ length: 500 }, () => ours.client.call('orders', 'GET', '/', undefined, { signal })),
      )
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await ours.good()
  }, 30_000)

  it('50: what is changed after the call changes nothing', async ({ expect }) => {
    const peer = await remembering()
    await using ours = clientOf([peer])
    const headers: Record<string, string> = { a: '1' }
    const query = { b: '1' }
    const result = ours.client.call('orders', 'GET', '/', undefined, { headers, query })
    headers['a'] = 'evil\r\n'
    query.b = 'evil'
    await result
    expect(peer.heads[0]).toMatch(/^GET \/\?b=1 [\s\S]*\ba: 1\r\n/)
    await ours.good()
  })

  it('51: hooks, listeners and strategies that throw unbalance nothing', async ({ expect }) => {
    await using ours = clientOf([await good()])
    ours.client.on('error', () => {})
    ours.client.on('call', () => {
      throw new Error('listener')
    })
    await ours.good()
    ours.leases.onPick = () => {
      throw new Error('strategy')
    }
    expect((await timed(ours.client.call('orders', 'GET', '/'))).error.message).toBe('strategy')
    ours.leases.onPick = undefined
    await ours.good()
  })

  it('52: a body that throws what is no Error', async ({ expect }) => {
    const peer = await http((request, response) => void request.resume().on('end', () => response.end('ok')))
    await using ours = clientOf([peer])
    for (const thrown of [null, undefined, 'text']) {
      async function* generator() {
        yield 'a'
        // oxlint-disable-next-line no-throw-literal
        throw thrown
      }
      const request = { service: 'orders', path: '/', method: 'PUT', body: generator() as never } as const
      const { error } = await timed(ours.client.request(request))
      expect(error.message).toBe('the request body failed')
      expect(error.cause).toBe(thrown)
    }
    expect(ours.leases.verdicts).toEqual(Array.from({ length: 3 }, () => `${peer.instance.id} ignore`))
    expect(ours.leases.inFlight).toBe(0)
    await ours.good()
  })
})

import { ServiceClient, staticList } from 'gateless'
import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { expectNothingLeft, failure, fleet, settled, stubClient } from '../support/stub-client.ts'
import { answer, begin, json, reset, silent, StubTransport } from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('close', () => {
  it('refuses new calls at once, and lets those in flight finish', async () => {
    const transport = new StubTransport(json('done', { afterMs: 1_000 }))
    const { client, leases } = stubClient(transport)
    const running = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(10)
    const closed = client.close()
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
    expect(await failure(client.request({ service: 'orders', path: '/' }))).toMatchObject({
      code: 'ERR_GATELESS_CLOSED',
    })
    await vi.advanceTimersByTimeAsync(980)
    expect(await settled(closed)).toBe('pending')
    await vi.advanceTimersByTimeAsync(20)
    await expect(running).resolves.toBe('done')
    await closed
    await expectNothingLeft(leases)
  })

  it('ends what is left after drainMs', async () => {
    const { client, leases } = stubClient(new StubTransport(silent))
    const running = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(10)
    const closed = client.close(200)
    await vi.advanceTimersByTimeAsync(189)
    expect(await settled(running)).toBe('pending')
    await vi.advanceTimersByTimeAsync(20)
    expect(await running).toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
    await closed
    expect(leases.verdicts).toEqual(['1 ignore'])
    await expectNothingLeft(leases)
  })

  it('waits for bodies too', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { client, leases } = stubClient(transport)
    const { body } = await client.request({ service: 'orders', path: '/' })
    const closed = client.close(1_000)
    await vi.advanceTimersByTimeAsync(500)
    expect(await settled(closed)).toBe('pending')
    transport.last().chunk('b').end()
    await vi.advanceTimersByTimeAsync(20)
    await closed
    expect(await body.text()).toBe('ab')
    await expectNothingLeft(leases)
  })

  it('any number of times is the same close, also as a dispatcher’s and by `using`', async () => {
    const { client } = stubClient(new StubTransport(answer()))
    const once = client.close()
    expect(client.close()).toBe(once)
    await client[Symbol.asyncDispose]()
    await client.dispatcher.close()
    await new Promise<void>((resolve) => client.dispatcher.close(resolve))
    await client.dispatcher.destroy()
    await new Promise<void>((resolve) => client.dispatcher.destroy(resolve))
    await new Promise<void>((resolve) => client.dispatcher.destroy(null, resolve))
    await client.dispatcher.destroy(new Error('why'))
  })

  it('finds no end in a handler that calls again as soon as it is told', async () => {
    const { client, leases } = stubClient(new StubTransport(silent))
    let told = 0
    const again = (): void => {
      client.dispatcher.dispatch(
        { service: 'orders', path: '/', method: 'GET' },
        {
          onRequestStart() {},
          onResponseError: () => {
            told += 1
            if (told < 100) again()
          },
        },
      )
    }
    again()
    await vi.advanceTimersByTimeAsync(1)
    const closed = client.close(0)
    await vi.advanceTimersByTimeAsync(1)
    await closed
    // The first by the close; the others are refused one inside the other, and none of them lives.
    expect(told).toBe(100)
    await expectNothingLeft(leases)
  })

  it('ends the others too when a handler throws that is told so', async () => {
    const { client, leases } = stubClient(new StubTransport(silent))
    const faults: unknown[] = []
    client.on('error', (fault) => faults.push(fault))
    const oops = new Error('oops')
    client.dispatcher.dispatch(
      { service: 'orders', path: '/', method: 'GET' },
      {
        onRequestStart() {},
        onResponseError: () => {
          throw oops
        },
      },
    )
    const other = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(1)
    const closed = client.close(0)
    await vi.advanceTimersByTimeAsync(1)
    await closed
    expect(await other).toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
    expect(faults).toEqual([{ event: 'onResponseError', error: oops }])
    await expectNothingLeft(leases)
  })
})

const handler = (resolve: (outcome: string) => void): Dispatcher.DispatchHandler => ({
  onRequestStart() {},
  onResponseStart() {},
  onResponseEnd: () => resolve('answered'),
  onResponseError: (_, error) => resolve(String((error as { code?: string }).code)),
})

/** Where a request for an origin went. */
async function routed(options: object, origin: string | URL | undefined, dispatcher?: 'everyHost') {
  const transport = new StubTransport(answer())
  const { client } = stubClient(transport, {
    discovery: {
      provider: staticList({ Orders: [{ host: '10.0.0.1', port: 1 }], bills: [{ host: '10.0.0.2', port: 2 }] }),
    },
    ...options,
  })
  if (dispatcher === 'everyHost') await client.fetch(String(origin)).catch(() => {})
  else {
    await new Promise<string>((resolve) =>
      client.dispatcher.dispatch({ origin, path: '/', method: 'GET' } as never, handler(resolve)),
    )
  }
  return transport.origins
}

describe('which host is a service', () => {
  it('of the dispatcher: one that is configured, whatever its case', async () => {
    expect(await routed({ services: { Orders: {} } }, 'http://orders')).toEqual(['http://10.0.0.1:1'])
    expect(await routed({ services: { Orders: {} } }, new URL('http://ORDERS:8080'))).toEqual(['http://10.0.0.1:1'])
  })

  it('of the dispatcher: one with the suffix', async () => {
    const options = { suffix: 'Svc.Internal', services: { Orders: {} } }
    expect(await routed(options, 'http://bills.svc.internal')).toEqual(['http://10.0.0.2:2'])
    expect(await routed(options, 'http://svc.internal')).toEqual(['http://svc.internal'])
    expect(await routed(options, 'http://billssvc.internal')).toEqual(['http://billssvc.internal'])
  })

  it('of the dispatcher: no other; those pass through untouched', async () => {
    expect(await routed({ services: { Orders: {} } }, 'http://bills')).toEqual(['http://bills'])
    expect(await routed({}, 'https://example.com')).toEqual(['https://example.com'])
  })

  it('of fetch: every one', async () => {
    expect(await routed({}, 'http://bills/x', 'everyHost')).toEqual(['http://10.0.0.2:2'])
  })

  it('is not what is no URL', async () => {
    const { client } = stubClient(new StubTransport(answer()))
    const outcome = await new Promise<string>((resolve) =>
      client.dispatcher.dispatch({ origin: 'no url', path: '/', method: 'GET' }, handler(resolve)),
    )
    expect(outcome).toBe('ERR_INVALID_URL')
  })
})

describe('how much is remembered', () => {
  it('is bounded, however many names are called (invariant 20)', async () => {
    const transport = new StubTransport(reset(), json(1))
    const { client, leases } = stubClient(transport, {
      breaker: { instance: false, service: { failureThreshold: 1 } },
      retry: false,
      discovery: {
        provider: {
          name: 'any',
          list: (name) =>
            fleet(1)
              .list('orders', { signal: new AbortController().signal })
              .then((list) => ({ ...list, name })),
        },
      },
    })
    expect(await failure(client.call('s0', 'GET', '/'))).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE' })
    expect(await failure(client.call('s0', 'GET', '/'))).toMatchObject({ code: 'ERR_GATELESS_CIRCUIT_OPEN' })
    for (let i = 1; i < 1_100; i += 1) await client.call(`s${i}`, 'GET', '/')
    // What was known of it has been forgotten.
    await expect(client.call('s0', 'GET', '/')).resolves.toBe(1)
    await expectNothingLeft(leases)
  })
})

it('an injected clock tells the time, and fake timers are then nobody’s business', async () => {
  const { FakeClock } = await import('gateless/testing')
  const clock = new FakeClock()
  const { client } = stubClient(new StubTransport(silent), { clock })
  const result = failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: 50 }))
  await clock.advance(49)
  expect(await settled(result)).toBe('pending')
  await clock.advance(1)
  expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
  const closed = client.close()
  await clock.advance(10)
  await closed
})

it('a client without transport has pools of its own and no timer', () => {
  const client = new ServiceClient({ discovery: { provider: staticList({}) } })
  expect(vi.getTimerCount()).toBe(0)
  void client.close()
})

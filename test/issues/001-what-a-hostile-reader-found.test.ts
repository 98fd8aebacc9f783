import { afterEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, type Member, ServiceClient, staticList, type Strategy, type TripRule } from 'gateless'
import { http } from '../support/servers.ts'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, json, queued, refuse, silent, StubTransport } from '../support/stub-transport.ts'

/** Each of these was found by breaking a finished version, and stays here so that it is found at once next time. */

afterEach(() => {
  vi.useRealTimers()
})

describe('what a user throws cannot hurt the caller', () => {
  it('a listener that throws something that cannot be made a string', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    breaker.on('transition', () => {
      throw Object.create(null)
    })
    const error = new Error('mine')
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(warned).toHaveBeenCalledOnce()
    warned.mockRestore()
  })

  it('a trip rule that throws', async () => {
    const trip: TripRule = {
      name: 'broken',
      create: () => ({
        timed: false,
        record: () => {
          throw new Error('rule')
        },
        reset: () => {},
        counts: () => ({ successes: 0, failures: 0 }),
        save: () => undefined,
        restore: () => {},
      }),
    }
    const breaker = new CircuitBreaker({ trip })
    const faults: string[] = []
    breaker.on('error', ({ event }) => faults.push(event))
    await expect(breaker.execute(() => 'done')).resolves.toBe('done')
    expect(faults).toEqual(['trip'])
  })
})

describe('who is judged', () => {
  it('nobody by a caller who gave no time', async () => {
    vi.useFakeTimers()
    const { client } = stubClient(new StubTransport(silent), { retry: false }, 1)
    for (let i = 0; i < 30; i += 1) {
      const ended = failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: 1 }))
      await vi.advanceTimersByTimeAsync(1)
      expect(await ended).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    }
  })
})

describe('a queue of our own', () => {
  it('is no failure of the instance behind it: whoever waits for a connection judges nobody', async () => {
    const peer = await http(() => {})
    const client = new ServiceClient({
      discovery: { provider: staticList({ s: [peer.instance, { host: '127.0.0.1', port: 1 }] }) },
      connections: 1,
      attemptTimeoutMs: 50,
      retry: false,
      breaker: { instance: { failureThreshold: 2 }, service: false },
      balancing: { strategy: only(peer.port) },
    })
    const ejected: unknown[] = []
    client.on('ejected', (event) => ejected.push(event))
    // One holds the only connection and is at fault; the others get one, if at all, when their time is almost over.
    const first = failure(client.call('s', 'GET', '/'))
    await new Promise((resolve) => setTimeout(resolve, 10))
    await Promise.all([first, ...Array.from({ length: 10 }, () => failure(client.call('s', 'GET', '/')))])
    expect(ejected).toEqual([])
    await client.close()
    await peer.close()
  })
})

/** Always the instance at this port. */
function only(port: number): Strategy {
  return {
    name: 'only',
    create: () => {
      let members: readonly Member[] = []
      return {
        update: (next) => {
          members = next
        },
        pick: () => members.find(({ instance }) => instance.port === port),
      }
    },
  }
}

describe('options of the client', () => {
  it('retryable is asked, with the error that a status stands for', async () => {
    const asked: unknown[] = []
    const transport = new StubTransport(answer({ status: 503 }))
    const { client } = stubClient(transport, {
      retry: {
        retryable: (error) => {
          asked.push((error as { status?: number }).status)
          return false
        },
      },
    })
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({ status: 503, notRetried: 'not-retryable' })
    expect([transport.exchanges.length, asked]).toEqual([1, [503]])
  })
})

describe('headers', () => {
  it('that can be read only once are not lost by being checked', async () => {
    const transport = new StubTransport(answer())
    const { client } = stubClient(transport)
    const headers = new Map([['authorization', 'secret']]).entries()
    const { body } = await client.request({ service: 'orders', path: '/', headers: headers as never })
    await body.dump()
    expect(transport.last().options.headers).toEqual(['authorization', 'secret'])
  })

  it('of a Headers object reach the server', async () => {
    const transport = new StubTransport(json(1))
    const { client } = stubClient(transport)
    await client.call('orders', 'GET', '/', undefined, { headers: new Headers({ authorization: 'secret' }) })
    expect(transport.last().options.headers).toContain('secret')
  })
})

describe('after the end', () => {
  it('a request that still waits for a connection no longer holds its body', async () => {
    vi.useFakeTimers()
    const transport = new StubTransport(queued)
    const { client } = stubClient(transport, { retry: false })
    const ended = failure(client.call('orders', 'PUT', '/', { large: 'x'.repeat(1_000) }, { timeoutMs: 10 }))
    await vi.advanceTimersByTimeAsync(10)
    await ended
    expect(transport.last().options.body).toBeNull()
  })

  it('a call that a listener of its retry ended leaves no timer', async () => {
    vi.useFakeTimers()
    const caller = new AbortController()
    const { client } = stubClient(new StubTransport(refuse()))
    client.on('retry', () => caller.abort(new Error('enough')))
    await expect(client.call('orders', 'GET', '/', undefined, { signal: caller.signal })).rejects.toThrow('enough')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a closed client passes nothing through either', async () => {
    const { client } = stubClient(new StubTransport(queued))
    await client.close()
    const ended = client.dispatcher.request({ origin: 'http://example.org', path: '/', method: 'GET' })
    await expect(ended).rejects.toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
  })
})

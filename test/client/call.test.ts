import { AsyncLocalStorage } from 'node:async_hooks'
import { PassThrough, Readable } from 'node:stream'
import type { ServiceClient } from 'gateless'
import {
  CircuitBreaker,
  ClosedError,
  fixedBackoff,
  isGatelessError,
  RetryBudget,
  type Strategy,
  TimeoutError,
} from 'gateless'
import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LeaseWatch } from '../support/lease-watch.ts'
import { expectNothingLeft, failure, fleet, origin, settled, stubClient } from '../support/stub-client.ts'
import {
  answer,
  begin,
  coded,
  json,
  queued,
  refuse,
  reset,
  silent,
  StubTransport,
  throwing,
} from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('another attempt', () => {
  it('goes to an instance not yet tried, as long as there is one', async () => {
    const transport = new StubTransport(answer({ status: 503 }))
    const { client, leases } = stubClient(transport, {
      retry: { maxAttempts: 4, backoff: fixedBackoff({ delayMs: 10 }) },
    })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(100)
    await result
    expect(transport.origins.slice(0, 3).toSorted()).toEqual([origin(1), origin(2), origin(3)])
    expect(transport.origins).toHaveLength(4)
    await expectNothingLeft(leases)
  })

  it('is made elsewhere even by a strategy that always prefers the same instance', async () => {
    const first: Strategy = {
      name: 'first',
      create: () => {
        let all: readonly { id: string }[] = []
        return {
          update: (members) => {
            all = members
          },
          pick: ({ exclude }) => all.find(({ id }) => exclude?.has(id) !== true) as never,
        }
      },
    }
    const transport = new StubTransport(reset(), reset(), json(1))
    const { client } = stubClient(transport, { balancing: { strategy: first } })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(result).resolves.toBe(1)
    expect(transport.origins).toEqual([origin(1), origin(2), origin(3)])
  })

  it('begins exactly after the delay', async () => {
    const transport = new StubTransport(reset(), json('second'))
    const { client } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(99)
    expect(transport.exchanges).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(transport.exchanges).toHaveLength(2)
    await expect(result).resolves.toBe('second')
  })

  it('waits as long as Retry-After asks, and not a millisecond less', async () => {
    const transport = new StubTransport(answer({ status: 503, headers: { 'retry-after': '2' } }), json(1))
    const { client } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1_999)
    expect(transport.exchanges).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    await expect(result).resolves.toBe(1)
  })

  it.each([408, 425, 429, 500, 502, 503, 504])('follows a %i', async (status) => {
    const transport = new StubTransport(answer({ status }), json(1))
    const { client } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe(1)
  })

  it.each([200, 204, 302, 400, 404, 409, 501, 505, 999])('does not follow a %i', async (status) => {
    const transport = new StubTransport(answer({ status }))
    const { client } = stubClient(transport)
    const { statusCode } = await client.request({ service: 'orders', path: '/' })
    expect(statusCode).toBe(status)
    expect(transport.exchanges).toHaveLength(1)
  })

  it('is not made with retry: false, and the log says why', async () => {
    const transport = new StubTransport(reset())
    const { client } = stubClient(transport, { retry: false })
    await expect(failure(client.call('orders', 'GET', '/'))).resolves.toMatchObject({ notRetried: 'exhausted' })
    expect(transport.exchanges).toHaveLength(1)
  })
})

const post = (client: ServiceClient, more: object = {}, headers: Record<string, string> = {}) =>
  client.call('orders', 'POST', '/', { a: 1 }, { headers, ...more })

describe('a request that may not be repeated', () => {
  it('is not sent again once it may have been sent', async () => {
    const transport = new StubTransport(reset())
    const { client, leases } = stubClient(transport)
    const error = await failure(post(client))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', notRetried: 'not-idempotent' })
    expect(transport.exchanges).toHaveLength(1)
    await expectNothingLeft(leases)
  })

  it('is not sent again after a timeout, nor after a 503', async () => {
    const transport = new StubTransport(silent, answer({ status: 503 }))
    const { client } = stubClient(transport)
    const timedOut = failure(post(client))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await timedOut).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', notRetried: 'not-idempotent' })
    expect(await failure(post(client))).toMatchObject({ status: 503, notRetried: 'not-idempotent' })
    expect(transport.exchanges).toHaveLength(2)
  })

  it('is sent elsewhere when it was never sent: refused, queued too long, or thrown back', async () => {
    for (const fault of [refuse(), queued, throwing(coded('EWHATEVER'))]) {
      const transport = new StubTransport(fault, json('done'))
      const { client } = stubClient(transport)
      const result = post(client)
      await vi.advanceTimersByTimeAsync(5_100)
      await expect(result).resolves.toBe('done')
      expect(transport.exchanges).toHaveLength(2)
    }
  })

  it.each([
    ['idempotent: true', { idempotent: true }, {}],
    ['an Idempotency-Key', {}, { 'Idempotency-Key': 'k1' }],
  ])('may be, with %s', async (_, more, headers) => {
    const transport = new StubTransport(reset(), json('done'))
    const { client } = stubClient(transport)
    const result = post(client, more, headers)
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe('done')
    expect(transport.exchanges.map(({ options }) => options.body)).toEqual(['{"a":1}', '{"a":1}'])
  })

  it('includes a GET whose caller says idempotent: false', async () => {
    const transport = new StubTransport(reset())
    const { client } = stubClient(transport)
    const error = await failure(client.call('orders', 'GET', '/', undefined, { idempotent: false }))
    expect(error['notRetried']).toBe('not-idempotent')
  })

  it('leaves the probe of an ejected instance to others, for as long as that instance was out', async () => {
    const transport = new StubTransport(reset(), reset(), json(1))
    const { client } = stubClient(
      transport,
      { retry: false, breaker: { instance: { failureThreshold: 1 }, service: false } },
      2,
    )
    await failure(client.call('orders', 'GET', '/'))
    await failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(59_999)
    const [ejected] = transport.origins
    for (let i = 0; i < 4; i += 1) await post(client)
    expect(transport.origins.slice(2)).not.toContain(ejected)
    await client.call('orders', 'GET', '/')
    expect(transport.origins.at(-1)).toBe(ejected)
  })

  it('probes in the end all the same, or a client that only posts would never get the instance back', async () => {
    const transport = new StubTransport(reset(), reset(), json(1))
    const { client } = stubClient(
      transport,
      { retry: false, breaker: { instance: { failureThreshold: 1 }, service: false } },
      2,
    )
    await failure(client.call('orders', 'GET', '/'))
    await failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(60_000)
    await post(client)
    expect(transport.origins.at(-1)).toBe(transport.origins[0])
  })
})

describe('a stream as body (FAULTS 49)', () => {
  it('is not replayed, and the error says so', async () => {
    const transport = new StubTransport(reset())
    const { client } = stubClient(transport)
    const body = Readable.from(['a'])
    const error = await failure(client.request({ service: 'orders', path: '/', method: 'PUT', body }))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', notRetried: 'body-not-replayable' })
    expect(transport.exchanges).toHaveLength(1)
  })

  it('goes to another instance when nothing of it was sent', async () => {
    const transport = new StubTransport(refuse(), answer())
    const { client } = stubClient(transport)
    const body = new PassThrough()
    const result = client.request({ service: 'orders', path: '/', method: 'POST', body })
    await vi.advanceTimersByTimeAsync(100)
    expect((await result).statusCode).toBe(200)
    expect(transport.exchanges.map(({ options }) => options.body)).toEqual([body, body])
    expect(body.destroyed).toBe(false)
  })
})

describe('the time of one attempt', () => {
  it('ends exactly at attemptTimeoutMs, and the next one begins', async () => {
    const transport = new StubTransport(silent, json('second'))
    const { client, leases } = stubClient(transport, { attemptTimeoutMs: 250 })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(249)
    expect(transport.exchanges[0]?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(transport.exchanges[0]?.aborted).toBe(true)
    expect(leases.verdicts).toEqual(['1 failure'])
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe('second')
    await expectNothingLeft(leases)
  })

  it('covers the wait for a connection', async () => {
    const transport = new StubTransport(queued)
    const { client, leases } = stubClient(transport, { attemptTimeoutMs: 250, retry: false })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(250)
    expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', status: 504 })
    expect(leases.verdicts).toEqual(['1 failure'])
    // Its turn for a connection comes too late: it must not be sent any more.
    const exchange = transport.last()
    exchange.sent()
    expect(exchange.over).toBe(true)
    await expectNothingLeft(leases)
  })

  it('is not renewed by informational answers (FAULTS 21)', async () => {
    const transport = new StubTransport((exchange) => {
      exchange.sent()
      const again = (): void => void exchange.later(10, () => again()).headers(103, { link: '</x>' })
      again()
    })
    const { client } = stubClient(transport, { attemptTimeoutMs: 250, retry: false })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(250)
    expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
  })

  it('ends with the headers: a long body is the deadline’s business', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { client, leases } = stubClient(transport, { attemptTimeoutMs: 250 })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(10_000)
    transport.last().chunk('b').end()
    await expect(result).resolves.toBe('ab')
    expect(leases.verdicts).toEqual(['1 success'])
  })
})

describe('the deadline of the whole call', () => {
  it('ends it exactly then, whatever attempt is under way', async () => {
    const transport = new StubTransport(silent)
    const { client, leases, calls } = stubClient(transport, { timeoutMs: 700, attemptTimeoutMs: 300 })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(699)
    expect(await settled(result)).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    const error = await failure(result)
    expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', notRetried: 'deadline', status: 504, local: false })
    expect(error.message).toContain('call timed out after 700 ms')
    expect(
      error.attempts.map(({ attempt, startedMs, durationMs, outcome }) => [attempt, startedMs, durationMs, outcome]),
    ).toEqual([
      [1, 0, 300, 'timeout'],
      [2, 400, 300, 'timeout'],
    ])
    expect(calls).toMatchObject([{ durationMs: 700, error: 'ERR_GATELESS_TIMEOUT', notRetried: 'deadline' }])
    await expectNothingLeft(leases)
  })

  it('is given per call too', async () => {
    const { client } = stubClient(new StubTransport(silent))
    const result = failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: 37 }))
    await vi.advanceTimersByTimeAsync(37)
    expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
  })

  it.each([Number.NaN, -1, '5', null])('refuses %s as a call’s own (FAULTS 44)', async (timeoutMs) => {
    const transport = new StubTransport(json(1))
    const { client, leases } = stubClient(transport)
    const error = await failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: timeoutMs as number }))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_INVALID_REQUEST' })
    expect(error.message).toMatch(/timeoutMs.*from 0/)
    expect(transport.exchanges).toHaveLength(0)
    await expect(client.call('orders', 'GET', '/')).resolves.toBe(1)
    await expectNothingLeft(leases)
  })

  it('may be endless, and longer than a timer can be', async () => {
    const { client } = stubClient(new StubTransport(json(1, { afterMs: 500 })))
    for (const timeoutMs of [Number.POSITIVE_INFINITY, 1e12]) {
      const result = client.call('orders', 'GET', '/', undefined, { timeoutMs })
      await vi.advanceTimersByTimeAsync(500)
      await expect(result).resolves.toBe(1)
    }
  })

  it('a retry that does not fit is not begun, and the real error is what the caller gets', async () => {
    const transport = new StubTransport(reset(coded('ECONNRESET'), 350))
    const { client, leases } = stubClient(transport, { timeoutMs: 400, attemptTimeoutMs: 400 })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(350)
    const error = await result
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_UNAVAILABLE',
      notRetried: 'deadline',
      cause: { code: 'ECONNRESET' },
    })
    await expectNothingLeft(leases)
  })

  it('a Retry-After that does not fit is not waited for: the answer itself is handed on (FAULTS 81)', async () => {
    const headers = { 'retry-after': '60', 'content-type': 'application/json' }
    const transport = new StubTransport(answer({ status: 503, headers, body: '{"why":1}' }))
    const { client, calls } = stubClient(transport)
    const error = await failure(client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ status: 503, body: { why: 1 }, retryAfterMs: 60_000, notRetried: 'deadline' })
    expect(calls).toMatchObject([{ status: 503, notRetried: 'deadline' }])
  })

  it('covers discovery', async () => {
    const transport = new StubTransport(json(1))
    const { client, leases } = stubClient(transport, {
      discovery: { provider: { name: 'slow', list: () => new Promise(() => {}) }, loadTimeoutMs: 10_000 },
      timeoutMs: 200,
    })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(200)
    expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', attempts: [] })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(transport.exchanges).toHaveLength(0)
    expect(leases.inFlight).toBe(0)
  })

  it('blames an instance only for the time it had: not one that earlier attempts left little to', async () => {
    const { client, leases } = stubClient(new StubTransport(silent), { timeoutMs: 500, attemptTimeoutMs: 300 })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(500)
    await result
    expect(leases.verdicts).toEqual(['1 failure', '2 ignore'])
  })

  it('blames the only attempt', async () => {
    const { client, leases } = stubClient(new StubTransport(silent), { timeoutMs: 200 })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(200)
    await result
    expect(leases.verdicts).toEqual(['1 failure'])
  })
})

describe('what the deadline covers', () => {
  it('call and request: the body too (FAULTS 19)', async () => {
    const trickle = begin({ body: 'a' })
    const { client, leases } = stubClient(new StubTransport(trickle), { timeoutMs: 400 })
    const called = failure(client.call('orders', 'GET', '/'))
    const response = await client.request({ service: 'orders', path: '/' })
    const read = failure(response.body.text())
    await vi.advanceTimersByTimeAsync(399)
    expect(leases.inFlight).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(leases.inFlight).toBe(0)
    // undici takes an immediate to tell a reader.
    await vi.advanceTimersByTimeAsync(1)
    expect(await called).toMatchObject({
      code: 'ERR_GATELESS_TIMEOUT',
      attempts: [{ outcome: 'timeout', status: 200 }],
    })
    expect(await read).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    // The headers were good and the reader was willing: the body's stall is the instance's doing.
    expect(leases.verdicts).toEqual(['1 success', '2 success', '1 failure', '2 failure'])
    await expectNothingLeft(leases)
  })

  it('fetch and dispatcher: up to the headers, so that streams live on', async () => {
    const transport = new StubTransport(begin({ body: 'a', afterMs: 399 }))
    const { client, leases } = stubClient(transport, { timeoutMs: 400 })
    const result = client.fetch('http://orders/')
    await vi.advanceTimersByTimeAsync(399)
    const text = (await result).text()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(leases.inFlight).toBe(1)
    transport.last().chunk('b').end()
    await expect(text).resolves.toBe('ab')
    await expectNothingLeft(leases)
  })

  it('says nothing against the instance when the reader is the slow side', async () => {
    const transport = new StubTransport(begin({ body: 'x'.repeat(200_000) }))
    const { client, leases } = stubClient(transport, { timeoutMs: 400 })
    const { body } = await client.request({ service: 'orders', path: '/' })
    const broke = new Promise((resolve) => body.on('error', resolve))
    expect(transport.last().paused).toBe(true)
    await vi.advanceTimersByTimeAsync(401)
    expect(await broke).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    expect(leases.verdicts).toEqual(['1 success'])
    await expectNothingLeft(leases)
  })
})

describe('an abort settles at once, with the signal’s reason', () => {
  const reason = new Error('enough')

  async function abortedAt(transport: StubTransport, afterMs: number, options: object = {}) {
    const controller = new AbortController()
    const { signal } = controller
    const made = stubClient(transport, options)
    const result = failure(made.client.call('orders', 'GET', '/', undefined, { signal }))
    await vi.advanceTimersByTimeAsync(afterMs)
    controller.abort(reason)
    expect(await result).toBe(reason)
    const verdicts = [...made.leases.verdicts]
    await expectNothingLeft(made.leases, signal)
    return { ...made, verdicts }
  }

  it('before it began: nothing is sent (FAULTS 46)', async () => {
    const transport = new StubTransport(json(1))
    const { client, leases } = stubClient(transport)
    const signal = AbortSignal.abort(reason)
    expect(await failure(client.call('orders', 'GET', '/', undefined, { signal }))).toBe(reason)
    expect(await failure(client.request({ service: 'orders', path: '/', signal }))).toBe(reason)
    expect(transport.exchanges).toHaveLength(0)
    await expectNothingLeft(leases, signal)
  })

  it('while discovering, and the load goes on for others', async () => {
    const list = vi.fn(() => new Promise<never>(() => {}))
    const transport = new StubTransport(json(1))
    await abortedAt(transport, 10, { discovery: { provider: { name: 'slow', list } } })
    expect(list).toHaveBeenCalledOnce()
    expect(transport.exchanges).toHaveLength(0)
  })

  it('while waiting for a connection', async () => {
    const transport = new StubTransport(queued)
    const { verdicts } = await abortedAt(transport, 10)
    expect(verdicts).toEqual(['1 ignore'])
    transport.last().sent()
    expect(transport.last().over).toBe(true)
  })

  it('once sent', async () => {
    const transport = new StubTransport(silent)
    const { verdicts, calls } = await abortedAt(transport, 10)
    expect(verdicts).toEqual(['1 ignore'])
    expect(transport.last()).toMatchObject({ aborted: true, reason })
    expect(calls).toMatchObject([{ notRetried: 'aborted', attempts: [{ outcome: 'caller' }] }])
  })

  it('while backing off', async () => {
    const transport = new StubTransport(reset())
    await abortedAt(transport, 50)
    expect(transport.exchanges).toHaveLength(1)
  })

  it('while backing off, and the timer goes with it', async () => {
    const timersAfter = async (transport: StubTransport): Promise<number> => {
      const controller = new AbortController()
      const { client } = stubClient(transport)
      const result = failure(client.call('orders', 'GET', '/', undefined, { signal: controller.signal }))
      await vi.advanceTimersByTimeAsync(50)
      controller.abort(reason)
      await result
      const timers = vi.getTimerCount()
      await vi.advanceTimersByTimeAsync(60_000)
      return timers
    }
    // Whatever shared queues may keep, a call that backed off leaves no more than one that did not.
    const usual = await timersAfter(new StubTransport(silent))
    expect(await timersAfter(new StubTransport(reset()))).toBe(usual)
  })

  it('in the second attempt', async () => {
    const transport = new StubTransport(reset(), silent)
    const { verdicts } = await abortedAt(transport, 150)
    expect(verdicts).toEqual(['1 failure', '2 ignore'])
  })

  it('in the middle of the body', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { verdicts, calls } = await abortedAt(transport, 10)
    expect(verdicts).toEqual(['1 success'])
    expect(transport.last().aborted).toBe(true)
    expect(calls).toMatchObject([{ status: 200, attempts: [{ outcome: 'caller', status: 200 }] }])
  })

  it('whatever the reason is', async () => {
    for (const odd of [null, 'text', 7]) {
      const { client, leases } = stubClient(new StubTransport(silent))
      const controller = new AbortController()
      const result = client.call('orders', 'GET', '/', undefined, { signal: controller.signal })
      await vi.advanceTimersByTimeAsync(1)
      controller.abort(odd)
      await expect(result).rejects.toBe(odd)
      await expectNothingLeft(leases, controller.signal)
    }
  })

  it('through request, at each of these stages', async () => {
    for (const behaviour of [queued, silent, reset()]) {
      const { client, leases } = stubClient(new StubTransport(behaviour))
      const controller = new AbortController()
      const result = failure(client.request({ service: 'orders', path: '/', signal: controller.signal }))
      await vi.advanceTimersByTimeAsync(50)
      controller.abort(reason)
      expect(await result).toBe(reason)
      await expectNothingLeft(leases, controller.signal)
    }
  })

  it('100,000 calls on one signal leave no listener (FAULTS 48)', async () => {
    const { signal } = new AbortController()
    const { client, leases } = stubClient(new StubTransport(answer()))
    for (let i = 0; i < 100; i += 1) {
      await Promise.all(Array.from({ length: 1_000 }, () => client.call('orders', 'GET', '/', undefined, { signal })))
    }
    await expectNothingLeft(leases, signal)
  }, 60_000)

  it('only the first abort counts, and one after the end does nothing', async () => {
    const transport = new StubTransport(begin())
    const { client, leases } = stubClient(transport)
    const errors: unknown[] = []
    let call: Dispatcher.DispatchController | undefined
    client.dispatcher.dispatch(
      { service: 'orders', origin: '', method: 'GET', path: '/' },
      {
        onRequestStart: (controller) => {
          call = controller
        },
        onResponseError: (_, error) => errors.push(error),
      },
    )
    await vi.advanceTimersByTimeAsync(0)
    call?.abort(reason)
    call?.abort(new Error('again'))
    expect(errors).toEqual([reason])
    expect(call).toMatchObject({ aborted: true, reason })
    await expectNothingLeft(leases)
  })
})

describe('the lease lasts as long as the body', () => {
  it('until it ends', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { client, leases } = stubClient(transport)
    const { body } = await client.request({ service: 'orders', path: '/' })
    expect(leases).toMatchObject({ inFlight: 1, verdicts: ['1 success'] })
    transport.last().chunk('b').end({ trailer: 'x' })
    expect(leases.inFlight).toBe(0)
    await expect(body.text()).resolves.toBe('ab')
    await expectNothingLeft(leases)
  })

  it('until it is destroyed unread', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { client, leases } = stubClient(transport)
    const { body } = await client.request({ service: 'orders', path: '/' })
    body.on('error', () => {})
    body.destroy()
    await vi.advanceTimersByTimeAsync(1)
    expect(transport.last().aborted).toBe(true)
    expect(leases).toMatchObject({ inFlight: 0, settledCount: 1, verdicts: ['1 success'] })
    await expectNothingLeft(leases)
  })

  it('until it breaks: that is reported as partial, counts against the instance, and is never retried', async () => {
    const transport = new StubTransport(begin({ body: 'a' }))
    const { client, leases, calls } = stubClient(transport)
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(10)
    transport.last().fail(coded('UND_ERR_SOCKET'))
    const error = await result
    expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', notRetried: 'already-answered' })
    expect(error.attempts).toMatchObject([{ attempt: 1, outcome: 'partial', status: 200, error: 'UND_ERR_SOCKET' }])
    expect(transport.exchanges).toHaveLength(1)
    expect(leases.verdicts).toEqual(['1 success', '1 failure'])
    expect(calls).toMatchObject([{ status: 200, error: 'ERR_GATELESS_UNAVAILABLE' }])
    await expectNothingLeft(leases)
  })

  it('of a discarded answer: until it was drained', async () => {
    const transport = new StubTransport(begin({ status: 503, body: 'a' }), json(1))
    const { client, leases } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe(1)
    // Nobody waits for it any more, so it is not in flight; its connection gets a second to be of use again.
    expect(leases.inFlight).toBe(0)
    const [discarded] = transport.exchanges
    expect(discarded?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(899)
    expect(discarded?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(discarded?.aborted).toBe(true)
    await expectNothingLeft(leases)
  })
})

describe('a discarded answer', () => {
  it('keeps its connection when it ends soon, also when the caller had paused', async () => {
    const transport = new StubTransport(begin({ status: 500, body: 'a' }), json(1))
    const { client, leases } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(10)
    transport.exchanges[0]?.chunk('b').end()
    await vi.advanceTimersByTimeAsync(2_000)
    await expect(result).resolves.toBe(1)
    expect(transport.exchanges[0]?.aborted).toBe(false)
    await expectNothingLeft(leases)
  })

  it('loses it when it is longer than 64 KiB', async () => {
    const transport = new StubTransport(begin({ status: 500, body: 'x'.repeat(64 * 1024) }), json(1))
    const { client, leases } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1)
    const [discarded] = transport.exchanges
    expect(discarded?.aborted).toBe(false)
    discarded?.chunk('y')
    expect(discarded?.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe(1)
    await expectNothingLeft(leases)
  })

  it('may break: nobody hears of it', async () => {
    const transport = new StubTransport(begin({ status: 500 }), json(1))
    const { client, leases } = stubClient(transport)
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1)
    transport.exchanges[0]?.fail(coded('ECONNRESET'))
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe(1)
    expect(leases.verdicts).toEqual(['1 failure', '2 success'])
    await expectNothingLeft(leases)
  })
})

describe('a caller that pauses', () => {
  it('pauses whatever attempt there is, and the ones to come', async () => {
    const transport = new StubTransport(silent, silent)
    const { client } = stubClient(transport, { attemptTimeoutMs: 100 })
    let call: Dispatcher.DispatchController | undefined
    client.dispatcher.dispatch(
      { service: 'orders', method: 'GET', path: '/' },
      {
        onRequestStart: (controller) => {
          call = controller
        },
        onResponseError() {},
      },
    )
    await vi.advanceTimersByTimeAsync(0)
    call?.pause()
    expect(call?.paused).toBe(true)
    expect(transport.exchanges[0]?.paused).toBe(true)
    await vi.advanceTimersByTimeAsync(200)
    expect(transport.exchanges[1]?.paused).toBe(true)
    call?.resume()
    expect(transport.exchanges[1]?.paused).toBe(false)
    call?.abort(new Error('done'))
  })
})

it('a caller that pauses does not stop a discarded answer from draining', async () => {
  const transport = new StubTransport(begin({ status: 503, afterMs: 10 }), answer())
  const { client } = stubClient(transport)
  client.dispatcher.dispatch(
    { service: 'orders', method: 'GET', path: '/' },
    {
      onRequestStart: (controller) => controller.pause(),
    },
  )
  await vi.advanceTimersByTimeAsync(5)
  expect(transport.exchanges[0]?.paused).toBe(true)
  await vi.advanceTimersByTimeAsync(5)
  expect(transport.exchanges[0]?.paused).toBe(false)
})

describe('the caller’s async context', () => {
  const storage = new AsyncLocalStorage<string>()

  it('is there in the second attempt, the retry event and the strategy, after a timeout from a shared queue', async () => {
    const transport = new StubTransport(silent, silent, json(1), json(2))
    const { client, leases } = stubClient(transport, { attemptTimeoutMs: 100 })
    const seen: string[] = []
    const note = (what: string) => (): void => void seen.push(`${what} ${storage.getStore()}`)
    leases.onPick = note('pick')
    client.on('retry', note('retry'))
    const a = storage.run('a', () => client.call('orders', 'GET', '/'))
    const b = storage.run('b', () => client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(1_000)
    await Promise.all([a, b])
    expect(seen).toEqual(['pick a', 'pick b', 'retry a', 'retry b', 'pick a', 'pick b'])
  })

  it('is there in the call event, whoever opened the connection', async () => {
    const transport = new StubTransport(
      answer(),
      answer({ status: 404 }),
      begin(),
      refuse(),
      answer({ status: 500 }),
      reset(),
    )
    const { client } = stubClient(transport, { retry: false })
    const seen: unknown[] = []
    client.on('call', ({ path }) => seen.push([path, storage.getStore()]))
    const ask = (name: string) =>
      storage.run(name, () =>
        client.call('orders', 'GET', `/${name}`).then(
          () => {},
          () => {},
        ),
      )
    await ask('ok')
    await ask('missing')
    const broken = ask('broken')
    await vi.advanceTimersByTimeAsync(1)
    transport.last().fail(coded('ECONNRESET'))
    await broken
    await ask('refused')
    await ask('failed')
    await ask('reset')
    expect(seen).toEqual(['ok', 'missing', 'broken', 'refused', 'failed', 'reset'].map((name) => [`/${name}`, name]))
  })

  it('is there in the call event when deadline, close or somebody else’s abort ends it', async () => {
    const { client } = stubClient(new StubTransport(silent))
    const seen: unknown[] = []
    client.on('call', ({ path }) => seen.push(`${path} ${storage.getStore()}`))
    const controller = new AbortController()
    const ask = (name: string, more: object) =>
      storage.run(name, () => failure(client.call('orders', 'GET', `/${name}`, undefined, more)))
    const other = ask('other', { timeoutMs: 50 })
    const results = [ask('late', { timeoutMs: 50 }), ask('aborted', { signal: controller.signal }), ask('closed', {})]
    await vi.advanceTimersByTimeAsync(50)
    storage.run('somebody', () => controller.abort(new Error('enough')))
    const closed = storage.run('closer', () => client.close(0))
    await vi.advanceTimersByTimeAsync(0)
    await Promise.all([...results, other, closed])
    expect(seen).toEqual(['/other other', '/late late', '/aborted aborted', '/closed closed'])
  })

  it('is there in the events of breaker and ejection, and in a handler of one’s own', async () => {
    const transport = new StubTransport(answer({ status: 500 }))
    const { client } = stubClient(transport, {
      retry: false,
      breaker: { instance: { failureThreshold: 1 }, service: { failureThreshold: 2 } },
    })
    const seen: string[] = []
    const note = (what: string) => (): void => void seen.push(`${what} ${storage.getStore()}`)
    client.on('ejected', note('ejected'))
    client.on('breaker', note('breaker'))
    for (const name of ['a', 'b']) {
      await storage.run(
        name,
        () =>
          new Promise<void>((resolve) => {
            client.dispatcher.dispatch(
              { service: 'orders', method: 'GET', path: '/' },
              {
                onRequestStart: note('start'),
                onResponseStart: note('headers'),
                onResponseEnd: () => {
                  note('end')()
                  resolve()
                },
              },
            )
          }),
      )
    }
    expect(seen).toEqual(['start a', 'ejected a', 'headers a', 'end a', 'start b', 'breaker b', 'headers b', 'end b'])
  })
})

describe('a handler that throws', () => {
  const oops = new Error('oops')

  /** Dispatches with a handler that throws at one of its methods; resolves with the errors that it was told. */
  async function throwingAt(method: keyof Dispatcher.DispatchHandler, transport: StubTransport) {
    const made = stubClient(transport)
    const errors: unknown[] = []
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData() {},
      onResponseEnd() {},
      onResponseError: (_, error) => errors.push(error),
    }
    Object.assign(handler, {
      [method]: () => {
        throw oops
      },
    })
    made.client.dispatcher.dispatch({ service: 'orders', method: 'GET', path: '/' }, handler)
    await vi.advanceTimersByTimeAsync(200)
    return { ...made, errors }
  }

  it.each(['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd'] as const)(
    'in %s is told its own error, once, and nobody is blamed',
    async (method) => {
      const transport = new StubTransport(answer({ body: 'a' }))
      const { errors, leases, calls, client } = await throwingAt(method, transport)
      expect(errors).toEqual([oops])
      expect(leases.verdicts).not.toContain('1 failure')
      expect(transport.exchanges.length).toBeLessThan(2)
      expect(calls).toHaveLength(1)
      await client.call('orders', 'GET', '/')
      await expectNothingLeft(leases)
    },
  )

  it('in a 1xx answer likewise', async () => {
    const transport = new StubTransport((exchange) => void exchange.sent().headers(103))
    const { errors, leases } = await throwingAt('onResponseStart', transport)
    expect(errors).toEqual([oops])
    expect(leases.verdicts).toEqual(['1 ignore'])
    expect(transport.exchanges).toHaveLength(1)
    await expectNothingLeft(leases)
  })

  it('is not taken for an answer that broke off', async () => {
    const { calls } = await throwingAt('onResponseStart', new StubTransport(answer({ body: 'a' })))
    expect(calls).toMatchObject([{ notRetried: 'aborted', attempts: [{ outcome: 'caller' }] }])
  })
})

describe('whatever else is the user’s and throws', () => {
  it('a strategy: the call fails with its error, and holds nothing', async () => {
    const oops = new Error('no idea')
    let broken = true
    const leases = new LeaseWatch()
    leases.onPick = () => {
      if (broken) throw oops
    }
    const transport = new StubTransport(reset(), json(1))
    const { client } = stubClient(transport, { balancing: { strategy: leases } })
    expect(await failure(client.call('orders', 'GET', '/'))).toBe(oops)
    expect(await failure(client.call('orders', 'GET', '/'))).toBe(oops)
    broken = false
    // In the second attempt, where nobody but a timer would catch it.
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(50)
    broken = true
    const uncaught = vi.fn()
    process.once('uncaughtException', uncaught)
    expect(await Promise.race([failure(result), vi.advanceTimersByTimeAsync(50).then(() => settled(result))])).toBe(
      oops,
    )
    process.off('uncaughtException', uncaught)
    expect(uncaught).not.toHaveBeenCalled()
    broken = false
    await expect(client.call('orders', 'GET', '/')).resolves.toBe(1)
    await expectNothingLeft(leases)
  })

  it('a listener of any event: the outcome stays, and the fault is reported', async () => {
    const transport = new StubTransport(reset(), json(1))
    const { client, leases } = stubClient(transport, { breaker: { instance: { failureThreshold: 1 } } })
    const faults: string[] = []
    client.on('error', ({ event }) => faults.push(event))
    for (const event of ['call', 'retry', 'ejected'] as const) {
      client.on(event, () => {
        throw new Error('listener')
      })
    }
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    await expect(result).resolves.toBe(1)
    expect(faults).toEqual(['ejected', 'retry', 'call'])
    await expectNothingLeft(leases)
  })

  it('a provider that answers nonsense after a good list: the old list stays, calls go on', async () => {
    let weight = 1
    const instance = (await fleet(1).list('orders', { signal: new AbortController().signal })) as {
      instances: readonly object[]
    }
    const provider = {
      name: 'odd',
      list: async () => ({
        kind: 'ok',
        ttlMs: 1_000,
        instances: instance.instances.map((each) => ({ ...each, weight })),
      }),
    }
    const { client, leases } = stubClient(new StubTransport(json(1)), { discovery: { provider: provider as never } })
    await client.call('orders', 'GET', '/')
    weight = Number.NaN
    await vi.advanceTimersByTimeAsync(5_000)
    const faults = vi.fn()
    client.on('error', faults)
    for (let i = 0; i < 4; i += 1) {
      await expect(client.call('orders', 'GET', '/')).resolves.toBe(1)
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(faults).toHaveBeenCalledExactlyOnceWith({ event: 'discovery', error: expect.any(RangeError) })
    await expectNothingLeft(leases)
  })
})

describe('what refuses a call', () => {
  it('an exhausted budget, shared by all calls of the service', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0.2, windowMs: 10_000 })
    const transport = new StubTransport(reset())
    const { client, leases } = stubClient(transport, { retry: { budget, backoff: fixedBackoff({ delayMs: 1 }) } })
    const results = Array.from({ length: 4 }, () => failure(client.call('orders', 'GET', '/')))
    await vi.advanceTimersByTimeAsync(1_000)
    const reasons = (await Promise.all(results)).map(({ notRetried }) => notRetried)
    expect(reasons).toEqual(['budget', 'budget', 'budget', 'budget'])
    // Four first attempts, and the two retries of the budget between them.
    expect(transport.exchanges).toHaveLength(6)
    expect(budget.suppressed).toBe(4)
    await expectNothingLeft(leases)
  })

  it('a service breaker that is open: at 50 % of at least 20 calls, with the time until its probe', async () => {
    const transport = new StubTransport(...Array.from({ length: 10 }, () => answer()), answer({ status: 500 }))
    const { client, leases } = stubClient(transport, { retry: false, breaker: { instance: false } })
    const transitions: string[] = []
    client.on('breaker', ({ service, from, to, reason }) => transitions.push(`${service} ${from}>${to} ${reason}`))
    const states: number[] = []
    for (let i = 0; i < 20; i += 1) {
      states.push((await client.request({ service: 'orders', path: '/' })).statusCode)
    }
    expect(states.filter((status) => status === 500)).toHaveLength(10)
    expect(transitions).toEqual(['orders closed>open tripped'])
    await vi.advanceTimersByTimeAsync(1_000)
    const error = await failure(client.request({ service: 'orders', path: '/' }))
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_CIRCUIT_OPEN',
      status: 503,
      local: true,
      // Five seconds less the tenth that chance may take, less one.
      retryAfterMs: 3_500,
      attempts: [],
      notRetried: 'circuit-open',
    })
    expect(transport.exchanges).toHaveLength(20)
    await expectNothingLeft(leases)
  })

  it('does not open before 20 calls, nor below 50 %', async () => {
    const bad = answer({ status: 500 })
    const mostly = Array.from({ length: 40 }, (_, i) => (i % 5 < 2 ? bad : answer()))
    for (const script of [Array.from({ length: 19 }, () => bad), mostly]) {
      const transport = new StubTransport(...script)
      const { client } = stubClient(transport, { retry: false, breaker: { instance: false } })
      for (let i = 0; i < script.length; i += 1) await client.request({ service: 'orders', path: '/' })
      expect(transport.exchanges).toHaveLength(script.length)
    }
  })

  it('a breaker that opens between two attempts: the real error stays, with the reason', async () => {
    const transport = new StubTransport(reset())
    const { client, leases } = stubClient(transport, {
      breaker: { instance: false, service: { failureThreshold: 1, recoveryTimeoutMs: 5_000 } },
    })
    const error = await failure(client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_UNAVAILABLE',
      notRetried: 'circuit-open',
      cause: { code: 'ECONNRESET' },
    })
    await expectNothingLeft(leases)
  })

  it('a breaker opened by others during the back-off: no attempt, the real error and the reason', async () => {
    const transport = new StubTransport(reset(), answer({ status: 500 }))
    const { client } = stubClient(transport, { breaker: { instance: false, service: { failureThreshold: 2 } } })
    const first = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(50)
    await failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(50)
    const error = await first
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_UNAVAILABLE',
      notRetried: 'circuit-open',
      cause: { code: 'ECONNRESET' },
    })
    expect(error.message).toContain('no further attempt')
    expect(transport.exchanges).toHaveLength(2)
  })

  it('a timeout followed by a refusal stays a timeout', async () => {
    const transport = new StubTransport(silent, answer({ status: 500 }))
    const { client } = stubClient(transport, {
      attemptTimeoutMs: 200,
      breaker: { instance: false, service: { failureThreshold: 2 } },
    })
    const first = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(250)
    await failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(50)
    expect(await first).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', notRetried: 'circuit-open' })
  })

  it('a half-open breaker whose probes are taken, and the probe’s slot comes back with its headers', async () => {
    const transport = new StubTransport(answer({ status: 500 }), begin())
    const { client, leases } = stubClient(transport, {
      retry: false,
      breaker: { instance: false, service: { failureThreshold: 1, recoveryTimeoutMs: 1_000, successThreshold: 2 } },
    })
    await client.request({ service: 'orders', path: '/' })
    await vi.advanceTimersByTimeAsync(1_000)
    // An endless event stream is the first probe: its verdict is due at the headers.
    const stream = await client.request({ service: 'orders', path: '/', deadlineCovers: 'headers' })
    expect(stream.statusCode).toBe(200)
    const second = await client.request({ service: 'orders', path: '/' })
    expect(second.statusCode).toBe(200)
    stream.body.on('error', () => {}).destroy()
    second.body.on('error', () => {}).destroy()
    await vi.advanceTimersByTimeAsync(1)
    await expectNothingLeft(leases)
  })

  it('a probe of the breaker that is aborted gives its slot back', async () => {
    const transport = new StubTransport(answer({ status: 500 }), silent, answer())
    const { client } = stubClient(transport, {
      retry: false,
      breaker: { instance: false, service: { failureThreshold: 1, recoveryTimeoutMs: 1_000, successThreshold: 1 } },
    })
    await client.request({ service: 'orders', path: '/' })
    await vi.advanceTimersByTimeAsync(1_000)
    const controller = new AbortController()
    const probe = failure(client.request({ service: 'orders', path: '/', signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(1)
    expect(await failure(client.request({ service: 'orders', path: '/' }))).toMatchObject({
      code: 'ERR_GATELESS_CIRCUIT_OPEN',
    })
    controller.abort(new Error('left'))
    await probe
    expect((await client.request({ service: 'orders', path: '/' })).statusCode).toBe(200)
  })

  it('a probe of the breaker that finds no instance gives its slot back', async () => {
    const answered = await fleet(1).list('orders', { signal: new AbortController().signal })
    const list = vi.fn(async () => ({ ...answered, ttlMs: 1_000 }))
    const { client } = stubClient(new StubTransport(answer({ status: 500 }), answer()), {
      discovery: { provider: { name: 'fickle', list }, emptyHoldMs: 0 },
      retry: false,
      breaker: { instance: false, service: { failureThreshold: 1, recoveryTimeoutMs: 2_000, successThreshold: 1 } },
    })
    await client.request({ service: 'orders', path: '/' })
    list.mockImplementation(async () => ({ kind: 'ok', instances: [], ttlMs: 1_000 }))
    await vi.advanceTimersByTimeAsync(2_000)
    await client.discovery.refresh('orders')
    for (let i = 0; i < 3; i += 1) {
      const error = await failure(client.request({ service: 'orders', path: '/' }))
      expect(error.code).toBe('ERR_GATELESS_NO_INSTANCE')
    }
  })

  it('no instance: known none, and the reason is the error', async () => {
    const { client, leases } = stubClient(new StubTransport(json(1)), {
      discovery: { provider: { name: 'empty', list: async () => ({ kind: 'ok', instances: [] }) } },
    })
    const error = await failure(client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_NO_INSTANCE',
      status: 503,
      local: true,
      notRetried: 'no-instance',
    })
    await expectNothingLeft(leases)
  })

  it('a service nobody knows: 404, and discovery that fails: 503', async () => {
    const { client } = stubClient(new StubTransport(json(1)))
    expect(await failure(client.call('ghost', 'GET', '/'))).toMatchObject({
      code: 'ERR_GATELESS_SERVICE_NOT_FOUND',
      status: 404,
    })
    const down = stubClient(new StubTransport(json(1)), {
      discovery: { provider: { name: 'down', list: () => Promise.reject(new Error('registry gone')) } },
    })
    expect(await failure(down.client.call('orders', 'GET', '/'))).toMatchObject({
      code: 'ERR_GATELESS_DISCOVERY',
      status: 503,
    })
  })

  it('a name that is none: a gateless error with a code', async () => {
    const { client, leases } = stubClient(new StubTransport(json(1)))
    for (const name of ['', 'a\r\nb', 'x'.repeat(300), 7 as never, undefined as never]) {
      const error = await failure(client.call(name, 'GET', '/'))
      expect(isGatelessError(error, 'ERR_GATELESS_INVALID_REQUEST'), name).toBe(true)
    }
    await expectNothingLeft(leases)
  })
})

describe('an ejected instance', () => {
  it('is probed by one call, whose verdict falls at the headers and not at the end of its stream', async () => {
    const transport = new StubTransport(reset(), answer(), begin())
    const { client, leases } = stubClient(
      transport,
      { retry: false, breaker: { instance: { failureThreshold: 1, recoveryTimeoutMs: 1_000 }, service: false } },
      2,
    )
    const events: string[] = []
    client.on('ejected', ({ instance, reason }) => events.push(`ejected ${instance.id} ${reason}`))
    client.on('restored', ({ instance, reason }) => events.push(`restored ${instance.id} ${reason}`))
    await failure(client.call('orders', 'GET', '/'))
    await client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1_200)
    const probe = await client.request({ service: 'orders', path: '/', deadlineCovers: 'headers' })
    expect(events).toEqual(['ejected 1 consecutive-failures', 'restored 1 probe-succeeded'])
    probe.body.on('error', () => {}).destroy()
    await vi.advanceTimersByTimeAsync(1)
    await expectNothingLeft(leases)
  })
})

describe('what is thrown that is no Error (FAULTS 52)', () => {
  it.each([[null], ['text'], [42]])('%s becomes the cause of a proper error', async (thrown) => {
    for (const fault of [throwing(thrown), refuse(thrown), reset(thrown)]) {
      const { client, leases } = stubClient(new StubTransport(fault), { retry: false })
      const error = await failure(client.call('orders', 'GET', '/'))
      expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', cause: thrown })
      await expectNothingLeft(leases)
    }
  })
})

describe('closing', () => {
  it('settles a call in every stage (FAULTS 89)', async () => {
    const stages = [queued, silent, begin({ body: 'a' }), reset()]
    for (const stage of stages) {
      const { client, leases } = stubClient(new StubTransport(stage))
      const result = failure(client.call('orders', 'GET', '/'))
      await vi.advanceTimersByTimeAsync(10)
      const closed = client.close(0)
      await vi.advanceTimersByTimeAsync(0)
      const error = await result
      expect(error).toMatchObject({ code: 'ERR_GATELESS_CLOSED', local: true, cause: expect.any(ClosedError) })
      await closed
      // Only the one that had failed before is blamed.
      expect(leases.verdicts.includes('1 failure')).toBe(stage === stages[3])
      await expectNothingLeft(leases)
    }
  })
})

it('a timeout is told from the total one by its cause', async () => {
  const { client } = stubClient(new StubTransport(silent), { timeoutMs: 300, attemptTimeoutMs: 100, retry: false })
  const result = failure(client.call('orders', 'GET', '/'))
  await vi.advanceTimersByTimeAsync(100)
  const { cause } = await result
  expect(cause).toBeInstanceOf(TimeoutError)
  expect(cause).toMatchObject({ limit: 'attempt', timeoutMs: 100 })
})

it('a breaker of the user’s own around a call takes its refusals for nobody’s fault', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 })
  const { client } = stubClient(new StubTransport(json(1)))
  await failure(breaker.execute(() => client.call('ghost', 'GET', '/')))
  expect(breaker.state).toBe('closed')
})

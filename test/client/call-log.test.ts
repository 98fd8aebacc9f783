import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, begin, coded, json, refuse, reset, StubTransport } from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('the call event', () => {
  it('tells of a call that simply worked', async () => {
    const { client, calls } = stubClient(new StubTransport(json(1, { afterMs: 12 })))
    const result = client.call('orders', 'get', '/a?secret=1')
    await vi.advanceTimersByTimeAsync(12)
    await result
    expect(calls).toEqual([
      {
        service: 'orders',
        method: 'GET',
        path: '/a',
        status: 200,
        error: undefined,
        durationMs: 12,
        attempts: [
          {
            attempt: 1,
            instanceId: '1',
            origin: 'http://10.0.0.1:80',
            startedMs: 0,
            durationMs: 12,
            outcome: 'answered',
            status: 200,
            error: undefined,
          },
        ],
        notRetried: undefined,
      },
    ])
  })

  it('tells of one that needed another attempt, and the retry event of the one that failed', async () => {
    const { client, calls } = stubClient(new StubTransport(refuse(), json(1)))
    const retries: unknown[] = []
    client.on('retry', (event) => retries.push(event))
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    await result
    expect(retries).toMatchObject([
      { service: 'orders', delayMs: 100, failed: { attempt: 1, outcome: 'not-sent', error: 'ECONNREFUSED' } },
    ])
    expect(calls).toMatchObject([
      { status: 200, error: undefined, notRetried: undefined, attempts: [{ attempt: 1 }, { attempt: 2, status: 200 }] },
    ])
  })

  it('is told once, after the caller was, and with one record per attempt', async () => {
    const order: string[] = []
    const transport = new StubTransport(begin({ status: 503, body: 'a' }))
    const { client } = stubClient(transport, { retry: false })
    client.on('call', ({ attempts, status, error }) => {
      order.push(`event ${status} ${error} ${attempts.map(({ outcome }) => outcome).join()}`)
    })
    client.dispatcher.dispatch(
      { service: 'orders', path: '/', method: 'GET' },
      {
        onRequestStart() {},
        onResponseError: () => order.push('handler'),
      },
    )
    await vi.advanceTimersByTimeAsync(1)
    transport.last().fail(coded('ECONNRESET'))
    expect(order).toEqual(['handler', 'event 503 ERR_GATELESS_UNAVAILABLE partial'])
  })

  it('costs nothing when nobody listens: a plain success makes no record', async () => {
    const transport = new StubTransport(answer())
    const { client } = stubClient(transport)
    client.off('call', () => {})
    const quiet = stubClient(transport)
    let controller: { attempts?: readonly unknown[] } = {}
    await new Promise<void>((resolve) => {
      quiet.client.dispatcher.dispatch(
        { service: 'orders', path: '/', method: 'GET' },
        {
          onRequestStart: (given) => {
            controller = given as never
          },
          onResponseEnd: () => resolve(),
        },
      )
    })
    expect(controller.attempts).toHaveLength(1)
  })
})

it('the message names the service, the method and the path without its query, and the instance that failed', async () => {
  const { client } = stubClient(new StubTransport(reset()), { retry: false })
  const error = await failure(client.call('orders', 'PUT', '/a/b?c=d'))
  expect(error.message).toBe('orders PUT /a/b: no answer: ECONNRESET from 1')
})

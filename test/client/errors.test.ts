import { inspect } from 'node:util'
import { isGatelessError } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, coded, reset, silent, StubTransport } from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('attempts of an error', () => {
  it('say of each try where it went, when, how long it took and how it ended', async () => {
    const transport = new StubTransport(reset(coded('ECONNRESET'), 30), answer({ status: 503, afterMs: 20 }), silent)
    const { client } = stubClient(transport, { attemptTimeoutMs: 500 })
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(2_000)
    const error = await result
    expect(error.attempts).toEqual([
      {
        attempt: 1,
        instanceId: '1',
        origin: 'http://10.0.0.1:80',
        startedMs: 0,
        durationMs: 30,
        outcome: 'maybe-sent',
        status: undefined,
        error: 'ECONNRESET',
      },
      {
        attempt: 2,
        instanceId: '2',
        origin: 'http://10.0.0.2:80',
        startedMs: 130,
        durationMs: 20,
        outcome: 'answered',
        status: 503,
        error: undefined,
      },
      {
        attempt: 3,
        instanceId: '3',
        origin: 'http://10.0.0.3:80',
        startedMs: 250,
        durationMs: 500,
        outcome: 'timeout',
        status: undefined,
        error: 'ERR_GATELESS_TIMEOUT',
      },
    ])
    expect(error).toMatchObject({ name: 'CallError', service: 'orders', notRetried: 'exhausted', status: 504 })
    expect(isGatelessError(error, 'ERR_GATELESS_TIMEOUT')).toBe(true)
  })
})

describe('secrets (FAULTS 91)', () => {
  const SECRETS = ['tok-query', 'tok-header', 'tok-cookie', 'tok-body', 'tok-answer', 'tok-set-cookie']

  const behaviours = {
    reset: reset(),
    'an error page': answer({
      status: 500,
      headers: { 'set-cookie': 'sid=tok-set-cookie', 'x-debug': 'tok-answer' },
      body: 'tok-answer',
    }),
    'a lie about JSON': answer({ headers: { 'content-type': 'application/json' }, body: '{tok-answer' }),
    silence: silent,
  }

  it.each(Object.keys(behaviours) as (keyof typeof behaviours)[])(
    'of request and answer stay out of message, inspection, JSON and events: %s',
    async (name) => {
      const { client, calls } = stubClient(new StubTransport(behaviours[name]))
      const retries: unknown[] = []
      client.on('retry', (event) => retries.push(event))
      const result = failure(
        client.call('orders', 'PUT', '/secrets?token=tok-query', 'tok-body', {
          query: { more: 'tok-query' },
          headers: { authorization: 'Bearer tok-header', cookie: 'sid=tok-cookie' },
        }),
      )
      await vi.advanceTimersByTimeAsync(30_000)
      const error = await result
      const told = [
        error.message,
        String(error),
        error.stack,
        inspect(error, { depth: 10 }),
        JSON.stringify(error),
        inspect([calls, retries], { depth: 10 }),
      ].join('\n')
      // What V8 says of bad JSON quotes the first bytes of it: that belongs to no log either.
      for (const secret of SECRETS) expect(told).not.toContain(secret)
      expect(told).toContain('/secrets')
    },
  )

  it('of an invalid request likewise', async () => {
    const { client } = stubClient(new StubTransport(answer()))
    const error = await failure(
      client.call('orders', 'GET', '/a b?token=tok-query', undefined, { headers: { authorization: 'tok-header' } }),
    )
    expect(inspect(error, { depth: 10 })).not.toMatch(/tok-/)
  })
})

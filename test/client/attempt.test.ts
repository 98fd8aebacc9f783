import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { expectNothingLeft, failure, stubClient } from '../support/stub-client.ts'
import { answer, begin, coded, queued, silent, StubTransport } from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('an attempt that was given up', () => {
  it('while it waited for a connection harms neither the connection nor the body that went elsewhere', async () => {
    const transport = new StubTransport(queued, silent)
    const { client, leases } = stubClient(transport, { attemptTimeoutMs: 200 })
    const body = new PassThrough()
    const result = client.request({ service: 'orders', path: '/', method: 'POST', body })
    await vi.advanceTimersByTimeAsync(300)
    const [first, second] = transport.exchanges
    // The first one's turn comes while the second is sending the same stream.
    const abort = vi.spyOn(first as Dispatcher.DispatchController, 'abort')
    first?.sent()
    expect(first?.over).toBe(true)
    expect(abort).not.toHaveBeenCalled()
    second?.headers(200).end()
    expect((await result).statusCode).toBe(200)
    await expectNothingLeft(leases)
  })

  it('is deaf to whatever the transport still delivers', async () => {
    let late: Dispatcher.DispatchHandler | undefined
    const transport = new StubTransport((exchange) => void exchange.sent(), answer())
    const { client, leases, calls } = stubClient(transport, { attemptTimeoutMs: 200 })
    const dispatch = transport.dispatch.bind(transport)
    transport.dispatch = (options, handler) => {
      late ??= handler
      return dispatch(options, handler)
    }
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(300)
    await result
    const controller = transport.exchanges[0] as Dispatcher.DispatchController
    late?.onResponseStart?.(controller, 200, {})
    late?.onResponseData?.(controller, Buffer.from('late'))
    late?.onRequestUpgrade?.(controller, 101, {}, new PassThrough())
    late?.onResponseEnd?.(controller, {})
    late?.onResponseError?.(controller, new Error('late'))
    expect(calls).toHaveLength(1)
    expect(leases).toMatchObject({ verdicts: ['1 failure', '2 success'], settledCount: 2 })
    await expectNothingLeft(leases)
  })
})

describe('an upgrade', () => {
  it('hands the socket on, and gives the lease back', async () => {
    const socket = new PassThrough()
    const transport = new StubTransport((exchange) => void exchange.sent().later(5, () => exchange.upgrade(socket)))
    const { client, leases, calls } = stubClient(transport)
    const upgraded = client.dispatcher.upgrade({ path: '/', origin: 'x', service: 'orders', protocol: 'ws' } as never)
    await vi.advanceTimersByTimeAsync(5)
    expect((await upgraded).socket).toBe(socket)
    expect(calls).toMatchObject([{ status: 101, error: undefined }])
    await expectNothingLeft(leases)
  })
})

describe('what an attempt says of its instance', () => {
  it.each([
    [200, 'success'],
    [302, 'success'],
    [404, 'success'],
    [408, 'failure'],
    [429, 'failure'],
    [500, 'failure'],
    [501, 'failure'],
  ])('%i: %s', async (status, verdict) => {
    const { client, leases } = stubClient(new StubTransport(answer({ status })), { retry: false })
    await client.request({ service: 'orders', path: '/' })
    expect(leases.verdicts).toEqual([`1 ${verdict}`])
  })

  it.each(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_DESTROYED', 'UND_ERR_CLOSED'])(
    '%s is of this process: nobody is blamed, nothing retried',
    async (code) => {
      const transport = new StubTransport((exchange) => void exchange.fail(coded(code)))
      const { client, leases } = stubClient(transport)
      const error = await failure(client.call('orders', 'GET', '/'))
      expect(error['code']).toBe(code.includes('INVALID') ? 'ERR_GATELESS_INVALID_REQUEST' : code)
      expect(leases.verdicts).toEqual(['1 ignore'])
      expect(transport.exchanges).toHaveLength(1)
      await expectNothingLeft(leases)
    },
  )

  it('a body that breaks does too, however much was read before', async () => {
    const { client, leases } = stubClient(new StubTransport(begin()))
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(0)
    expect(leases.inFlight).toBe(1)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await result).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    expect(leases.verdicts).toEqual(['1 success', '1 failure'])
  })
})

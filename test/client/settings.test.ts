import { CircuitBreaker, DiscoveryClient, failureRate, ServiceClient, staticList } from 'gateless'
import { describe, expect, it } from 'vitest'
import { defaultCallSettings, readCallPolicy } from '../../src/client/settings.ts'
import { OptionReader } from '../../src/core/options.ts'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, json, reset, StubTransport } from '../support/stub-transport.ts'

const discovery = { provider: staticList({}) }
const make = (options: object): ServiceClient => new ServiceClient({ discovery, ...options })

describe('options are refused at once, with name, value and what is allowed', () => {
  it.each([
    [{ timeoutMs: Number.NaN }, RangeError, 'ServiceClient: timeoutMs must be a finite number from 1', 'NaN'],
    [{ timeoutMs: -1 }, RangeError, 'timeoutMs must be a finite number from 1', '-1'],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, RangeError, 'timeoutMs must be', 'Infinity'],
    [{ timeoutMs: 2 ** 31 }, RangeError, 'timeoutMs must be', '2147483648'],
    [{ timeoutMs: '5' }, TypeError, 'timeoutMs must be', '"5"'],
    [{ timeoutMs: 100, attemptTimeoutMs: 200 }, RangeError, 'attemptTimeoutMs must be at most timeoutMs (100', '200'],
    [{ maxBodyBytes: 0 }, RangeError, 'maxBodyBytes must be an integer from 1', '0'],
    [{ maxBodyBytes: 1.5 }, RangeError, 'maxBodyBytes must be an integer from 1', '1.5'],
    [{ connections: 0 }, RangeError, 'connections must be an integer from 1', '0'],
    [{ connectTimeoutMs: 0 }, RangeError, 'connectTimeoutMs must be a finite number from 1', '0'],
    [{ suffix: '' }, TypeError, 'suffix must be a string that is not empty', '""'],
    [{ transport: {} }, TypeError, 'transport must be an object with dispatch()', 'an object'],
    [{ discovery: 7 }, RangeError, 'discovery must be a DiscoveryClient or the options of one', '7'],
    [{ discovery: null }, TypeError, 'discovery must be', 'null'],
    [{ discovery: {} }, TypeError, 'provider must be an object with list()', 'undefined'],
    [{ timeoutMS: 5 }, TypeError, 'unknown option "timeoutMS"', 'timeoutMs'],
    [{ clock: 7 }, TypeError, 'clock must be an object', '7'],
    [{ random: 7 }, RangeError, 'random must be a function', '7'],
    [
      { balancing: { strategy: 'random' } },
      TypeError,
      'balancing: strategy must be an object with create()',
      '"random"',
    ],
    [{ balancing: { panicThreshold: 2 } }, RangeError, 'panicThreshold must be', '2'],
    [{ balancing: { x: 1 } }, TypeError, 'ServiceClient: balancing: unknown option "x"', 'strategy'],
    [{ breaker: { instances: {} } }, TypeError, 'ServiceClient: breaker: unknown option "instances"', 'instance'],
    [{ breaker: { instance: { failureThreshold: 0 } } }, RangeError, 'breaker.instance: failureThreshold', '0'],
    [{ breaker: { instance: { maxEjectedShare: 1.1 } } }, RangeError, 'maxEjectedShare', '1.1'],
    [{ breaker: { instance: true } }, TypeError, 'breaker.instance: options must be an object', 'true'],
    [
      { breaker: { instance: { recoveryTimeoutMs: 500, maxRecoveryTimeoutMs: 100 } } },
      RangeError,
      'maxRecoveryTimeoutMs must be a finite number from 500',
      '100',
    ],
    [{ breaker: { service: { failureThreshold: 0 } } }, RangeError, 'failureThreshold must be an integer from 1', '0'],
    [{ breaker: { service: 'off' } }, TypeError, 'breaker.service: options must be an object', '"off"'],
    [{ retry: { maxAttempts: 0 } }, RangeError, 'maxAttempts must be an integer from 1', '0'],
    [{ retry: { attempts: 2 } }, TypeError, 'unknown option "attempts"', 'maxAttempts'],
    [{ retry: 3 }, TypeError, 'ServiceClient: retry: options must be an object', '3'],
    [{ services: [] }, TypeError, 'services: options must be an object', 'an array'],
    [{ services: { a: 7 } }, TypeError, "services['a']: options must be an object", '7'],
    [{ services: { a: { timeoutMs: 0 } } }, RangeError, "services['a']: timeoutMs must be", '0'],
    [{ services: { a: { typo: 0 } } }, TypeError, `services['a']: unknown option "typo"`, 'timeoutMs'],
    [{ services: { a: { retry: { maxAttempts: -1 } } } }, RangeError, 'maxAttempts must be', '-1'],
    [{ services: { a: { attemptTimeoutMs: 31_000 } } }, RangeError, 'at most timeoutMs (30000', '31000'],
  ])('%o', (options, Kind, text, value) => {
    const construct = (): ServiceClient => make(options)
    expect(construct).toThrow(Kind)
    expect(construct).toThrow(text)
    expect(construct).toThrow(value)
  })

  it('nothing at all is refused like anything else', () => {
    expect(() => new ServiceClient(undefined as never)).toThrow(TypeError)
    expect(() => new ServiceClient(null as never)).toThrow(TypeError)
  })
})

const read = (given: object, base = defaultCallSettings()) => readCallPolicy('x', new OptionReader('x', given), base)

describe('a service’s own policy', () => {
  it('goes over the client’s, option by option', () => {
    const base = read({ timeoutMs: 9_000, attemptTimeoutMs: 3_000, retry: { maxAttempts: 5 } })
    const own = read({ retry: { maxRetryAfterMs: 7 }, maxBodyBytes: 5 }, base)
    expect(own).toMatchObject({ timeoutMs: 9_000, attemptTimeoutMs: 3_000, maxBodyBytes: 5 })
    expect(own.retry).toMatchObject({ maxAttempts: 5, maxRetryAfterMs: 7 })
  })

  it('takes a shorter total limit along to the attempts', () => {
    expect(read({ timeoutMs: 200 })).toMatchObject({ timeoutMs: 200, attemptTimeoutMs: 200 })
  })

  it('may switch off what the client has, and back on with its defaults', () => {
    const off = read({ retry: false, breaker: { instance: false, service: false } })
    expect(off).toMatchObject({ retry: false, instanceBreaker: false, serviceBreaker: false })
    const on = read({ retry: {}, breaker: { instance: {}, service: {} } }, off)
    expect(on.retry).toMatchObject({ maxAttempts: 3 })
    expect(on.instanceBreaker).toMatchObject({ failureThreshold: 5 })
    expect(on.serviceBreaker).toHaveProperty('recoveryBackoff')
    expect(read({}, off)).toMatchObject({ retry: false, instanceBreaker: false, serviceBreaker: false })
  })

  it('that asks for consecutive failures gets that rule, and one that names a rule that one', () => {
    const consecutive = read({ breaker: { service: { failureThreshold: 2 } } }).serviceBreaker
    expect(new CircuitBreaker(consecutive as object)).toBeInstanceOf(CircuitBreaker)
    expect(consecutive).not.toHaveProperty('trip')
    const trip = failureRate({ threshold: 0.1 })
    expect(read({ breaker: { service: { trip } } }).serviceBreaker).toMatchObject({ trip })
  })

  it('that names a rule gets that rule, also over a client that asks for consecutive failures', () => {
    const trip = failureRate()
    const base = read({ breaker: { service: { failureThreshold: 3 } } })
    expect(read({ breaker: { service: { trip } } }, base).serviceBreaker).not.toHaveProperty('failureThreshold')
    const service = { failureThreshold: 3 }
    expect(() => make({ breaker: { service }, services: { orders: { breaker: { service: { trip } } } } })).not.toThrow()
  })

  it('keeps what is inherited where it says undefined', () => {
    const base = read({ retry: { maxAttempts: 7 } })
    expect(read({ retry: { maxAttempts: undefined, maxRetryAfterMs: 1 } }, base).retry).toMatchObject({
      maxAttempts: 7,
      maxRetryAfterMs: 1,
    })
  })

  it('is named in the complaint of whatever reads it', () => {
    expect(() => make({ services: { orders: { retry: { maxAttempts: 0 } } } })).toThrow(
      "ServiceClient: services['orders']: RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got 0",
    )
  })

  it('stretches the longest recovery with the first one', () => {
    expect(read({ breaker: { instance: { recoveryTimeoutMs: 400_000 } } }).instanceBreaker).toMatchObject({
      recoveryTimeoutMs: 400_000,
      maxRecoveryTimeoutMs: 400_000,
    })
  })

  it('is what its calls are treated by, and no other service’s', async () => {
    const transport = new StubTransport(reset())
    const { client } = stubClient(transport, {
      discovery: {
        provider: staticList({ a: [{ host: '10.0.0.1', port: 1 }], b: [{ host: '10.0.0.2', port: 1 }] }),
      },
      services: { a: { retry: false } },
      retry: { maxAttempts: 2 },
    })
    await failure(client.call('a', 'GET', '/'))
    expect(transport.exchanges).toHaveLength(1)
    await failure(client.call('b', 'GET', '/'))
    expect(transport.exchanges).toHaveLength(3)
  })
})

describe('options given are copied (FAULTS 50)', () => {
  it('what is changed afterwards changes nothing', async () => {
    const options = { retry: { maxAttempts: 1 }, services: { orders: { retry: { maxAttempts: 1 } } } }
    const transport = new StubTransport(reset())
    const { client } = stubClient(transport, options)
    options.retry.maxAttempts = 3
    options.services.orders.retry.maxAttempts = 3
    await failure(client.call('orders', 'GET', '/'))
    expect(transport.exchanges).toHaveLength(1)
  })

  it('a request that is changed while it is under way was copied before', async () => {
    const transport = new StubTransport(reset(), json(1))
    const { client } = stubClient(transport, { retry: {} })
    const request = { service: 'orders', path: '/a', method: 'GET' as const }
    const result = client.request(request)
    request.path = '//evil'
    await result
    expect(transport.exchanges.map(({ options }) => options.path)).toEqual(['/a', '/a'])
  })
})

describe('a polluted Object.prototype (FAULTS 94)', () => {
  const polluted: Record<string, unknown> = {
    headers: { authorization: 'evil' },
    service: 'evil',
    timeoutMs: -1,
    attemptTimeoutMs: -1,
    retry: false,
    idempotent: true,
    body: 'evil',
    query: { evil: 1 },
    balancingKey: 'evil',
    deadlineCovers: 'evil',
    clock: 7,
    suffix: '',
    transport: {},
    signal: AbortSignal.abort(),
    upgrade: 'evil',
  }

  it.each(Object.keys(polluted))('with %s configures nothing', async (name) => {
    // oxlint-disable-next-line no-extend-native -- the very accident this is about
    Object.defineProperty(Object.prototype, name, {
      value: polluted[name],
      configurable: true,
      writable: true,
      enumerable: true,
    })
    try {
      const transport = new StubTransport(answer())
      const { client } = stubClient(transport)
      await client.call('orders', 'GET', '/')
      await new Promise<void>((resolve, reject) => {
        client.dispatcher.dispatch(
          { service: 'orders', path: '/', method: 'GET' },
          {
            onRequestStart() {},
            onResponseEnd: () => resolve(),
            onResponseError: (_, error) => reject(error),
          },
        )
      })
      const called = transport.exchanges.map(({ options }) => options)
      expect(called).toHaveLength(2)
      for (const options of called) {
        // As undici reads it.
        const { path, upgrade, body } = options
        expect([path, upgrade ?? undefined, body ?? undefined]).toEqual(['/', undefined, undefined])
      }
      expect(called[1]?.headers).toBeUndefined()
    } finally {
      delete (Object.prototype as Record<string, unknown>)[name]
    }
  })
})

describe('discovery', () => {
  it('that is the caller’s own stays open when the client closes', async () => {
    const own = new DiscoveryClient(discovery)
    const client = make({ discovery: own })
    expect(client.discovery).toBe(own)
    await client.close()
    await expect(own.discover('x')).rejects.toMatchObject({ code: 'ERR_GATELESS_SERVICE_NOT_FOUND' })
    await own.close()
  })

  it('that the client made is closed with it', async () => {
    const client = make({})
    await client.close()
    await expect(client.discovery.discover('x')).rejects.toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
  })
})

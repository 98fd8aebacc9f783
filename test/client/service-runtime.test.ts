import { type DiscoveryProvider, RetryBudget, type ServiceClient, type ServiceInstance } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { expectNothingLeft, failure, fleet, origin, stubClient } from '../support/stub-client.ts'
import { answer, json, reset, StubTransport } from '../support/stub-transport.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

/** A provider whose list can be changed. */
async function changing(size: number) {
  const answered = await fleet(size).list('orders', { signal: new AbortController().signal })
  const all = (answered as { instances: readonly ServiceInstance[] }).instances
  const state = { instances: all, down: false, loads: 0 }
  const provider: DiscoveryProvider = {
    name: 'changing',
    list: async () => {
      state.loads += 1
      if (state.down) throw new Error('registry down')
      return { kind: 'ok', instances: state.instances, ttlMs: 1_000 }
    },
  }
  return { state, provider, all }
}

describe('what is alive for one service', () => {
  it('loads the list once for any number of first calls', async () => {
    const { state, provider } = await changing(3)
    const { client } = stubClient(new StubTransport(json(1)), { discovery: { provider } })
    await Promise.all(Array.from({ length: 50 }, () => client.call('orders', 'GET', '/')))
    expect(state.loads).toBe(1)
  })

  it('follows the list, and calls in flight to who left go on', async () => {
    const { state, provider, all } = await changing(2)
    const transport = new StubTransport(json('old', { afterMs: 3_000 }), json('new'))
    const { client, leases } = stubClient(transport, { discovery: { provider } })
    const old = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(1_500)
    state.instances = all.slice(1)
    await client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    for (let i = 0; i < 3; i += 1) await client.call('orders', 'GET', '/')
    expect(transport.origins.slice(-3)).toEqual([origin(2), origin(2), origin(2)])
    await vi.advanceTimersByTimeAsync(2_000)
    await expect(old).resolves.toBe('old')
    await expectNothingLeft(leases)
  })

  it('outlives its registry', async () => {
    const { state, provider } = await changing(2)
    const { client } = stubClient(new StubTransport(json(1)), { discovery: { provider } })
    await client.call('orders', 'GET', '/')
    state.down = true
    await vi.advanceTimersByTimeAsync(600_000)
    await expect(client.call('orders', 'GET', '/')).resolves.toBe(1)
  })

  it('recovers from a registry that was down at first', async () => {
    const { state, provider } = await changing(2)
    const { client, leases } = stubClient(new StubTransport(json(1)), { discovery: { provider } })
    state.down = true
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({
      code: 'ERR_GATELESS_DISCOVERY',
      retryAfterMs: expect.any(Number),
      attempts: [],
    })
    state.down = false
    await vi.advanceTimersByTimeAsync(31_000)
    await expect(client.call('orders', 'GET', '/')).resolves.toBe(1)
    await expectNothingLeft(leases)
  })

  it('forwards the events of its breaker and its balancer with its name', async () => {
    const transport = new StubTransport(...Array.from({ length: 2 }, () => reset()), answer())
    const { client } = stubClient(transport, {
      retry: false,
      breaker: {
        instance: { failureThreshold: 1, recoveryTimeoutMs: 1_000, maxEjectedShare: 1 },
        service: { failureThreshold: 2, recoveryTimeoutMs: 1_000, successThreshold: 1 },
      },
    })
    const events: string[] = []
    for (const event of ['ejected', 'restored', 'panic', 'breaker'] as const) {
      client.on(event, ({ service }) => events.push(`${event} ${service}`))
    }
    await failure(client.call('orders', 'GET', '/'))
    await failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(2_000)
    for (let i = 0; i < 3; i += 1) await client.call('orders', 'GET', '/')
    expect(new Set(events)).toEqual(new Set(['ejected orders', 'restored orders', 'panic orders', 'breaker orders']))
  })
})

describe('a retry budget', () => {
  it('is one per service, whoever calls', async () => {
    const { client } = stubClient(new StubTransport(reset()), {
      retry: { maxAttempts: 2, budget: { ratio: 0, minPerSecond: 0.1 } },
    })
    const results = [
      client.call('orders', 'GET', '/'),
      client.request({ service: 'orders', path: '/' }),
      client.call('orders', 'DELETE', '/'),
    ].map(failure)
    await vi.advanceTimersByTimeAsync(1_000)
    const reasons = (await Promise.all(results)).map(({ notRetried }) => notRetried)
    expect(reasons.map(String).toSorted()).toEqual(['budget', 'budget', 'exhausted'])
  })

  it('given as one is shared between clients', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0.1 })
    const clients: ServiceClient[] = [1, 2].map(
      () => stubClient(new StubTransport(reset()), { retry: { maxAttempts: 2, budget } }).client,
    )
    const results = clients.map((client) => failure(client.call('orders', 'GET', '/')))
    await vi.advanceTimersByTimeAsync(1_000)
    const reasons = (await Promise.all(results)).map(({ notRetried }) => notRetried)
    expect(reasons.map(String).toSorted()).toEqual(['budget', 'exhausted'])
  })

  it('earns from calls: each pays in its share once', async () => {
    const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 0 })
    const transport = new StubTransport(answer(), answer(), reset())
    const { client } = stubClient(transport, { retry: { maxAttempts: 3, budget } })
    await client.call('orders', 'GET', '/')
    await client.call('orders', 'GET', '/')
    const result = failure(client.call('orders', 'GET', '/'))
    await vi.advanceTimersByTimeAsync(30_000)
    // 3 calls at 0.5 pay for one retry, and half of another.
    expect(await result).toMatchObject({ notRetried: 'budget' })
    expect(transport.exchanges).toHaveLength(4)
  })
})

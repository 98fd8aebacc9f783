import { describe, expect, it } from 'vitest'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { ServiceQuery } from '../../src/discovery/search.ts'
import { staticList } from '../../src/discovery/static-list.ts'
import { ids, ok, ScriptedProvider } from './scripted-provider.ts'

async function setUp(): Promise<DiscoveryClient> {
  const client = new DiscoveryClient({
    provider: staticList({
      'pay-cards': [
        { id: 'c1', host: 'a', port: 1, version: '1', zone: 'x', metadata: { stage: 'canary', team: 'pay' } },
        { id: 'c2', host: 'a', port: 2, version: '2', zone: 'y', metadata: { stage: 'live' } },
      ],
      'pay-bills': [{ id: 'b1', host: 'a', port: 3, version: '2', status: 'stopping' }],
      orders: [],
      unasked: [{ host: 'a', port: 9 }],
    }),
  })
  client.watch('pay-cards', () => {})
  for (const name of ['pay-bills', 'orders', 'pay-cards']) await client.discover(name)
  return client
}

describe('search', () => {
  it.each<[ServiceQuery | undefined, string]>([
    [undefined, 'orders: pay-bills:b1 pay-cards:c1,c2'],
    [{}, 'orders: pay-bills:b1 pay-cards:c1,c2'],
    [{ namePrefix: 'pay-' }, 'pay-bills:b1 pay-cards:c1,c2'],
    [{ namePrefix: '' }, 'orders: pay-bills:b1 pay-cards:c1,c2'],
    [{ namePrefix: 'ay' }, ''],
    [{ version: '2' }, 'pay-bills:b1 pay-cards:c2'],
    [{ version: '2', status: 'healthy' }, 'pay-cards:c2'],
    [{ zone: 'x' }, 'pay-cards:c1'],
    [{ status: 'stopping' }, 'pay-bills:b1'],
    [{ metadata: { stage: 'canary' } }, 'pay-cards:c1'],
    [{ metadata: { stage: 'canary', team: 'other' } }, ''],
    [{ metadata: { toString: 'x' } }, ''],
    [{ metadata: {} }, 'orders: pay-bills:b1 pay-cards:c1,c2'],
    [{ namePrefix: 'pay-b', version: '1' }, ''],
  ])('%o finds %j', async (query, found) => {
    await using client = await setUp()
    const told = client.search(query).map(({ service, instances }) => `${service}:${ids(instances)?.join()}`)
    expect(told.join(' ')).toBe(found)
  })

  it.each([
    [{ namePrefix: 7 }, 'search: namePrefix must be a string'],
    [{ version: '' }, 'search: version must be a string that is not empty'],
    [{ status: 'fine' }, "search: status must be one of 'healthy'"],
    [{ metadata: [] }, 'search: metadata must be an object of strings'],
    [{ metadata: 'x' }, 'search: metadata must be an object of strings'],
    [{ metadata: { a: 1 } }, 'search: metadata must be an object of strings'],
    [{ name: 'x' }, 'search: unknown option "name"'],
  ])('refuses %o', async (query, message) => {
    await using client = await setUp()
    expect(() => client.search(query as never)).toThrow(message)
  })
})

describe('metrics', () => {
  it('count what the client did, and what is going on', async () => {
    const provider = new ScriptedProvider(ok('a'), new Error('down'), ok('a', 'b'), ok())
    await using client = new DiscoveryClient({
      provider,
      minRefreshIntervalMs: 0,
      errorBackoff: { name: 'x', delayMs: () => 0 },
    })
    const loading = client.discover('s')
    expect(client.metrics).toMatchObject({ services: 1, watchedServices: 0, loadsInFlight: 1, loads: 1 })
    await loading
    await client.refresh('s')
    await client.refresh('s')
    await client.refresh('s')
    const stop = client.watch('s', () => {})
    expect(client.metrics).toEqual({
      services: 1,
      watchedServices: 1,
      loadsInFlight: 0,
      loads: 4,
      loadFailures: 1,
      watchFailures: 0,
      changes: 2,
      held: 1,
      ignored: 0,
      fallbacks: 0,
    })
    stop()
    expect(client.metrics).toMatchObject({ services: 1, watchedServices: 0 })
  })
})

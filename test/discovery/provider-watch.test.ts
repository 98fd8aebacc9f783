import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../../src/discovery/options.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { type Entry, MemoryRegistry } from './memory-registry.ts'
import { ids, ok } from './scripted-provider.ts'

const A: Entry = { id: 'a', host: '10.0.0.1', port: 1 }
const B: Entry = { id: 'b', host: '10.0.0.2', port: 2 }
const C: Entry = { id: 'c', host: '10.0.0.3', port: 3 }

const clients: DiscoveryClient[] = []

function setUp(options: Partial<DiscoveryClientOptions> = {}) {
  const clock = new FakeClock()
  const registry = new MemoryRegistry()
  registry.set('s', [A])
  const client = new DiscoveryClient({
    provider: registry,
    clock,
    random: () => 0.5,
    errorBackoff: fixedBackoff({ delayMs: 2_000 }),
    ...options,
  })
  clients.push(client)
  const told: (string | undefined)[] = []
  const heard: string[] = []
  client.on('watch-failed', ({ service, error, retryInMs }) => heard.push(`${service} ${retryInMs} ${error.message}`))
  const watch = () => client.watch('s', (instances) => told.push(ids(instances)?.join('')))
  return { clock, registry, client, told, heard, watch }
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  vi.useRealTimers()
})

describe('the watch of a provider', () => {
  it('is begun with the first watcher only, and ended with the last', async () => {
    const { clock, registry, client, watch } = setUp()
    await client.discover('s')
    expect(registry.watchesBegun).toBe(0)
    const stops = [watch(), watch()]
    await clock.advance(0)
    expect(registry.watchesBegun).toBe(1)
    stops[0]?.()
    expect(registry.watches.size).toBe(1)
    const [context] = registry.watches
    stops[1]?.()
    expect(context?.signal.aborted).toBe(true)
    await clock.advance(0)
    expect(registry.watches.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('tells each change at once, without anybody asking', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(0)
    const { loads } = registry
    for (const list of [[A, B], [B], [B, C]]) {
      registry.set('s', list)
      await clock.advance(10)
    }
    expect(told).toEqual(['a', 'ab', 'b', 'bc'])
    expect(registry.loads).toBe(loads)
  })

  it('makes the list last until the next resync, which comes after five to ten minutes', async () => {
    const { clock, registry, client, watch } = setUp({ random: () => 0 })
    watch()
    await clock.advance(0)
    const { loads } = registry
    for (let i = 0; i < 4; i += 1) {
      await clock.advance(60_000)
      for (const context of registry.watches) context.alive()
      expect(ids(client.peek('s'))).toEqual(['a'])
    }
    await clock.advance(59_999)
    expect(registry.loads).toBe(loads)
    await clock.advance(1)
    expect(registry.loads).toBe(loads + 1)
    expect(registry.watchesBegun).toBe(1)
  })

  it('has its resyncs spread over as much time again', async () => {
    const { clock, registry, watch } = setUp({ random: () => 0.5, watchIdleMs: 2_000_000 })
    watch()
    await clock.advance(0)
    const { loads } = registry
    await clock.advance(449_999)
    expect(registry.loads).toBe(loads)
    await clock.advance(1)
    expect(registry.loads).toBe(loads + 1)
  })

  it('finds at the resync what a watch never told', async () => {
    const { clock, registry, told, watch } = setUp({ watchIdleMs: 2_000_000 })
    watch()
    await clock.advance(0)
    registry.silent = true
    registry.set('s', [A, B])
    await clock.advance(450_000)
    expect(told).toEqual(['a', 'ab'])
  })

  it('that says nothing for watchIdleMs is taken for dead and begun again', async () => {
    const { clock, registry, heard, told, watch } = setUp()
    registry.silent = true
    watch()
    await clock.advance(89_999)
    expect(heard).toEqual([])
    await clock.advance(1)
    expect(heard).toEqual(['s 2000 discovery of "s" failed: a silent watch timed out after 90000 ms'])
    expect(registry.watches.size).toBe(0)
    registry.silent = false
    await clock.advance(2_000)
    expect(registry.watchesBegun).toBe(2)
    registry.set('s', [A, B])
    await clock.advance(10)
    expect(told.at(-1)).toBe('ab')
  })

  it('lives on by a word without news', async () => {
    const { clock, registry, heard, watch } = setUp()
    watch()
    for (let i = 0; i < 10; i += 1) {
      await clock.advance(60_000)
      for (const context of registry.watches) context.alive()
    }
    expect(heard).toEqual([])
    expect(registry.watchesBegun).toBe(1)
    await clock.advance(89_999)
    expect(heard).toEqual([])
    await clock.advance(1)
    expect(heard).toHaveLength(1)
  })

  it('that broke is begun again after the backoff, and the provider is asked at once meanwhile', async () => {
    const { clock, registry, client, heard, watch } = setUp()
    watch()
    await clock.advance(5_000)
    const { loads } = registry
    registry.endWatches(new Error('socket closed'))
    await clock.advance(100)
    expect(heard).toEqual(['s 2000 discovery of "s" failed: socket closed'])
    expect(registry.loads).toBe(loads + 1)
    expect(ids(client.peek('s'))).toEqual(['a'])
    expect(client.metrics.watchFailures).toBe(1)
    await clock.advance(1_899)
    expect(registry.watchesBegun).toBe(1)
    await clock.advance(1)
    expect(registry.watchesBegun).toBe(2)
  })

  it('backs off longer with each failure, and starts over when it spoke', async () => {
    const { clock, registry, heard, watch } = setUp({
      errorBackoff: { name: 'double', delayMs: ({ attempt }) => 1_000 * 2 ** attempt },
    })
    registry.fault = new Error('down')
    watch()
    await clock.advance(2_000 + 4_000)
    registry.fault = undefined
    await clock.advance(8_000)
    registry.endWatches(new Error('again'))
    await clock.advance(0)
    expect(heard.map((line) => line.split(' ')[1])).toEqual(['2000', '4000', '8000', '2000'])
  })

  it('that ended in good order is begun again at once, but never more often than once a second', async () => {
    const { clock, registry, heard, watch } = setUp()
    watch()
    await clock.advance(5_000)
    registry.endWatches()
    await clock.advance(1)
    expect(registry.watchesBegun).toBe(2)
    registry.endWatches()
    await clock.advance(999)
    expect(registry.watchesBegun).toBe(2)
    await clock.advance(1)
    expect(registry.watchesBegun).toBe(3)
    expect(heard).toEqual([])
  })

  it('does not spin when it ends at once and all times are 0', async () => {
    const { clock, registry, client } = setUp({ minRefreshIntervalMs: 0, errorBackoff: fixedBackoff({ delayMs: 0 }) })
    const begun = vi.spyOn(registry, 'watch').mockResolvedValue()
    client.watch('s', () => {})
    await clock.advance(1_000)
    expect(begun.mock.calls.length).toBeLessThanOrEqual(11)
    begun.mockRejectedValue(new Error('x'))
    await clock.advance(1_000)
    expect(begun.mock.calls.length).toBeLessThanOrEqual(22)
  })

  it('that breaks its contract is broken', async () => {
    const { clock, registry, client, heard, watch } = setUp()
    watch()
    await clock.advance(10)
    for (const context of registry.watches) context.push({ kind: 'ok', instances: 'x' } as never)
    await clock.advance(10)
    expect(heard[0]).toMatch(/a provider must answer/)
    expect(registry.watches.size).toBe(0)
    expect(ids(client.peek('s'))).toEqual(['a'])
  })

  it('says nothing any more once it is over', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(10)
    const [old] = registry.watches
    registry.endWatches(new Error('broken'))
    await clock.advance(5_000)
    old?.push(ok('z'))
    old?.alive()
    await clock.advance(10)
    expect(told).toEqual(['a'])
  })

  it('is asked about again when its list is doubted', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(10)
    const { loads } = registry
    registry.set('s', [])
    await clock.advance(4_999)
    expect(registry.loads).toBe(loads)
    await clock.advance(1)
    expect(registry.loads).toBe(loads + 1)
    await clock.advance(25_000)
    expect(told).toEqual(['a', ''])
  })

  it('wins over an answer that was on its way while it spoke', async () => {
    const { clock, registry, client, watch } = setUp()
    registry.version = undefined
    watch()
    await clock.advance(2_000)
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof ok>>()
    vi.spyOn(registry, 'list').mockReturnValue(promise)
    const refreshed = client.refresh('s')
    registry.set('s', [A, B])
    await clock.advance(10)
    resolve(ok('z'))
    expect(ids(await refreshed)).toEqual(['a', 'b'])
    expect(client.metrics.ignored).toBe(1)
    await clock.advance(2_000)
    expect(ids(await client.refresh('s'))).toEqual(['z'])
  })

  it('loses to an answer with a newer version, and keeps what is newer than an answer', async () => {
    const { clock, registry, client, watch } = setUp()
    registry.version = 10
    watch()
    await clock.advance(2_000)
    for (const context of registry.watches) {
      context.push({ kind: 'ok', instances: [], version: 5 })
    }
    await clock.advance(10)
    expect(ids(client.peek('s'))).toEqual(['a'])
    expect(client.metrics.ignored).toBe(1)
    expect(client.metrics.held).toBe(0)
  })

  it('may push a thousand times a second: what is told is bounded, and ends at the last', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(10)
    for (let i = 1; i <= 1_000; i += 1) {
      registry.set('s', [{ ...A, weight: i }, B])
      if (i % 10 === 0) await clock.advance(10)
    }
    await clock.advance(10)
    expect(told.length).toBeLessThanOrEqual(210)
    expect(told.length).toBeGreaterThan(90)
    expect(clients.at(-1)?.peek('s')?.[0]?.weight).toBe(1_000)
  })

  it('with long lists is listened to less often', async () => {
    const { clock, registry, client, watch } = setUp()
    const many = Array.from({ length: 10_000 }, (_, i) => ({ id: `i${i}`, host: `10.1.${i >> 8}.${i & 255}`, port: 1 }))
    registry.set('s', many)
    watch()
    await clock.advance(10)
    registry.set('s', [...many, A])
    await clock.advance(5)
    const before = client.metrics.changes
    await clock.advance(84)
    expect(client.metrics.changes).toBe(before)
    await clock.advance(10)
    expect(client.metrics.changes).toBe(before + 1)
  })

  it('delivers what was pushed right before it ended', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(0)
    registry.set('s', [A, B])
    registry.endWatches()
    await clock.advance(0)
    expect(told).toEqual(['a', 'ab'])
  })

  it('leaves nothing on close, and nothing when a listener of its failure closes', async () => {
    const { clock, registry, client, watch } = setUp()
    watch()
    await clock.advance(10)
    client.on('watch-failed', () => void client.close())
    registry.endWatches(new Error('broken'))
    await clock.advance(10)
    await client.close()
    await clock.advance(60_000)
    expect(clock.pending).toBe(0)
    expect(registry.watchesBegun).toBe(1)
    expect(registry.closed).toBe(1)
  })

  it('is not begun again when a listener of its failure was the last watcher', async () => {
    const { clock, registry, client, watch } = setUp()
    const stop = watch()
    await clock.advance(10)
    client.on('watch-failed', stop)
    registry.endWatches(new Error('broken'))
    await clock.advance(60_000)
    expect(registry.watchesBegun).toBe(1)
    expect(clock.pending).toBe(0)
  })

  it('that broke its contract is not listened to for another word', async () => {
    const { clock, registry, told, watch } = setUp()
    watch()
    await clock.advance(10)
    for (const context of registry.watches) {
      context.push({ kind: 'ok', instances: 'x' } as never)
      context.push(ok('z'))
    }
    await clock.advance(500)
    expect(told).toEqual(['a'])
  })

  it('after its end lets the list age like any other', async () => {
    const { clock, registry, client, watch } = setUp()
    const stop = watch()
    await clock.advance(1_000)
    stop()
    const { loads } = registry
    await clock.advance(29_999)
    client.peek('s')
    expect(registry.loads).toBe(loads)
    await clock.advance(1)
    client.peek('s')
    expect(registry.loads).toBe(loads + 1)
  })

  it('runs in nobody’s async context', async () => {
    const storage = new AsyncLocalStorage<string>()
    const { clock, registry, watch } = setUp()
    const seen: unknown[] = []
    vi.spyOn(registry, 'watch').mockImplementation(() => {
      seen.push(storage.getStore())
      return Promise.resolve()
    })
    storage.run('watcher', watch)
    await clock.advance(0)
    expect(seen).toEqual([undefined])
  })

  it('is driven by plain fake timers, also when they are installed late and the clock jumps back', async () => {
    const registry = new MemoryRegistry()
    registry.set('s', [A])
    const client = new DiscoveryClient({ provider: registry, random: () => 0.5 })
    clients.push(client)
    vi.useFakeTimers()
    const told: (string | undefined)[] = []
    const stop = client.watch('s', (instances) => told.push(ids(instances)?.join('')))
    await vi.advanceTimersByTimeAsync(10)
    registry.set('s', [A, B])
    await vi.advanceTimersByTimeAsync(10)
    expect(told).toEqual(['a', 'ab'])
    await vi.advanceTimersByTimeAsync(95_000)
    expect(registry.watchesBegun).toBe(2)
    stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cache } from '../../src/answers/cache.ts'
import { coalesce } from '../../src/answers/coalesce.ts'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { after, failing, outcome, repeat, settled } from './support.ts'

/** What opossum 10.0.0 promises of its cache, retold: nodeshift/opossum, test/cache.js. */

const down = new Error('down')

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's cache", () => {
  // Using cache
  it('answers the second call from memory, until it is cleared', async () => {
    const cached = cache({ ttlMs: 60_000 })
    const work = vi.fn(async () => 34)
    expect(await cached.execute(work, { key: 'x' })).toBe(34)
    expect(cached.metrics).toMatchObject({ hits: 0, misses: 1 })
    expect(await cached.execute(work, { key: 'x' })).toBe(34)
    expect(cached.metrics).toMatchObject({ hits: 1, misses: 1 })
    expect(work).toHaveBeenCalledTimes(1)
    cached.clear()
    expect(await cached.execute(work, { key: 'x' })).toBe(34)
    expect(work).toHaveBeenCalledTimes(2)
  })

  // Using cache with TTL
  it('asks again after its time', async () => {
    const cached = cache({ ttlMs: 100 })
    const work = vi.fn(async () => 34)
    await cached.execute(work, { key: 'x' })
    await vi.advanceTimersByTimeAsync(99)
    await cached.execute(work, { key: 'x' })
    expect(work).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    await cached.execute(work, { key: 'x' })
    expect(cached.metrics).toMatchObject({ hits: 1, misses: 2 })
  })

  // TTL is checked and entry removed when expired
  it('lets go of an answer that it finds too old', async () => {
    const cached = cache({ ttlMs: 100 })
    await cached.execute(() => 34, { key: 'x' })
    expect(cached.metrics.entries).toBe(1)
    await vi.advanceTimersByTimeAsync(100)
    expect(cached.get('x')).toBeUndefined()
    expect(cached.metrics.entries).toBe(0)
  })

  // Using cache max size, Enforcement of cache max size
  it('remembers no more answers than it was told to', async () => {
    const cached = cache({ ttlMs: 60_000, maxEntries: 10 })
    for (let i = 1; i <= 10; i += 1) {
      await cached.execute(() => i, { key: String(i) })
      expect(cached.metrics.entries).toBe(i)
      expect(cached.get(String(i))?.value).toBe(i)
    }
    await cached.execute(() => 11, { key: '11' })
    expect(cached.metrics.entries).toBe(10)
    expect(cached.get('1')).toBeUndefined()
    expect(cached.get('11')?.value).toBe(11)
  })

  // Enforcement of cache max size: there the oldest goes, used or not. Ours differs: the one not asked for longest.
  it('forgets first what was not asked for longest', async () => {
    const cached = cache({ ttlMs: 60_000, maxEntries: 2 })
    await cached.execute(() => 1, { key: '1' })
    await cached.execute(() => 2, { key: '2' })
    await cached.execute(() => 1, { key: '1' })
    await cached.execute(() => 3, { key: '3' })
    expect(['1', '2', '3'].map((key) => cached.get(key)?.value)).toEqual([1, undefined, 3])
  })

  // Default max size of cache
  it('is bounded by default', async () => {
    const cached = cache({ ttlMs: 60_000 })
    for (let i = 0; i < 1_100; i += 1) await cached.execute(() => i, { key: String(i) })
    expect(cached.metrics.entries).toBe(1_000)
  })

  // Using cache with custom get cache key
  it('can make its keys itself', async () => {
    const cached = cache({ ttlMs: 60_000, key: ({ priority }) => `key-${priority}` })
    await cached.execute(() => 34, { priority: 7 })
    expect(cached.get('key-7')?.value).toBe(34)
    expect(await cached.execute(() => 35, { priority: 7 })).toBe(34)
  })

  // Flush cache
  it('is empty after it was cleared', async () => {
    const cached = cache({ ttlMs: 60_000 })
    for (let i = 0; i < 10; i += 1) cached.set(String(i), i)
    expect(cached.metrics.entries).toBe(10)
    cached.clear()
    expect(cached.metrics.entries).toBe(0)
    expect(cached.get('5')).toBeUndefined()
  })

  // only a success is cached
  it('remembers no failure', async () => {
    const cached = cache({ ttlMs: 60_000 })
    expect(await outcome(cached.execute(failing(down), { key: 'x' }))).toEqual({ error: down })
    expect(await outcome(cached.execute(() => 34, { key: 'x' }))).toEqual({ value: 34 })
  })

  // a hit answers although the circuit is open
  it('still answers while the breaker inside it is open', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 1 }) })
    const policy = pipeline(cache({ ttlMs: 60_000 }), breaker)
    await policy.execute(() => 34, { key: 'x' })
    await repeat(2, () => policy.execute(failing(down), { key: 'y' }))
    expect(breaker.state).toBe('open')
    expect(await policy.execute(() => 35, { key: 'x' })).toBe(34)
  })

  // Using coalesce cache + regular cache
  it('together with coalescing: one run for three, and then memory', async () => {
    const [cached, shared] = [cache({ ttlMs: 200 }), coalesce()]
    const policy = pipeline(cached, shared)
    const work = vi.fn(after(100, 34))
    const ends = [1, 2, 3].map(() => outcome(policy.execute(work, { key: 'x' })))
    await vi.advanceTimersByTimeAsync(100)
    expect(await Promise.all(ends)).toEqual([{ value: 34 }, { value: 34 }, { value: 34 }])
    expect(cached.metrics.hits).toBe(0)
    expect(shared.metrics.joined).toBe(2)
    expect(await settled(policy.execute(work, { key: 'x' }))).toEqual({ value: 34 })
    expect(cached.metrics.hits).toBe(1)
    expect(shared.metrics.joined).toBe(2)
    expect(work).toHaveBeenCalledTimes(1)
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { coalesce } from '../../src/answers/coalesce.ts'
import { CircuitBreaker } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { after, outcome, settled } from './support.ts'

/**
 * What opossum 10.0.0 promises of coalescing, retold: nodeshift/opossum, test/cache.js. There a shared answer may outlive
 * its run (`coalesceTTL`, `coalesceResetOn`); here what outlives a run is the cache's.
 */

const down = new Error('down')

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's coalescing", () => {
  // Using coalesce cache only
  it('runs once for three calls at once, and gives all of them the answer', async () => {
    const shared = coalesce()
    const work = vi.fn(after(100, 34))
    const ends = [1, 2, 3].map(() => outcome(shared.execute(work, { key: 'x' })))
    await vi.advanceTimersByTimeAsync(100)
    expect(await Promise.all(ends)).toEqual([{ value: 34 }, { value: 34 }, { value: 34 }])
    expect(work).toHaveBeenCalledTimes(1)
    expect(shared.metrics).toMatchObject({ runs: 1, joined: 2, inFlight: 0 })
  })

  // Using coalesce cache only: after its time
  it('runs again for a call that comes later', async () => {
    const shared = coalesce()
    const work = vi.fn(after(100, 34))
    await settled(shared.execute(work, { key: 'x' }), 100)
    expect(await settled(shared.execute(work, { key: 'x' }), 100)).toEqual({ value: 34 })
    expect(work).toHaveBeenCalledTimes(2)
    expect(shared.metrics).toMatchObject({ runs: 2, joined: 0 })
  })

  // No coalesce cache
  it('runs for each without it', async () => {
    const breaker = new CircuitBreaker()
    const work = vi.fn(async () => 34)
    await Promise.all([1, 2, 3].map(() => breaker.execute(work, { key: 'x' })))
    expect(work).toHaveBeenCalledTimes(3)
  })

  // the key is made of the arguments, or by cacheGetKey
  it('keeps apart what has different keys, and what has none', async () => {
    const shared = coalesce()
    const work = vi.fn(after(10, 34))
    const ends = ['x', 'y', undefined, undefined].map((key) => outcome(shared.execute(work, { key })))
    await vi.advanceTimersByTimeAsync(10)
    await Promise.all(ends)
    expect(work).toHaveBeenCalledTimes(4)
  })

  // coalesceResetOn: expect no hit after success
  it('gives nobody the answer of a run that is over', async () => {
    const shared = coalesce()
    let runs = 0
    const work = async (): Promise<number> => (runs += 1)
    expect(await shared.execute(work, { key: 'x' })).toBe(1)
    expect(await shared.execute(work, { key: 'x' })).toBe(2)
  })

  // coalesceResetOn: expect no hit after error
  it('gives nobody the error of a run that is over, and all who waited the same one', async () => {
    const shared = coalesce()
    const work = vi.fn(after(10, down))
    const ends = [1, 2].map(() => outcome(shared.execute(work, { key: 'x' })))
    await vi.advanceTimersByTimeAsync(10)
    expect(await Promise.all(ends)).toEqual([{ error: down }, { error: down }])
    expect(await outcome(shared.execute(async () => 1, { key: 'x' }))).toEqual({ value: 1 })
    expect(work).toHaveBeenCalledTimes(1)
  })

  // coalesceResetOn: expect no hit after timeout
  it('gives nobody the timeout of a run that is over', async () => {
    const policy = pipeline(coalesce(), timeout({ timeoutMs: 200 }))
    const slow = settled(policy.execute(after(1_000, 'slow'), { key: 'x' }), 200)
    expect(await slow).toEqual({ error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' }) })
    expect(await outcome(policy.execute(() => 'fast', { key: 'x' }))).toEqual({ value: 'fast' })
  })

  // coalesceSize
  it('keeps no more runs in mind than it was told to', async () => {
    const shared = coalesce({ maxKeys: 2 })
    const ends = [1, 2, 3, 4].map((n) => outcome(shared.execute(after(10, n), { key: String(n) })))
    expect(shared.metrics).toMatchObject({ inFlight: 2, alone: 2 })
    await vi.advanceTimersByTimeAsync(10)
    expect(await Promise.all(ends)).toEqual([1, 2, 3, 4].map((value) => ({ value })))
  })
})

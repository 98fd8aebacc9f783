import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { Bulkhead } from '../../src/limits/bulkhead.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { after, held, outcome, settled } from './support.ts'

/**
 * What opossum 10.0.0 promises of its capacity, retold: nodeshift/opossum, test/semaphore-test.js and test/test.js. There
 * it is an option of the breaker, here a policy of its own.
 */

const full = { error: expect.objectContaining({ code: 'ERR_GATELESS_BULKHEAD_FULL', local: true }) }

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's semaphore", () => {
  // semaphore-test.js: Acquiring a semaphore reduces the number of locks available
  it('has one slot fewer while one is held', () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    expect(bulkhead.metrics.inFlight).toBe(0)
    bulkhead.tryAcquire()
    expect(bulkhead.metrics.inFlight).toBe(1)
  })

  // semaphore-test.js: Releasing a semaphore increases the number of locks available. Ours: once.
  it('has it back when it was given back, once', () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const slot = bulkhead.tryAcquire()
    slot?.success()
    slot?.success()
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  // semaphore-test.js: A user can test semaphore to see if a lock is available
  it('says without waiting whether there is a slot, and takes it', () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const slot = bulkhead.tryAcquire()
    expect(slot).toBeDefined()
    expect(bulkhead.tryAcquire()).toBeUndefined()
    slot?.ignore()
    expect(bulkhead.tryAcquire()).toBeDefined()
  })

  // semaphore-test.js: User code cannot change the lock count
  it('lets nobody change its counts', () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const metrics = bulkhead.metrics as { inFlight: number }
    metrics.inFlight = 4
    expect(bulkhead.metrics.inFlight).toBe(0)
    expect(() => Object.assign(bulkhead, { metrics })).toThrow(TypeError)
  })

  // semaphore-test.js: Semaphores wait until a lock is available
  it('makes a call wait until there is a slot', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1 })
    const first = held(bulkhead.execute(after(500, 'first')))
    const second = held(bulkhead.execute(() => 'second'))
    expect(await settled(second, 499)).toBe('pending')
    expect(await settled(second, 1)).toEqual({ value: 'second' })
    expect(await first).toBe('first')
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  // semaphore-test.js: A semaphore can time out waiting for a lock
  it('rejects a call that waited too long', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1, queueTimeoutMs: 100 })
    const first = held(bulkhead.execute(after(500, 'first')))
    const second = held(bulkhead.execute(() => 'second'))
    expect(await settled(second, 99)).toBe('pending')
    expect(await settled(second, 1)).toEqual(full)
    await settled(first, 400)
  })
})

describe("opossum's capacity", () => {
  // test.js: CircuitBreaker semaphore rate limiting
  it('rejects who comes while it is used up, and counts it', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const policy = pipeline(new CircuitBreaker(), bulkhead, timeout({ timeoutMs: 300 }))
    const slow = held(policy.execute(after(1_000, 'slow')))
    expect(await settled(policy.execute(() => 1))).toEqual(full)
    expect(bulkhead.metrics.rejected).toBe(1)
    await settled(slow, 1_000)
  })

  // test.js: Circuit Breaker timeout with semaphore released
  it('has its slot back when the call timed out, although the work goes on', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2 })
    const slow = held(pipeline(bulkhead, timeout({ timeoutMs: 10 })).execute(after(5_000, 'slow')))
    expect(bulkhead.metrics.inFlight).toBe(1)
    expect(await settled(slow, 10)).toEqual({ error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' }) })
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  // test.js: CircuitBreaker default capacity. Ours differs: no bulkhead, no limit; a bulkhead must be told.
  it('is unlimited without a bulkhead', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate() })
    const ends = Array.from({ length: 10_000 }, () => outcome(breaker.execute(after(1, 'ok'))))
    await vi.advanceTimersByTimeAsync(1)
    expect(new Set((await Promise.all(ends)).map((end) => JSON.stringify(end)))).toEqual(new Set(['{"value":"ok"}']))
    expect(() => new Bulkhead({} as never)).toThrow(/maxConcurrent/)
  })
})

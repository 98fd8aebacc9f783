import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cache } from '../../src/answers/cache.ts'
import { fallback } from '../../src/answers/fallback.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { Bulkhead } from '../../src/limits/bulkhead.ts'
import { RateLimiter } from '../../src/limits/rate-limiter.ts'
import { RetryPolicy } from '../../src/retry/index.ts'
import { after, failing, outcome, settled } from './support.ts'

/**
 * What mollitia 0.1.1 promises of its limits and answers, retold: genesys/mollitia,
 * packages/mollitia/test/unit/module/{bulkhead,ratelimit,cache,fallback}.spec.ts.
 */

const full = (reason: string): unknown => ({
  error: expect.objectContaining({ code: 'ERR_GATELESS_BULKHEAD_FULL', reason }),
})
const limited = { error: expect.objectContaining({ code: 'ERR_GATELESS_RATE_LIMITED', local: true }) }
const down = new Error('down')

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("mollitia's bulkhead", () => {
  // should add to concurrent buffer
  it('runs two, lets two wait, rejects the rest, and who waits too long', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2, maxQueue: 2, queueTimeoutMs: 200 })
    const call = (name: string, ms: number): Promise<unknown> => outcome(bulkhead.execute(after(ms, name)))
    const ends = [call('1', 50), call('2', 300), call('3', 50), call('4', 200), call('5', 1)]
    await vi.advanceTimersByTimeAsync(60)
    const late = [call('6', 1), call('7', 1)]
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await Promise.all(ends)).toEqual([...['1', '2', '3', '4'].map((value) => ({ value })), full('full')])
    // The sixth waits behind calls that take until 300 ms.
    expect(await Promise.all(late)).toEqual([full('queue-timeout'), full('full')])
  })
})

describe("mollitia's rate limit", () => {
  /** The moments at which a call goes through, of those at which one is made. */
  async function through(moments: readonly number[], call: () => Promise<unknown>): Promise<number[]> {
    const found: number[] = []
    let at = 0
    for (const moment of moments) {
      await vi.advanceTimersByTimeAsync(moment - at)
      at = moment
      const end = await settled(call())
      if ((end as { value?: unknown }).value === 'ok') found.push(moment)
      else expect(end).toEqual(limited)
    }
    return found
  }

  // With a single ratelimit
  it('never lets more through in any interval, wherever it begins', async () => {
    const limiter = new RateLimiter({ limit: 3, intervalMs: 1_000, algorithm: 'sliding-window' })
    const moments = [0, 200, 600, 900, 1_000, 1_100, 1_200, 1_500, 1_700, 1_900, 2_200, 2_201]
    expect(await through(moments, () => limiter.execute(() => 'ok'))).toEqual([
      0, 200, 600, 1_000, 1_200, 1_700, 2_200, 2_201,
    ])
  })

  it('says when the next call may come', async () => {
    const limiter = new RateLimiter({ limit: 1, intervalMs: 1_000, algorithm: 'sliding-window' })
    await limiter.execute(() => 'ok')
    await vi.advanceTimersByTimeAsync(400)
    expect(await outcome(limiter.execute(() => 'ok'))).toEqual({
      error: expect.objectContaining({ retryAfterMs: 600 }),
    })
  })

  // With two ratelimits
  it('holds together with another', async () => {
    const slow = new RateLimiter({ limit: 3, intervalMs: 1_500, algorithm: 'sliding-window' })
    const fast = new RateLimiter({ limit: 1, intervalMs: 500, algorithm: 'sliding-window' })
    const policy = pipeline(fast, slow)
    const moments = [0, 250, 600, 1_100, 1_300, 1_700, 1_701]
    expect(await through(moments, () => policy.execute(() => 'ok'))).toEqual([0, 600, 1_100, 1_700])
  })
})

describe("mollitia's cache", () => {
  // should cache the previous response by reference
  it('answers with the very object, for its time', async () => {
    const cached = cache({ ttlMs: 100 })
    const answer = { dummy: 'value' }
    const work = vi.fn(async () => answer)
    await cached.execute(work, { key: 'x' })
    expect(await cached.execute(work, { key: 'x' })).toBe(answer)
    expect(work).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(150)
    await cached.execute(work, { key: 'x' })
    expect(work).toHaveBeenCalledTimes(2)
  })

  // With multiple modules: in the middle, first, last
  it.each([0, 1, 2])('answers from wherever it stands among the policies: place %i', async (place) => {
    const cached = cache({ ttlMs: 100 })
    const limiter = new RateLimiter({ limit: 3, algorithm: 'sliding-window' })
    const policies = [new RetryPolicy({ maxAttempts: 3 }), limiter]
    const policy = pipeline(...policies.slice(0, place), cached, ...policies.slice(place))
    const work = vi.fn(async () => 'ok')
    await policy.execute(work, { key: 'x' })
    expect(await policy.execute(work, { key: 'x' })).toBe('ok')
    expect(work).toHaveBeenCalledTimes(1)
    expect(cached.metrics.hits).toBe(1)
  })

  // should have a cache interval: the old answer serves while the work fails. Ours: as long as it was told to.
  it('answers with what is old when the work fails, for a bounded time', async () => {
    const cached = cache({ ttlMs: 100, staleIfErrorMs: 1_000 })
    await cached.execute(() => 'old', { key: 'x' })
    await vi.advanceTimersByTimeAsync(150)
    const work = vi.fn(failing(down))
    expect(await cached.execute(work, { key: 'x' })).toBe('old')
    expect(work).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(cached.execute(failing(down), { key: 'x' }))).toEqual({ error: down })
  })
})

describe("mollitia's fallback", () => {
  // should permit to filter the rejection value. Ours differs: what a fallback answers is an answer, not an error.
  it('can put another error in place of the first', async () => {
    const other = new Error('other')
    const end = await outcome(fallback({ run: () => Promise.reject(other) }).execute(failing(down)))
    expect(end).toEqual({ error: expect.objectContaining({ cause: down, errors: [other] }) })
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type RetryOptions, RetryPolicy } from '../../src/retry/index.ts'
import { type Backoff, type BackoffMemory, exponentialBackoff, fixedBackoff } from '../../src/time/backoff.ts'
import { decorrelatedBackoff } from '../../src/time/decorrelated-backoff.ts'
import { seededRandom } from '../../src/time/random.ts'
import { failing, outcome, settled } from './support.ts'

/**
 * What cockatiel 4.0.0 promises of its backoffs, retold: connor4312/cockatiel, src/backoff/*.test.ts. There a backoff
 * makes its successor, and may end the retries; ours is a function of the attempt, and `maxAttempts` ends them.
 */

const down = new Error('down')

/** The delays of one call. */
function delays(backoff: Backoff, count: number, random = seededRandom(1)): number[] {
  const memory: BackoffMemory = {}
  const found: number[] = []
  for (let attempt = 1; attempt <= count; attempt += 1) {
    found.push(backoff.delayMs({ attempt, previousDelayMs: found.at(-1), random, memory }))
  }
  return found
}

/** The delays that a retry makes of it, until it gives up. */
async function waited(options: RetryOptions): Promise<number[]> {
  const retry = new RetryPolicy({ retryable: () => true, budget: false, ...options })
  const found: number[] = []
  retry.on('retry', ({ delayMs }) => found.push(delayMs))
  expect(await settled(retry.execute(failing(down)), 1_000_000)).toEqual({ error: down })
  return found
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("cockatiel's constant backoff", () => {
  // returns its duration
  it('is the same each time', () => {
    expect(delays(fixedBackoff({ delayMs: 42 }), 3)).toEqual([42, 42, 42])
  })

  // limits the number of retries
  it('ends after as many retries as were asked for', async () => {
    expect(await waited({ maxAttempts: 3, backoff: fixedBackoff({ delayMs: 42 }) })).toEqual([42, 42])
  })
})

describe("cockatiel's exponential backoff", () => {
  const doubling = exponentialBackoff({ baseMs: 128, maxMs: 30_000, jitter: 'none' })

  // works
  it('doubles up to its bound', () => {
    expect(delays(doubling, 11)).toEqual([128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 30_000, 30_000, 30_000])
  })

  // sets max retries correctly
  it('ends after as many retries as were asked for', async () => {
    expect(await waited({ maxAttempts: 5, backoff: doubling })).toEqual([128, 256, 512, 1_024])
  })
})

describe("cockatiel's generators", () => {
  const bounds = { baseMs: 128, maxMs: 30_000 }

  // noJitterGenerator, fullJitterGenerator, halfJitterGenerator, decorrelatedJitterGenerator is sane
  it.each([
    ['none', exponentialBackoff({ ...bounds, jitter: 'none' })],
    ['full', exponentialBackoff({ ...bounds, jitter: 'full' })],
    ['half', exponentialBackoff({ ...bounds, jitter: 'equal' })],
    ['decorrelated', decorrelatedBackoff({ ...bounds, formula: 'polly' })],
  ] as const)('with jitter %s stay between 0 and twice what is doubled, and below the bound', (_, backoff) => {
    for (let seed = 0; seed < 10; seed += 1) {
      for (const [i, delay] of delays(backoff, 99, seededRandom(seed)).entries()) {
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(Math.min(30_000, 128 * 2 ** (i + 1)))
      }
    }
  })

  // fixes issue #86: NaN once the curve is infinite
  it('stay numbers however long it goes on', () => {
    for (const formula of ['polly', 'aws'] as const) {
      const backoff = decorrelatedBackoff({ baseMs: 45_000, maxMs: 15 * 60_000, formula })
      for (const delay of delays(backoff, 3_000)) {
        expect(delay).not.toBeNaN()
        expect(delay).toBeGreaterThanOrEqual(0)
      }
    }
  })
})

describe("cockatiel's iterable and delegate backoffs", () => {
  // iterable works; ours is any object with a name and delayMs
  it('can be had as a list', async () => {
    const list = [3, 6, 9]
    const backoff: Backoff = { name: 'list', delayMs: ({ attempt }) => list[attempt - 1] ?? 0 }
    expect(await waited({ maxAttempts: 4, backoff })).toEqual([3, 6, 9])
  })

  // halts when the delegate function returns undefined. Ours: no delay is no retry, and said as a fault.
  it('give up when they answer no number', async () => {
    const backoff = { name: 'none', delayMs: () => undefined } as unknown as Backoff
    const retry = new RetryPolicy({ maxAttempts: 4, retryable: () => true, budget: false, backoff })
    const faults = vi.fn()
    retry.on('error', faults)
    const work = vi.fn(failing(down))
    expect(await outcome(retry.execute(work))).toEqual({ error: down })
    expect(work).toHaveBeenCalledTimes(1)
    expect(faults).toHaveBeenCalledWith(expect.objectContaining({ event: 'backoff' }))
  })

  // captures and sets delegate state. Ours: the delay before, or the call's memory.
  it('can build on what they answered before', async () => {
    const squares: Backoff = { name: 'squares', delayMs: ({ previousDelayMs = 3 }) => previousDelayMs ** 2 }
    expect(await waited({ maxAttempts: 4, backoff: squares })).toEqual([9, 81, 6_561])
  })
})

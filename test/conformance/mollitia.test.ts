import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, type CircuitBreakerOptions, failureRate } from '../../src/breaker/index.ts'
import { slowCallRate } from '../../src/breaker/slow-call-rate.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/index.ts'
import {
  exponentialBackoff,
  fixedBackoff,
  linearBackoff,
  type RetryOptions,
  RetryPolicy,
} from '../../src/retry/index.ts'
import { after, failing, outcome, repeat, settled } from './support.ts'

/**
 * What mollitia 0.1.1 promises, retold: genesys/mollitia, packages/mollitia/test/unit/module/. docs/conformance.md lists
 * what differs, and why.
 */

const down = new Error('down')
const refused = { error: expect.objectContaining({ code: 'ERR_GATELESS_CIRCUIT_OPEN' }) }
const up = async (): Promise<string> => 'up'

const circuit = (options: CircuitBreakerOptions): CircuitBreaker =>
  new CircuitBreaker({ recoveryTimeoutMs: 10, successThreshold: 1, ...options })
const fail = (breaker: CircuitBreaker, times = 1): Promise<void> => repeat(times, () => breaker.execute(failing(down)))
const succeed = (breaker: CircuitBreaker, times = 1): Promise<void> => repeat(times, () => breaker.execute(up))

async function slowly(breaker: CircuitBreaker, ms: number): Promise<void> {
  expect(await settled(breaker.execute(after(ms, 'slow')), ms)).toEqual({ value: 'slow' })
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("mollitia's sliding breakers", () => {
  // sliding-*-breaker.spec: should go to half open state after delay
  it('are half-open when their time is over', async () => {
    const breaker = circuit({ failureThreshold: 1, recoveryTimeoutMs: 20 })
    await fail(breaker)
    await vi.advanceTimersByTimeAsync(19)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
  })

  // sliding-count-breaker.spec: Switch to Open when failure rate exceeded
  it('by count: open at a failure, never at a success, when the share is reached', async () => {
    const breaker = circuit({ trip: failureRate({ windowCalls: 10, minimumCalls: 3, threshold: 0.6 }) })
    await fail(breaker, 2)
    await succeed(breaker)
    expect(breaker.state).toBe('closed')
    await fail(breaker)
    expect(breaker.state).toBe('open')
  })

  // sliding-count-breaker.spec: Nb Max Requests reached
  it('by count: forget the oldest call of a full window', async () => {
    const breaker = circuit({ trip: failureRate({ windowCalls: 5, minimumCalls: 3, threshold: 0.5 }) })
    await succeed(breaker, 2)
    await fail(breaker)
    await succeed(breaker, 2)
    await fail(breaker)
    expect(breaker.state).toBe('closed')
    await fail(breaker)
    expect(breaker.state).toBe('open')
  })

  // sliding-time-breaker.spec: switch to Open when failure rate exceeded
  it('by time: forget what is older than the window', async () => {
    const breaker = circuit({ trip: failureRate({ windowMs: 100, minimumCalls: 2, threshold: 0.6 }) })
    await succeed(breaker)
    await fail(breaker)
    expect(breaker.state).toBe('closed')
    expect(await settled(breaker.execute(after(150, down)), 150)).toEqual({ error: down })
    expect(breaker.state).toBe('closed')
    await fail(breaker)
    expect(breaker.state).toBe('open')
  })

  // sliding-count-breaker.spec: Slow Requests
  it.each([
    ['by count', { windowCalls: 10 }],
    ['by time', { windowMs: 1_000 }],
  ])('%s: open for slow calls as for failures, half-open too', async (_, window) => {
    const breaker = circuit({ trip: slowCallRate({ thresholdMs: 100, rate: 0.6, minimumCalls: 2, ...window }) })
    await slowly(breaker, 150)
    await succeed(breaker)
    expect(breaker.state).toBe('closed')
    await slowly(breaker, 150)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(10)
    await slowly(breaker, 150)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(10)
    await succeed(breaker)
    expect(breaker.state).toBe('closed')
  })

  // sliding-count-breaker.spec: Half Open State switch to Closed/Opened
  it('half-open: a failed probe opens, enough good ones close', async () => {
    const breaker = circuit({ failureThreshold: 1, successThreshold: 2 })
    await fail(breaker)
    await vi.advanceTimersByTimeAsync(10)
    await succeed(breaker)
    expect(breaker.state).toBe('half-open')
    await fail(breaker)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(10)
    await succeed(breaker, 2)
    expect(breaker.state).toBe('closed')
  })

  // sliding-count-breaker.spec: Request should fail if max permitted calls in half opened reached
  it('half-open: reject who comes while all probes are out', async () => {
    const breaker = circuit({ failureThreshold: 1, successThreshold: 2, halfOpen: { probes: 2 } })
    await fail(breaker)
    await vi.advanceTimersByTimeAsync(10)
    const probes = [outcome(breaker.execute(after(50, 'up'))), outcome(breaker.execute(after(50, down)))]
    expect(await settled(breaker.execute(up))).toEqual(refused)
    await vi.advanceTimersByTimeAsync(50)
    await Promise.all(probes)
  })

  // sliding-count-breaker.spec: Half Open State max duration. Ours differs: if nobody called, nothing was learned.
  it('half-open: open again when probes took too long, and stay half-open when there were none', async () => {
    const breaker = circuit({ failureThreshold: 1, recoveryTimeoutMs: 100, halfOpen: { maxMs: 200 } })
    await fail(breaker)
    await vi.advanceTimersByTimeAsync(100)
    expect(breaker.state).toBe('half-open')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.state).toBe('half-open')
    const probe = outcome(breaker.execute(after(500, 'late')))
    await vi.advanceTimersByTimeAsync(200)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(300)
    expect(await probe).toEqual({ value: 'late' })
    await succeed(breaker)
    expect(breaker.state).toBe('closed')
  })

  // sliding-count-breaker.spec: No switch to Open when failures but failure reported as success
  it('take a failure for a success when told to, and still throw it', async () => {
    const credentials = new Error('credentials')
    const breaker = circuit({
      trip: failureRate({ windowCalls: 2, minimumCalls: 2, threshold: 0.6 }),
      classify: (result) => (result.ok || result.error === credentials ? 'success' : 'failure'),
    })
    expect(await outcome(breaker.execute(failing(credentials)))).toEqual({ error: credentials })
    await repeat(1, () => breaker.execute(failing(credentials)))
    await fail(breaker)
    expect(breaker.state).toBe('closed')
    await fail(breaker)
    expect(breaker.state).toBe('open')
  })
})

describe("mollitia's retry", () => {
  const retry = (options: RetryOptions): RetryPolicy =>
    new RetryPolicy({ retryable: () => true, budget: false, backoff: fixedBackoff({ delayMs: 0 }), ...options })

  async function waited(options: RetryOptions): Promise<number[]> {
    const policy = retry(options)
    const found: number[] = []
    policy.on('retry', ({ delayMs }) => found.push(delayMs))
    expect(await settled(policy.execute(failing(down)), 100_000)).toEqual({ error: down })
    return found
  }

  // should retry the function multiple times - Basic Test
  it('says before each try that there is one, and fails with the last error', async () => {
    const policy = retry({ maxAttempts: 3 })
    const attempts: number[] = []
    policy.on('retry', ({ attempt }) => attempts.push(attempt))
    expect(await settled(policy.execute(failing(down)), 10)).toEqual({ error: down })
    expect(attempts).toEqual([1, 2])
  })

  // should retry function and use the timeout
  it('retries what timed out inside it, and stops when it times out itself', async () => {
    const told: string[] = []
    const told2: string[] = []
    const inner = timeout({ timeoutMs: 500 })
    inner.on('timeout', () => told.push('timeout'))
    const policy = retry({ maxAttempts: 3 })
    policy.on('retry', () => told.push('retry'))
    const timedOut = { error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' }) }
    expect(await settled(pipeline(policy, inner).execute(after(1_000, down)), 1_502)).toEqual(timedOut)
    expect(told).toEqual(['timeout', 'retry', 'timeout', 'retry', 'timeout'])

    const outer = timeout({ timeoutMs: 500 })
    outer.on('timeout', () => told2.push('timeout'))
    const another = retry({ maxAttempts: 3 })
    another.on('retry', () => told2.push('retry'))
    expect(await settled(pipeline(outer, another).execute(after(1_000, down)), 500)).toEqual(timedOut)
    expect(told2).toEqual(['timeout'])
    await vi.advanceTimersByTimeAsync(1_000)
  })

  // should allow to filter for rejections and set retry interval
  it('can be told by the error to stop, or how long to wait', async () => {
    const stop = new Error('stop')
    const work = vi.fn(failing(stop))
    await settled(retry({ maxAttempts: 3, retryable: (error) => error !== stop }).execute(work), 5_000)
    expect(work).toHaveBeenCalledTimes(1)
    const wait = Object.assign(new Error('wait'), { afterMs: 1_000 })
    const policy = retry({
      maxAttempts: 3,
      backoff: fixedBackoff({ delayMs: 500 }),
      retryAfterOf: (error) => (error as typeof wait).afterMs,
    })
    const delays: number[] = []
    policy.on('retry', ({ delayMs }) => delays.push(delayMs))
    await settled(policy.execute(failing(wait)), 5_000)
    expect(delays).toEqual([1_000, 1_000])
  })

  // Default mode (constant)
  it('waits the same each time', async () => {
    expect(await waited({ maxAttempts: 4, backoff: fixedBackoff({ delayMs: 500 }) })).toEqual([500, 500, 500])
  })

  // Linear mode
  it('waits one step more each time', async () => {
    expect(await waited({ maxAttempts: 4, backoff: linearBackoff({ stepMs: 500 }) })).toEqual([500, 1_000, 1_500])
  })

  // Exponential mode, with its maximum
  it('waits a multiple each time, up to a bound', async () => {
    const backoff = exponentialBackoff({ baseMs: 500, factor: 3, maxMs: 4_000, jitter: 'none' })
    expect(await waited({ maxAttempts: 5, backoff })).toEqual([500, 1_500, 4_000, 4_000])
  })

  // Jitter mode. Ours may go above the bound by the ratio.
  it('waits somewhere around that', async () => {
    const options = { baseMs: 1_000, jitter: 'proportional', jitterRatio: 0.1 } as const
    for (const [drawn, delay] of [
      [0, 900],
      [0.5, 1_000],
      [0.999, 1_100],
    ] as const) {
      const found = await waited({ maxAttempts: 2, backoff: exponentialBackoff(options), random: () => drawn })
      expect(found).toEqual([delay])
    }
  })

  // FastFirst
  it('can make the first retry at once', async () => {
    const backoff = { name: 'fast first', delayMs: ({ attempt }: { attempt: number }) => (attempt === 1 ? 0 : 500) }
    expect(await waited({ maxAttempts: 3, backoff })).toEqual([0, 500])
  })
})

describe("mollitia's timeout", () => {
  // timeout.spec: should timeout the function for circuit
  it('rejects what takes too long', async () => {
    expect(await settled(timeout({ timeoutMs: 5 }).execute(after(10, 'late')), 5)).toEqual({
      error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' }),
    })
  })
})

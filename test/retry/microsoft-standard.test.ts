import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CircuitBreaker, failureRate, microsoftStandard, pipeline, RetryPolicy, timeout } from 'gateless'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

it('has the numbers of Microsoft’s standard handler, outermost first', () => {
  const parts = microsoftStandard()
  expect(Object.keys(parts)).toEqual(['bulkhead', 'totalTimeout', 'retry', 'failureRate', 'breaker', 'attemptTimeout'])
  expect(parts).toEqual({
    bulkhead: { maxConcurrent: 1_000, maxQueue: 0 },
    totalTimeout: { timeoutMs: 30_000, name: 'total' },
    retry: {
      maxAttempts: 4,
      backoff: { name: 'decorrelated', delayMs: expect.any(Function) },
      retryAfterMode: 'exact',
    },
    failureRate: { threshold: 0.1, minimumCalls: 100, windowMs: 30_000 },
    breaker: { recoveryTimeoutMs: 5_000, successThreshold: 1 },
    attemptTimeout: { timeoutMs: 10_000, name: 'attempt' },
  })
})

it('backs off by Polly’s formula from 2 s, and stays within the total timeout', () => {
  const { backoff } = microsoftStandard().retry
  // 2 × 2^0.5 × tanh(√2) / 1.4
  expect(backoff?.delayMs({ attempt: 1, random: () => 0.5 })).toBeCloseTo(1_794.8, 0)
  expect(backoff?.delayMs({ attempt: 9, random: () => 0.99 })).toBe(30_000)
})

it('makes a pipeline that does what it says', async () => {
  const { totalTimeout, retry, failureRate: rate, breaker, attemptTimeout } = microsoftStandard()
  const guarded = pipeline(
    timeout(totalTimeout),
    new RetryPolicy({ ...retry, random: () => 0.5 }),
    new CircuitBreaker({ ...breaker, trip: failureRate(rate) }),
    timeout(attemptTimeout),
  )
  const work = vi.fn(({ attempt }: { attempt: number }) => {
    if (attempt < 4) throw Object.assign(new Error('down'), { status: 503 })
    return 'fourth'
  })
  const call = guarded.execute(work)
  await vi.advanceTimersByTimeAsync(29_000)
  await expect(call).resolves.toBe('fourth')
  expect(work).toHaveBeenCalledTimes(4)
})

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CircuitBreaker, DiscoveryClient, fixedBackoff, RetryPolicy, timeout } from 'gateless'

/**
 * What a user's own test looks like: nothing but `vi.useFakeTimers()` and the public API. No clock is injected, nothing
 * is mocked, and every step is exact to the millisecond.
 */

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

it('drives a breaker through closed, open, half-open and closed again', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 2, recoveryTimeoutMs: 60_000, successThreshold: 1 })
  const fail = () => breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
  await fail()
  await fail()
  expect(breaker.state).toBe('open')
  await vi.advanceTimersByTimeAsync(59_999)
  expect(breaker.state).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(breaker.state).toBe('half-open')
  await breaker.execute(() => 'up')
  expect(breaker.state).toBe('closed')
})

it('drives a backoff', async () => {
  const startedAt = Date.now()
  const at: number[] = []
  const retry = new RetryPolicy({ maxAttempts: 3, backoff: fixedBackoff({ delayMs: 250 }), retryable: () => true })
  const call = retry.execute(() => {
    at.push(Date.now() - startedAt)
    throw new Error('again')
  })
  const settled = expect(call).rejects.toThrow('again')
  await vi.advanceTimersByTimeAsync(500)
  await settled
  expect(at).toEqual([0, 250, 500])
})

it('drives a TTL', async () => {
  let loads = 0
  const discovery = new DiscoveryClient({
    provider: {
      name: 'scripted',
      list: () => {
        loads += 1
        return Promise.resolve({ kind: 'ok', instances: [] })
      },
    },
    ttlMs: 30_000,
    ttlJitter: 0,
    refreshAheadRatio: 1,
  })
  await discovery.discover('orders')
  await vi.advanceTimersByTimeAsync(29_999)
  await discovery.discover('orders')
  expect(loads).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  await discovery.discover('orders')
  expect(loads).toBe(2)
  await discovery.close()
})

it('drives the time limit of an attempt', async () => {
  const limit = timeout({ timeoutMs: 1_000 })
  let late = false
  const call = limit
    .execute(() => new Promise(() => {}))
    .catch((error: unknown) => {
      late = true
      throw error
    })
  const settled = expect(call).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', timeoutMs: 1_000 })
  await vi.advanceTimersByTimeAsync(999)
  expect(late).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(late).toBe(true)
  await settled
})

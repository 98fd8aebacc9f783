// A unit test of your own code that uses gateless: plain `vi.useFakeTimers()`, no clock injected, nothing mocked, and
// every wait exact to the millisecond. It takes no time: a minute is over at once.

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CircuitBreaker, exponentialBackoff, isGatelessError, pipeline, RetryPolicy, timeout } from 'gateless'

/** The code under test, as it would stand in a file of yours. */
function stockReader(loadStock: (sku: string, signal: AbortSignal) => Promise<number>) {
  const policy = pipeline(
    new RetryPolicy({ maxAttempts: 3, backoff: exponentialBackoff({ baseMs: 100, jitter: 'none' }) }),
    new CircuitBreaker({ name: 'inventory', failureThreshold: 3, recoveryTimeoutMs: 60_000, successThreshold: 1 }),
    timeout({ timeoutMs: 1_000 }),
  )
  return (sku: string) => policy.execute(({ signal }) => loadStock(sku, signal))
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

it('tries again after 100 ms, and then after 200', async () => {
  const startedAt = Date.now()
  const triedAt: number[] = []
  const read = stockReader(async () => {
    triedAt.push(Date.now() - startedAt)
    if (triedAt.length < 3) throw new Error('connection reset')
    return 12
  })

  const stock = read('sku-7')
  await vi.advanceTimersByTimeAsync(300)

  expect(await stock).toBe(12)
  expect(triedAt).toEqual([0, 100, 300])
})

it('gives a try that hangs one second, and tells it to stop', async () => {
  const signals: AbortSignal[] = []
  const read = stockReader((_sku, signal) => {
    signals.push(signal)
    return signals.length === 1 ? new Promise(() => {}) : Promise.resolve(12)
  })

  const stock = read('sku-7')
  await vi.advanceTimersByTimeAsync(999)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  await vi.advanceTimersByTimeAsync(1 + 100)

  expect(await stock).toBe(12)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
})

it('stops asking after three failures, and probes after a minute', async () => {
  const loadStock = vi.fn<() => Promise<number>>().mockRejectedValue(new Error('down'))
  const read = stockReader(loadStock)

  // Expect the rejection before the time passes: one that nobody waits for yet is an unhandled rejection.
  const failing = expect(read('sku-7')).rejects.toThrow('down')
  await vi.advanceTimersByTimeAsync(300)
  await failing
  expect(loadStock).toHaveBeenCalledTimes(3)

  await vi.advanceTimersByTimeAsync(59_999)
  await expect(read('sku-7')).rejects.toSatisfy((error) => isGatelessError(error, 'ERR_GATELESS_CIRCUIT_OPEN'))
  expect(loadStock).toHaveBeenCalledTimes(3)

  await vi.advanceTimersByTimeAsync(1)
  loadStock.mockResolvedValue(12)
  expect(await read('sku-7')).toBe(12)
  expect(loadStock).toHaveBeenCalledTimes(4)
})

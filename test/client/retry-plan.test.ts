import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CircuitBreaker, fixedBackoff, RetryPolicy } from 'gateless'
import { RetryPlan } from '../../src/client/retry-plan.ts'
import type { ServiceRuntime } from '../../src/client/service-runtime.ts'
import { systemClock } from '../../src/time/clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function plan(method = 'GET', parts: Partial<Pick<ServiceRuntime, 'retry' | 'breaker'>> = {}, deadline = 1_000) {
  const retry = new RetryPolicy({ backoff: fixedBackoff({ delayMs: 100 }) })
  const runtime = { retry, breaker: undefined, clock: systemClock, ...parts } as unknown as ServiceRuntime
  return new RetryPlan(runtime, { method, path: '/', origin: 'http://orders' }, deadline)
}

const failed = (number = 1, notSent = false) => ({
  number,
  instanceId: `i${number}`,
  error: new Error('down'),
  notSent,
})

it('remembers who was tried and what failed, and answers with the delay', () => {
  const made = plan()
  expect(made.weigh(failed(1))).toBe(100)
  expect(made.weigh(failed(2))).toBe(100)
  expect([...made.tried]).toEqual(['i1', 'i2'])
  expect(made.lastError).toMatchObject({ message: 'down' })
})

it('says what stands against it', () => {
  const open = new CircuitBreaker()
  const trip = open.tryAcquire()
  for (let i = 0; i < 5; i += 1) open.tryAcquire()?.failure()
  trip?.ignore()
  expect(plan('POST').weigh(failed(1))).toBe('not-idempotent')
  expect(plan('POST').weigh(failed(1, true))).toBe(100)
  expect(plan('GET', { breaker: open }).weigh(failed(1))).toBe('circuit-open')
  expect(plan('GET', { retry: undefined }).weigh(failed(1))).toBe('exhausted')
  expect(plan().weigh(failed(3))).toBe('exhausted')
  expect(plan('GET', {}, 100).weigh(failed(1))).toBe('deadline')
})

it('waits to the millisecond, and not at all once cancelled', () => {
  const [next, never] = [vi.fn<() => void>(), vi.fn<() => void>()]
  plan().wait(100, next)
  const cancelled = plan()
  cancelled.wait(100, never)
  cancelled.cancel()
  vi.advanceTimersByTime(99)
  expect(next).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(next).toHaveBeenCalledOnce()
  expect(never).not.toHaveBeenCalled()
})

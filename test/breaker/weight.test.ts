import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CircuitBreaker, type CircuitBreakerOptions, failureRate, KeyedBreakers } from 'gateless/breaker'
import { describe, expect, it, vi } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Heap bytes of each of ten thousand. */
function weight(make: (index: number) => unknown): number {
  const kept: unknown[] = Array.from({ length: 10_000 }, () => undefined)
  for (let i = 0; i < 1_000; i += 1) make(i)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < kept.length; i += 1) kept[i] = make(i)
  collect()
  return (process.memoryUsage().heapUsed - before) / kept.length
}

describe('an idle breaker', () => {
  const options: CircuitBreakerOptions = {
    failureThreshold: 7,
    halfOpen: { probes: 2 },
    readmission: { durationMs: 5 },
  }
  const trip = failureRate()
  const keyed = new KeyedBreakers({ maxKeys: 20_000 })

  it.each([
    ['by default', () => new CircuitBreaker()],
    ['with a name and options of its own', (i: number) => new CircuitBreaker({ name: `orders-${i}`, ...options })],
    ['with a window', () => new CircuitBreaker({ trip })],
    ['of a set', (i: number) => keyed.get(`key-${i}`)],
  ])('%s weighs at most 600 bytes', (_, make) => {
    expect(weight(make)).toBeLessThan(600)
  })
})

describe('a window in use', () => {
  it('has no columns for slow calls unless its rule measures', () => {
    const trip = failureRate()
    const kept: CircuitBreaker[] = []
    collect()
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 1_000; i += 1) {
      const breaker = new CircuitBreaker({ trip })
      breaker.tryAcquire()?.success()
      kept.push(breaker)
    }
    collect()
    // Ten slices of two counters and a stamp: 240 bytes. With four counters it would be 400.
    expect((process.memoryUsage().arrayBuffers - before) / kept.length).toBeLessThan(300)
  })
})

describe('what nobody listens for', () => {
  const emitOf = (emitter: object) => vi.spyOn(emitter as { emit(): void }, 'emit')

  it('is not put together by a breaker that runs dry', () => {
    const breaker = new CircuitBreaker({ mode: 'dry-run', failureThreshold: 1 })
    breaker.tryAcquire()?.failure()
    const emit = emitOf(breaker)
    breaker.tryAcquire()
    expect(breaker.metrics.wouldReject).toBe(1)
    expect(emit).not.toHaveBeenCalled()
  })

  it('is not put together by a set, which does not ask its members for it either', () => {
    const counts = vi.fn(() => ({ successes: 0, failures: 0 }))
    const memory = {
      timed: false,
      record: () => true,
      reset: () => {},
      counts,
      save: () => undefined,
      restore: () => {},
    }
    const keyed = new KeyedBreakers({ maxKeys: 1, breaker: { trip: { name: 'mine', create: () => memory } } })
    const emit = emitOf(keyed)
    keyed.tryAcquire('a')?.failure()
    keyed.get('a').isolate()
    keyed.get('b')
    expect(keyed.metrics.evicted).toBe(1)
    expect(counts).not.toHaveBeenCalled()
    expect(emit).not.toHaveBeenCalled()
  })
})

describe('the clock', () => {
  it('is not read by calls that a closed breaker lets through and counts in a row', async () => {
    const clock = new FakeClock()
    const now = vi.spyOn(clock, 'now')
    const breaker = new CircuitBreaker({ clock })
    await breaker.execute(() => 'up')
    await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
    breaker.tryAcquire()?.success()
    breaker.setMode('dry-run')
    breaker.tryAcquire()?.success()
    expect(now).not.toHaveBeenCalled()
  })

  it('is read once for a rejection', async () => {
    const clock = new FakeClock()
    const breaker = new CircuitBreaker({ clock, failureThreshold: 1 })
    await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
    const now = vi.spyOn(clock, 'now')
    await breaker.execute(() => 'up').catch(() => {})
    expect(now).toHaveBeenCalledTimes(1)
  })
})

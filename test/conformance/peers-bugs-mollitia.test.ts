import { queryObjects } from 'node:v8'
import * as mollitia from 'mollitia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cache } from '../../src/answers/cache.ts'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { timeout } from '../../src/limits/index.ts'
import { failing, repeat } from './support.ts'

/** What mollitia 0.1.1 does that nobody asked for, and what is done here instead: both are asserted. */

const down = new Error('down')

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** The timers armed since, with what would keep the process alive. */
function armed(): () => { hasRef(): boolean }[] {
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  return () => setTimer.mock.results.map(({ value }) => value as unknown as { hasRef(): boolean })
}

describe('mollitia 0.1.1 against ours', () => {
  it('keeps every circuit for ever, also after dispose; ours go when nobody holds them', () => {
    const make = (count: number): void => {
      for (let i = 0; i < count; i += 1) {
        new mollitia.Circuit({ options: { modules: [] } }).dispose()
        new CircuitBreaker({ name: 'same' }).isolate()
      }
    }
    const living = (): number[] =>
      [mollitia.Circuit, CircuitBreaker].map((made) => queryObjects(made, { format: 'count' }))
    const before = living()
    make(100)
    const [theirs = 0, ours = 0] = living().map((count, i) => count - (before[i] ?? 0))
    expect(theirs).toBe(100)
    expect(ours).toBe(0)
  })

  it('keeps the process alive with the timer of an open breaker; ours has none', async () => {
    const timers = armed()
    const module = new mollitia.SlidingCountBreaker({ minimumNumberOfCalls: 2, slidingWindowSize: 2 })
    const theirs = new mollitia.Circuit({ func: failing(down), options: { modules: [module] } })
    await repeat(2, () => theirs.execute())
    expect(module.state).toBe(mollitia.BreakerState.OPENED)
    expect(timers().map((timer) => timer.hasRef())).toEqual([true])
    expect(vi.getTimerCount()).toBe(1)
    theirs.dispose()

    const ours = new CircuitBreaker({ trip: failureRate({ minimumCalls: 2 }) })
    await repeat(2, () => ours.execute(failing(down)))
    expect(ours.state).toBe('open')
    expect(timers()).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps the process alive with the timer of a cache that nobody uses; ours has none', async () => {
    const timers = armed()
    const theirs = new mollitia.Cache({ ttl: 1_000 })
    expect(timers().map((timer) => timer.hasRef())).toEqual([true])
    theirs.dispose()

    const ours = cache({ ttlMs: 1_000 })
    await ours.execute(() => 1, { key: 'x' })
    expect(timers()).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('hands work no signal, so that what timed out goes on; ours aborts it', async () => {
    const theirs = new mollitia.Circuit({ options: { modules: [new mollitia.Timeout({ delay: 100 })] } })
    let handed: unknown[] = ['nothing yet']
    const theirEnd = expect(
      theirs
        .fn((...args: unknown[]) => {
          handed = args
          return new Promise(() => {})
        })
        .execute(),
    ).rejects.toBeInstanceOf(mollitia.TimeoutError)
    let signal: AbortSignal | undefined
    const ourEnd = expect(
      timeout({ timeoutMs: 100 }).execute((context) => {
        signal = context.signal
        return new Promise(() => {})
      }),
    ).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(100)
    await Promise.all([theirEnd, ourEnd])

    expect(handed).toEqual([])
    expect(signal?.aborted).toBe(true)
  })
})

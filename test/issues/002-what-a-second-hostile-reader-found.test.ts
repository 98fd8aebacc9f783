import { AsyncLocalStorage } from 'node:async_hooks'
import {
  Bulkhead,
  cache,
  CircuitBreaker,
  coalesce,
  FallbackPolicy,
  fixedBackoff,
  type Guard,
  pipeline,
  RetryPolicy,
  timeout,
} from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DeadlineQueue } from '../../src/time/deadline-queue.ts'
import { Deadlines } from '../../src/time/deadlines.ts'
import { systemClock } from '../../src/time/clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

const hang = (): Promise<never> => new Promise(() => {})

describe('a run that callers share', () => {
  it('outlives the caller who began it, also when it stands last in a pipeline', async () => {
    const calls = pipeline(coalesce({ key: () => 'k' }))
    let finish = (_value: string): void => {}
    const work = (): Promise<string> => new Promise((resolve) => (finish = resolve))
    const controller = new AbortController()
    const first = calls.execute(work, { signal: controller.signal }).catch((error: unknown) => error)
    const second = calls.execute(work)
    await vi.advanceTimersByTimeAsync(0)
    controller.abort('left')
    expect(await first).toBe('left')
    finish('for the other')
    expect(await second).toBe('for the other')
  })

  it('is not cut short by the limit of the caller who began it', async () => {
    const calls = pipeline(coalesce({ key: () => 'k' }))
    const work = (): Promise<string> => new Promise((resolve) => setTimeout(resolve, 50, 'done'))
    const first = calls.execute(work, { timeoutMs: 10 }).catch((error: Error) => error.message)
    const second = calls.execute(work)
    await vi.advanceTimersByTimeAsync(50)
    expect(await first).toBe('call timed out after 10 ms')
    expect(await second).toBe('done')
  })
})

describe('a deadline that was added with a time read a little earlier', () => {
  it('restarts nobody else’s', async () => {
    const queue = new DeadlineQueue(100, systemClock)
    const expired: string[] = []
    const target = (name: string) => ({ expire: () => expired.push(name) })
    queue.add(target('first'))
    for (let i = 0; i < 4; i += 1) {
      const before = systemClock.now()
      await vi.advanceTimersByTimeAsync(20)
      queue.add(target(`young ${i}`))
      queue.add(target(`old ${i}`), before)
    }
    await vi.advanceTimersByTimeAsync(20)
    expect(expired).toEqual(['first'])
    await vi.advanceTimersByTimeAsync(200)
    expect(expired).toHaveLength(9)
  })
})

describe('limits given per call', () => {
  it('do not keep out those that recur', async () => {
    const deadlines = new Deadlines(systemClock)
    const target = { expire: vi.fn() }
    for (let i = 1; i <= 100; i += 1) deadlines.add(1_000 + i, target).cancel()
    const pending = [deadlines.add(5_000, target), deadlines.add(5_000, target), deadlines.add(5_000, target)]
    expect(vi.getTimerCount()).toBe(1)
    for (const each of pending) each.cancel()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('time spent in a queue of our own', () => {
  it.each([
    ['with', [new RetryPolicy({ backoff: fixedBackoff({ delayMs: 1 }) })]],
    ['without', []],
  ])('is no failure of what stands behind it (%s a retry between)', async (_, between) => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const full = new Bulkhead({ maxConcurrent: 1, maxQueue: 10 })
    full.tryAcquire()
    const work = vi.fn()
    const ended = pipeline(breaker, ...between, timeout({ timeoutMs: 10 }), full)
      .execute(work)
      .catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(100)
    expect(await ended).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', local: true })
    expect(work).not.toHaveBeenCalled()
    expect(breaker.state).toBe('closed')
    expect(breaker.metrics.failures).toBe(0)
  })
})

describe('a guard of the user’s', () => {
  const odd = (parts: Partial<Guard>): Guard => ({
    info: { kind: 'test', name: 'odd' },
    execute: async () => 1 as never,
    admit: () => ({ success() {}, failure() {}, ignore() {} }),
    judge: () => {},
    ...parts,
  })

  it('that does not look at the end of the call holds it no longer than that', async () => {
    const late = { success: vi.fn(), failure: vi.fn(), ignore: vi.fn() }
    const deaf = odd({ admit: () => new Promise((resolve) => setTimeout(resolve, 50, late)) })
    const ended = pipeline(timeout({ timeoutMs: 10 }), deaf)
      .execute(hang)
      .catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(10)
    expect(await ended).toBe('attempt timed out after 10 ms')
    await vi.advanceTimersByTimeAsync(50)
    expect(late.ignore).toHaveBeenCalledOnce()
  })

  it('that cannot judge costs nobody his place, and no result', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const broken = odd({
      judge: () => {
        throw new Error('mine')
      },
    })
    expect(await pipeline(bulkhead, broken).execute(() => 'fine')).toBe('fine')
    expect(bulkhead.metrics.inFlight).toBe(0)
    expect(warned).toHaveBeenCalledOnce()
    warned.mockRestore()
  })
})

describe('a refresh in the background that hangs', () => {
  const stale = async () => {
    const store = cache({ ttlMs: 10, staleWhileRevalidateMs: 10_000, maxEntries: 1, key: () => 'k' })
    const signals: AbortSignal[] = []
    const refreshing = (): void => {
      store
        .execute(({ signal }) => {
          signals.push(signal)
          return hang()
        })
        .catch(() => {})
    }
    store.set('k', 'old')
    await vi.advanceTimersByTimeAsync(20)
    refreshing()
    await vi.advanceTimersByTimeAsync(0)
    return { store, signals }
  }

  it.each(['set', 'invalidate', 'clear'] as const)('is ended by %s, and nobody is told of a failure', async (how) => {
    const { store, signals } = await stale()
    const failed = vi.fn()
    store.on('refresh-failed', failed)
    if (how === 'set') store.set('k', 'new')
    else if (how === 'invalidate') store.invalidate('k')
    else store.clear()
    await vi.advanceTimersByTimeAsync(0)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    expect(failed).not.toHaveBeenCalled()
  })
})

describe('a fallback that answers aborts', () => {
  it('answers one without a reason, too', async () => {
    const policy = new FallbackPolicy({ alternatives: [{ value: 'v' }], answerAborts: true })
    expect(await policy.execute(hang, { signal: AbortSignal.abort() })).toBe('v')
    const named = new FallbackPolicy({ alternatives: [{ value: 'v', when: 'E_OTHER' }], answerAborts: true })
    await expect(named.execute(hang, { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
  })
})

describe('the end of a time limit', () => {
  it('is met in the async context of its own call, not of whoever armed the timer', async () => {
    const user = new AsyncLocalStorage<string>()
    const limit = timeout({ timeoutMs: 10 })
    const seen: string[] = []
    limit.on('timeout', () => seen.push(`event of ${user.getStore()}`))
    const call = (name: string) =>
      user.run(name, () =>
        limit
          .execute(({ signal }) => {
            signal.addEventListener('abort', () => seen.push(`signal of ${user.getStore()}`))
            return hang()
          })
          .catch(() => {}),
      )
    const ended = [call('alice'), call('bob')]
    await vi.advanceTimersByTimeAsync(10)
    await Promise.all(ended)
    expect(seen).toEqual(['signal of alice', 'event of alice', 'signal of bob', 'event of bob'])
  })
})

import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { coalesce, pipeline } from 'gateless'
import { cache, type CacheOptions } from 'gateless/answers'
import { CacheFills } from '../../src/answers/cache-fills.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { StallingClock } from '../time/stalling-clock.ts'

const down = new Error('down')
const fail = (): Promise<never> => Promise.reject(down)
const hang = (): Promise<never> => new Promise(() => {})
const K = { key: 'k' }

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

/** Answers 1, 2, 3, … */
function counter(): () => Promise<number> {
  let count = 0
  return async () => {
    count += 1
    return count
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a cache', () => {
  it('serves an answer again until it is as old as ttlMs', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const events: unknown[] = []
    policy.on('hit', (event) => events.push(['hit', event]))
    policy.on('miss', (event) => events.push(['miss', event]))
    const work = counter()
    await expect(policy.execute(work, K)).resolves.toBe(1)
    await vi.advanceTimersByTimeAsync(999)
    await expect(policy.execute(work, K)).resolves.toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    await expect(policy.execute(work, K)).resolves.toBe(2)
    expect(events).toEqual([
      ['miss', { key: 'k' }],
      ['hit', { key: 'k', ageMs: 999 }],
      ['miss', { key: 'k' }],
    ])
    expect(policy.metrics).toEqual({ hits: 1, misses: 2, stale: 0, entries: 1 })
  })

  it('serves the same object to everybody', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const value = { id: 'd1' }
    await policy.execute(() => value, K)
    await expect(policy.execute(fail, K)).resolves.toBe(value)
  })

  it('keeps keys apart, and runs what has none every time', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const work = counter()
    await expect(policy.execute(work, { key: 'a' })).resolves.toBe(1)
    await expect(policy.execute(work, { key: '' })).resolves.toBe(2)
    await expect(policy.execute(work)).resolves.toBe(3)
    await expect(policy.execute(work)).resolves.toBe(4)
    await expect(policy.execute(work, { key: '' })).resolves.toBe(2)
    expect(policy.metrics).toEqual({ hits: 1, misses: 2, stale: 0, entries: 2 })
  })

  it('never remembers a failure', async () => {
    const policy = cache({ ttlMs: 1_000 })
    await expect(outcome(policy.execute(fail, K))).resolves.toEqual({ error: down })
    await expect(policy.execute(() => 5, K)).resolves.toBe(5)
    expect(policy.metrics).toEqual({ hits: 0, misses: 2, stale: 0, entries: 1 })
  })

  it('remembers no undefined and no null unless told to, and everything else', async () => {
    const policy = cache({ ttlMs: 1_000 })
    for (const nothing of [undefined, null]) {
      await policy.execute(() => nothing, K)
      expect(policy.get('k')).toBeUndefined()
    }
    for (const something of [0, '', false, Number.NaN, []]) {
      policy.clear()
      await policy.execute(() => something, K)
      expect(policy.get('k')).toMatchObject({ value: something })
    }
    const all = cache({ ttlMs: 1_000, cacheable: () => true })
    await all.execute(() => undefined, K)
    expect(all.get('k')).toEqual({ value: undefined, ageMs: 0, state: 'fresh' })
    await expect(all.execute(fail, K)).resolves.toBeUndefined()
  })

  it('remembers nothing that cacheable says no to, or fails at, which is reported', async () => {
    const faults: unknown[] = []
    for (const cacheable of [
      (value: unknown) => value !== 1,
      () => {
        throw new Error('hook')
      },
      (async () => true) as unknown as () => boolean,
    ]) {
      const policy = cache({ ttlMs: 1_000, cacheable })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      await expect(policy.execute(() => 1, K)).resolves.toBe(1)
      expect(policy.metrics.entries).toBe(0)
    }
    expect(faults).toEqual([
      ['cacheable', 'hook'],
      ['cacheable', 'cacheable must answer true or false, got object'],
    ])
  })

  it('forgets what was not asked for longest, beyond maxEntries', async () => {
    const policy = cache({ ttlMs: 1_000, maxEntries: 2 })
    for (const name of ['a', 'b']) await policy.execute(() => name, { key: name })
    await policy.execute(fail, { key: 'a' })
    await policy.execute(() => 'c', { key: 'c' })
    expect(policy.get('b')).toBeUndefined()
    expect(policy.get('a')?.value).toBe('a')
    expect(policy.metrics.entries).toBe(2)
  })

  it('holds 1,000 answers unless told otherwise', () => {
    const policy = cache({ ttlMs: 1_000 })
    for (let i = 0; i < 1_001; i += 1) policy.set(`${i}`, i)
    expect(policy.metrics.entries).toBe(1_000)
    expect(policy.get('0')).toBeUndefined()
    expect(policy.get('1')).toBeDefined()
  })

  it('asks the key option what is the same; a fault of it is reported, and not cached', async () => {
    const policy = cache({ ttlMs: 1_000, key: ({ priority }) => `p${priority}` })
    await policy.execute(() => 'one', { priority: 1 })
    await expect(policy.execute(fail, { priority: 1, key: 'other' })).resolves.toBe('one')
    const faulty = cache({ ttlMs: 1_000, key: () => 5 as never })
    const faults: unknown[] = []
    faulty.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
    await expect(faulty.execute(() => 1)).resolves.toBe(1)
    expect(faults).toEqual([['key', 'key must answer a string or undefined, got 5']])
    expect(faulty.metrics).toEqual({ hits: 0, misses: 0, stale: 0, entries: 0 })
  })

  it('can be read and filled by hand', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 500 })
    expect(policy.get('k')).toBeUndefined()
    policy.set('k', 'by hand')
    await vi.advanceTimersByTimeAsync(10)
    expect(policy.get('k')).toEqual({ value: 'by hand', ageMs: 10, state: 'fresh' })
    await expect(policy.execute(fail, K)).resolves.toBe('by hand')
    await vi.advanceTimersByTimeAsync(990)
    expect(policy.get('k')).toEqual({ value: 'by hand', ageMs: 1_000, state: 'stale' })
    await vi.advanceTimersByTimeAsync(499)
    expect(policy.get('k')).toMatchObject({ state: 'stale' })
    expect(policy.metrics.entries).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(policy.get('k')).toBeUndefined()
    expect(policy.metrics.entries).toBe(0)
  })

  it('forgets on demand, one or all', async () => {
    const policy = cache({ ttlMs: 1_000 })
    for (const name of ['a', 'b', 'c']) policy.set(name, name)
    expect(policy.invalidate('a')).toBe(true)
    expect(policy.invalidate('a')).toBe(false)
    expect(policy.get('a')).toBeUndefined()
    expect(policy.metrics.entries).toBe(2)
    policy.clear()
    expect(policy.metrics.entries).toBe(0)
  })

  it('does not store what was asked for before an invalidation', async () => {
    for (const forget of ['invalidate', 'clear', 'set'] as const) {
      const policy = cache({ ttlMs: 1_000 })
      const end = Promise.withResolvers<string>()
      const answer = policy.execute(() => end.promise, K)
      if (forget === 'set') policy.set('k', 'news')
      else policy[forget]('k')
      const later = policy.execute(() => 'later', K)
      await later
      end.resolve('old')
      await expect(answer).resolves.toBe('old')
      expect(policy.get('k')?.value).toBe(forget === 'set' ? 'news' : 'later')
    }
  })

  it('does not store what was asked for before it was filled by hand, although that has gone since', async () => {
    const policy = cache({ ttlMs: 1_000, maxEntries: 1 })
    const end = Promise.withResolvers<string>()
    const answer = policy.execute(() => end.promise, K)
    policy.set('k', 'news')
    policy.set('other', 1)
    end.resolve('old')
    await answer
    expect(policy.get('k')).toBeUndefined()
  })

  it('leaves no timer and no listener of a call behind', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const { signal } = new AbortController()
    for (const run of [1, 2]) {
      await policy.execute(({ signal: own }) => own.aborted || run, { ...K, signal, timeoutMs: 500 })
      expect(vi.getTimerCount()).toBe(0)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    }
  })

  it('invalidates one key only', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const end = Promise.withResolvers<string>()
    const answer = policy.execute(() => end.promise, K)
    policy.invalidate('other')
    end.resolve('kept')
    await answer
    expect(policy.get('k')?.value).toBe('kept')
  })

  it('is not overtaken: what was asked for earlier does not replace what was asked for later', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const ends = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const
    const first = policy.execute(() => ends[0].promise, K)
    const second = policy.execute(() => ends[1].promise, K)
    ends[1].resolve('newer')
    await second
    ends[0].resolve('older')
    await expect(first).resolves.toBe('older')
    expect(policy.get('k')?.value).toBe('newer')
  })

  it('serves nothing to a caller who has left, and settles at once for one who leaves', async () => {
    const policy = cache({ ttlMs: 1_000 })
    const controller = new AbortController()
    const leaving = outcome(policy.execute(hang, { ...K, signal: controller.signal }))
    controller.abort('bye')
    await expect(leaving).resolves.toEqual({ error: 'bye' })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    policy.set('k', 1)
    const left = outcome(policy.execute(hang, { ...K, signal: controller.signal }))
    await expect(left).resolves.toEqual({ error: 'bye' })
    expect(policy.metrics.hits).toBe(0)
  })

  it('takes an answer of unknown age for none: the clock went backwards', async () => {
    const clock = new StallingClock(5_000)
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 1e6, clock })
    policy.set('k', 1)
    clock.jumpTo(4_999)
    expect(policy.get('k')).toBeUndefined()
    await expect(policy.execute(() => 2, K)).resolves.toBe(2)
  })

  it('asks once for many who miss at once, with a coalesce inside', async () => {
    const composed = pipeline(cache({ ttlMs: 1_000 }), coalesce())
    const work = counter()
    const answers = await Promise.all([1, 2, 3].map(() => composed.execute(work, K)))
    expect(answers).toEqual([1, 1, 1])
  })

  it('wraps a function', async () => {
    const work = vi.fn(async (id: string) => id)
    const wrapped = cache({ ttlMs: 1_000, key: () => 'same' }).wrap(work)
    await wrapped('a')
    await expect(wrapped('b')).resolves.toBe('a')
  })
})

describe('a cache that may serve stale answers when the work fails', () => {
  it('does so until staleIfErrorMs after the ttl, and tells their age', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 5_000 })
    const events: unknown[] = []
    policy.on('stale', (event) => events.push(event))
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(policy.execute(fail, K)).resolves.toBe('old')
    await vi.advanceTimersByTimeAsync(4_999)
    await expect(policy.execute(fail, K)).resolves.toBe('old')
    expect(events).toEqual([
      { key: 'k', ageMs: 1_000, because: 'error', error: down },
      { key: 'k', ageMs: 5_999, because: 'error', error: down },
    ])
    expect(policy.metrics).toEqual({ hits: 0, misses: 2, stale: 2, entries: 1 })
    await vi.advanceTimersByTimeAsync(1)
    await expect(outcome(policy.execute(fail, K))).resolves.toEqual({ error: down })
    expect(policy.metrics).toEqual({ hits: 0, misses: 3, stale: 2, entries: 0 })
  })

  it('asks the work first, and prefers its answer', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 5_000 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(policy.execute(() => 'new', K)).resolves.toBe('new')
    expect(policy.get('k')).toMatchObject({ value: 'new', ageMs: 0 })
  })

  it('measures the age when the work has failed, not when it began', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 100 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_050)
    const slowly = (): Promise<never> =>
      new Promise((_resolve, reject) => {
        setTimeout(() => reject(down), 50)
      })
    const answer = outcome(policy.execute(slowly, K))
    await vi.advanceTimersByTimeAsync(50)
    await expect(answer).resolves.toEqual({ error: down })
  })

  it('serves whoever ran out of time, and not who left', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 5_000 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const late = policy.execute(hang, { ...K, timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(late).resolves.toBe('old')
    const controller = new AbortController()
    const left = outcome(policy.execute(hang, { ...K, signal: controller.signal }))
    controller.abort('bye')
    await expect(left).resolves.toEqual({ error: 'bye' })
    expect(policy.metrics.stale).toBe(1)
  })

  it('serves nothing that was invalidated meanwhile', async () => {
    const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 5_000 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const end = Promise.withResolvers<never>()
    const answer = outcome(policy.execute(() => end.promise, K))
    policy.invalidate('k')
    end.reject(down)
    await expect(answer).resolves.toEqual({ error: down })
  })

  it('keeps to its own time, although answers may be revalidated for longer', async () => {
    for (const [ageMs, end] of [
      [1_099, { value: 'set meanwhile' }],
      [1_100, { error: down }],
    ] as const) {
      const policy = cache({ ttlMs: 1_000, staleIfErrorMs: 100, staleWhileRevalidateMs: 5_000 })
      const work = Promise.withResolvers<string>()
      const answer = outcome(policy.execute(() => work.promise, K))
      policy.set('k', 'set meanwhile')
      await vi.advanceTimersByTimeAsync(ageMs)
      work.reject(down)
      await expect(answer).resolves.toEqual(end)
    }
  })

  it('serves stale answers only for errors unless told otherwise', async () => {
    const policy = cache({ ttlMs: 1_000, staleWhileRevalidateMs: 5_000 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(6_000)
    await expect(outcome(policy.execute(fail, K))).resolves.toEqual({ error: down })
  })
})

describe('a cache that revalidates in the background', () => {
  const policyOf = (options: Partial<CacheOptions> = {}): ReturnType<typeof cache> =>
    cache({ ttlMs: 1_000, staleWhileRevalidateMs: 500, ...options })

  it('serves the stale answer at once, and fetches a new one, once', async () => {
    const policy = policyOf()
    const events: unknown[] = []
    policy.on('stale', (event) => events.push(event))
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const end = Promise.withResolvers<string>()
    const work = vi.fn(() => end.promise)
    await expect(policy.execute(work, K)).resolves.toBe('old')
    await expect(policy.execute(work, K)).resolves.toBe('old')
    expect(work).toHaveBeenCalledTimes(1)
    end.resolve('new')
    await vi.advanceTimersByTimeAsync(0)
    await expect(policy.execute(work, K)).resolves.toBe('new')
    expect(events).toEqual([
      { key: 'k', ageMs: 1_000, because: 'revalidating' },
      { key: 'k', ageMs: 1_000, because: 'revalidating' },
    ])
    expect(policy.metrics).toEqual({ hits: 1, misses: 0, stale: 2, entries: 1 })
  })

  it('makes callers wait from staleWhileRevalidateMs after the ttl', async () => {
    const policy = policyOf({ staleIfErrorMs: 9_000 })
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_499)
    await expect(policy.execute(hang, K)).resolves.toBe('old')
    await vi.advanceTimersByTimeAsync(1)
    await expect(policy.execute(() => 'new', K)).resolves.toBe('new')
    expect(policy.metrics).toEqual({ hits: 0, misses: 1, stale: 1, entries: 1 })
  })

  it('keeps the stale answer when fetching fails, tells it, and tries again', async () => {
    const policy = policyOf()
    const events: unknown[] = []
    policy.on('refresh-failed', (event) => events.push(event))
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(policy.execute(fail, K)).resolves.toBe('old')
    await vi.advanceTimersByTimeAsync(0)
    expect(events).toEqual([{ key: 'k', error: down }])
    await expect(policy.execute(() => 'new', K)).resolves.toBe('old')
    await vi.advanceTimersByTimeAsync(0)
    expect(policy.get('k')?.value).toBe('new')
  })

  it('goes on when the caller who caused it leaves, or runs out of time', async () => {
    const policy = policyOf()
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const controller = new AbortController()
    const end = Promise.withResolvers<string>()
    let signal: AbortSignal | undefined
    let deadline: number | undefined = 0
    await policy.execute(
      (context) => {
        ;({ signal, deadline } = context)
        return end.promise
      },
      { ...K, signal: controller.signal, timeoutMs: 10 },
    )
    controller.abort()
    await vi.advanceTimersByTimeAsync(100)
    expect(signal?.aborted).toBe(false)
    expect(deadline).toBeUndefined()
    end.resolve('new')
    await vi.advanceTimersByTimeAsync(0)
    expect(policy.get('k')?.value).toBe('new')
  })

  it('does not store what was asked for before an invalidation, and begins anew after it', async () => {
    for (const forget of ['invalidate', 'clear', 'set'] as const) {
      const policy = policyOf()
      policy.set('k', 'old')
      await vi.advanceTimersByTimeAsync(1_000)
      const end = Promise.withResolvers<string>()
      await policy.execute(() => end.promise, K)
      if (forget === 'set') policy.set('k', 'news')
      else policy[forget]('k')
      end.resolve('outdated')
      await vi.advanceTimersByTimeAsync(0)
      expect(policy.get('k')?.value).toBe(forget === 'set' ? 'news' : undefined)
      policy.set('k', 'again')
      await vi.advanceTimersByTimeAsync(1_000)
      await policy.execute(() => 'fetched', K)
      await vi.advanceTimersByTimeAsync(0)
      expect(policy.get('k')?.value).toBe('fetched')
    }
  })

  it('is not blocked for ever by one that hangs', async () => {
    const policy = policyOf()
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const end = Promise.withResolvers<string>()
    await policy.execute(() => end.promise, K)
    await vi.advanceTimersByTimeAsync(500)
    await expect(policy.execute(() => 'second', K)).resolves.toBe('second')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(policy.execute(() => 'third', K)).resolves.toBe('second')
    await vi.advanceTimersByTimeAsync(0)
    expect(policy.get('k')?.value).toBe('third')
    end.resolve('first, and late')
    await vi.advanceTimersByTimeAsync(0)
    expect(policy.get('k')?.value).toBe('third')
  })

  it('begins anew after an invalidation although the one before it hangs', async () => {
    for (const forget of ['invalidate', 'clear', 'set'] as const) {
      const policy = policyOf()
      policy.set('k', 'old')
      await vi.advanceTimersByTimeAsync(1_000)
      await policy.execute(hang, K)
      if (forget !== 'set') policy[forget]('k')
      policy.set('k', 'again')
      await vi.advanceTimersByTimeAsync(1_000)
      await policy.execute(() => 'fetched', K)
      await vi.advanceTimersByTimeAsync(0)
      expect(policy.get('k')?.value).toBe('fetched')
    }
    for (const forget of ['invalidate', 'clear'] as const) {
      const policy = policyOf({ maxEntries: 1 })
      policy.set('k', 'old')
      await vi.advanceTimersByTimeAsync(1_000)
      await policy.execute(hang, K)
      policy[forget]('k')
      policy.set('other', 'old')
      await vi.advanceTimersByTimeAsync(1_000)
      await policy.execute(() => 'fetched', { key: 'other' })
      await vi.advanceTimersByTimeAsync(0)
      expect(policy.get('other')?.value).toBe('fetched')
    }
  })

  it('is one at a time, also when an earlier one that was given up on ends meanwhile', async () => {
    const policy = policyOf()
    policy.set('k', 'old')
    await vi.advanceTimersByTimeAsync(1_000)
    const end = Promise.withResolvers<string>()
    await policy.execute(() => end.promise, K)
    await vi.advanceTimersByTimeAsync(500)
    await policy.execute(() => 'second', K)
    await vi.advanceTimersByTimeAsync(1_000)
    const work = vi.fn(hang)
    await policy.execute(work, K)
    end.resolve('first, and late')
    await vi.advanceTimersByTimeAsync(0)
    await policy.execute(work, K)
    expect(work).toHaveBeenCalledTimes(1)
  })

  it('has no more in the background than it may have entries', async () => {
    const policy = policyOf({ maxEntries: 2 })
    const work = vi.fn(hang)
    for (const name of ['a', 'b', 'c', 'd']) {
      policy.set(name, name)
      await vi.advanceTimersByTimeAsync(1_000)
      await expect(policy.execute(work, { key: name })).resolves.toBe(name)
    }
    expect(work).toHaveBeenCalledTimes(2)
  })
})

describe('what a cache is made of', () => {
  it('counts runs in flight by key, and forgets them', () => {
    const fills = new CacheFills()
    const first = fills.begin('a')
    const second = fills.begin('a')
    expect(second.order).toBeGreaterThan(first.order)
    expect(fills.size).toBe(1)
    fills.end(first)
    expect(fills.size).toBe(1)
    fills.end(first)
    fills.end(second)
    expect(fills.size).toBe(0)
    const old = fills.begin('a')
    const older = fills.begin('a')
    const other = fills.begin('b')
    fills.invalidate('a')
    expect([old.outdated, older.outdated, other.outdated]).toEqual([true, true, false])
    const young = fills.begin('a')
    fills.end(old)
    expect(fills.size).toBe(2)
    fills.clear()
    expect([young.outdated, other.outdated, fills.size]).toEqual([true, true, 0])
  })

  it('leaves no trace of runs that ended, well or not', async () => {
    const begin = vi.spyOn(CacheFills.prototype, 'begin')
    const policy = cache({ ttlMs: 1_000, staleWhileRevalidateMs: 1_000 })
    await policy.execute(() => 1, K)
    await outcome(policy.execute(fail, { key: 'other' }))
    await vi.advanceTimersByTimeAsync(1_000)
    await policy.execute(() => 2, K)
    await vi.advanceTimersByTimeAsync(0)
    expect(begin).toHaveBeenCalledTimes(3)
    for (const { size } of begin.mock.instances as unknown as CacheFills[]) expect(size).toBe(0)
    begin.mockRestore()
  })
})

describe('the options of a cache', () => {
  it('describe it', () => {
    expect(cache({ ttlMs: 5 }).info).toEqual({
      kind: 'cache',
      name: 'cache',
      summary: 'serves answers again for 5 ms',
      hidesFailures: false,
    })
    const policy = cache({ ttlMs: 5, staleIfErrorMs: 7, name: 'devices' })
    expect(policy.info.name).toBe('devices')
    expect(policy.info.summary).toBe('serves answers again for 5 ms, and for 7 ms more when the work fails')
    expect(policy.info.hidesFailures).toBe(true)
  })

  it.each<[unknown, string]>([
    [{}, 'cache: ttlMs must be given, in milliseconds, got undefined'],
    [{ ttlMs: 0 }, 'cache: ttlMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'],
    [{ ttlMs: 1, maxEntries: 0 }, 'cache: maxEntries must be an integer from 1 up to 1000000, got 0'],
    [{ ttlMs: 1, maxEntries: 1_000_001 }, 'cache: maxEntries must be an integer from 1 up to 1000000'],
    [{ ttlMs: 1, staleIfErrorMs: -1 }, 'cache: staleIfErrorMs must be a finite number from 0'],
    [{ ttlMs: 1, staleWhileRevalidateMs: -1 }, 'cache: staleWhileRevalidateMs must be a finite number from 0'],
    [{ ttlMs: 1, key: 'k' }, 'cache: key must be a function, got "k"'],
    [{ ttlMs: 1, cacheable: true }, 'cache: cacheable must be a function, got true'],
    [{ ttlMs: 1, name: '' }, 'cache: name must be a string that is not empty, got ""'],
    [{ ttlMs: 1, clock: 1 }, 'clock must be an object, got 1'],
    [{ ttlMs: 1, max: 5 }, 'cache: unknown option "max"'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => cache(options as CacheOptions)).toThrow(message)
  })
})

describe('a cache, whatever happens', () => {
  it('serves nothing that is too old, nothing of another key, and nothing that was invalidated', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          act: fc.constant('call' as const),
          key: fc.constantFrom('a', 'b', 'c'),
          ms: fc.integer({ min: 0, max: 80 }),
          fails: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ act: fc.constant('invalidate' as const), key: fc.constantFrom('a', 'b') }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constant('clear' as const) }) },
      { weight: 4, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 150 }) }) },
    )
    const options = fc.record({
      ttlMs: fc.integer({ min: 1, max: 100 }),
      staleIfErrorMs: fc.integer({ min: 0, max: 100 }),
      staleWhileRevalidateMs: fc.integer({ min: 0, max: 100 }),
      maxEntries: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(options, fc.array(step, { maxLength: 40 }), async (rules, steps) => {
        const clock = new FakeClock()
        const policy = cache({ ...rules, clock })
        const forgottenAt = new Map<string, number>()
        const calls: Promise<void>[] = []
        for (const one of steps) {
          if (one.act === 'wait') await clock.advance(one.ms)
          else if (one.act === 'clear') {
            for (const name of ['a', 'b', 'c']) forgottenAt.set(name, clock.now())
            policy.clear()
          } else if (one.act === 'invalidate') {
            forgottenAt.set(one.key, clock.now())
            policy.invalidate(one.key)
          } else {
            const { key, ms, fails } = one
            const askedAt = clock.now()
            const forgotten = forgottenAt.get(key)
            const work = (): Promise<{ key: string; begunAt: number; answeredAt: number }> => {
              const begunAt = clock.now()
              return new Promise((resolve, reject) => {
                clock.setTimeout(() => {
                  if (fails) reject(down)
                  else resolve({ key, begunAt, answeredAt: clock.now() })
                }, ms)
              })
            }
            const served = policy.execute(work, { key }).then(
              (answer) => {
                expect(answer.key).toBe(key)
                // As of now: a call that had to wait is served what is good when it is served.
                const ageMs = clock.now() - answer.answeredAt
                const stale = Math.max(rules.staleIfErrorMs, rules.staleWhileRevalidateMs)
                expect(ageMs === 0 || ageMs < rules.ttlMs + stale).toBe(true)
                if (forgotten !== undefined) expect(answer.begunAt).toBeGreaterThanOrEqual(forgotten)
              },
              (error: unknown) => {
                if (error !== down) throw error as Error
                expect(clock.now()).toBeGreaterThanOrEqual(askedAt)
              },
            )
            calls.push(served)
          }
          expect(policy.metrics.entries).toBeLessThanOrEqual(rules.maxEntries)
        }
        await clock.advance(1_000)
        await Promise.all(calls)
        expect(clock.pending).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})

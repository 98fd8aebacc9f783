import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { pipeline } from '../../src/core/pipeline.ts'
import { isRefusal } from '../../src/core/policy.ts'
import { RateLimitedError, RateLimiter, type RateLimiterOptions } from '../../src/limits/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { flush, outcome, permitOf, scopeWith, settled } from './support.ts'

const make = (options: Partial<RateLimiterOptions> = {}): RateLimiter => new RateLimiter({ limit: 2, ...options })

/** Starts a call, and notes when it was let through. */
function timed(limiter: RateLimiter, at: number[], options?: { signal?: AbortSignal }): Promise<unknown> {
  const began = performance.now()
  return limiter.execute(() => {
    at.push(performance.now() - began)
  }, options)
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a rate limiter', () => {
  it('lets the limit through, and says when to come back', async () => {
    const limiter = make({ name: 'quota' })
    await limiter.execute(() => 1)
    await limiter.execute(() => 1)
    const { error } = (await outcome(limiter.execute(() => 1))) as { error: RateLimitedError }
    expect(error).toBeInstanceOf(RateLimitedError)
    expect(error).toMatchObject({
      name: 'RateLimitedError',
      code: 'ERR_GATELESS_RATE_LIMITED',
      message: 'quota has let as many calls through as it may',
      limiter: 'quota',
      retryAfterMs: 500,
      local: true,
    })
    expect(limiter.metrics).toEqual({ available: 0, queued: 0, rejected: 1 })
    await vi.advanceTimersByTimeAsync(499)
    expect(limiter.tryAcquire()).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(limiter.tryAcquire()).toBeDefined()
    expect(limiter.metrics.rejected).toBe(2)
  })

  it('lets failures through the same: it counts calls, not successes', async () => {
    const limiter = make()
    const error = new Error('down')
    await expect(limiter.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(limiter.metrics.available).toBe(1)
  })

  it('never lets more through than the limit in any interval, as a sliding window', async () => {
    const limiter = make({ algorithm: 'sliding-window' })
    expect(limiter.tryAcquire()).toBeDefined()
    await vi.advanceTimersByTimeAsync(900)
    expect(limiter.tryAcquire()).toBeDefined()
    expect(limiter.retryAfterMs).toBe(100)
    await vi.advanceTimersByTimeAsync(100)
    expect(limiter.tryAcquire()).toBeDefined()
    expect(limiter.tryAcquire()).toBeUndefined()
    expect(limiter.retryAfterMs).toBe(900)
    expect(limiter.metrics.available).toBe(0)
  })

  it('saves up a burst, and no more', async () => {
    const limiter = make({ burst: 5 })
    const burst = (): number => {
      let taken = 0
      while (limiter.tryAcquire() !== undefined) taken += 1
      return taken
    }
    expect(burst()).toBe(5)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(burst()).toBe(5)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(burst()).toBe(2)
  })

  it('gives permits that need not be given back, and cannot be used up', () => {
    const limiter = make()
    const permit = permitOf(limiter.admit(scopeWith()))
    permit.success()
    permit.failure()
    permit.ignore()
    expect(limiter.metrics.available).toBe(1)
  })

  it('says what it is', () => {
    expect(make().info).toEqual({
      kind: 'rate-limiter',
      name: 'rate limiter',
      summary: 'at most 2 calls per 1000 ms',
    })
    expect(make({ burst: 4, intervalMs: 50, maxQueue: 3 }).info.summary).toBe(
      'at most 2 calls per 50 ms, 4 in a burst; 3 wait',
    )
    expect(make({ algorithm: 'sliding-window', name: 'q' }).info).toMatchObject({
      name: 'q',
      summary: 'at most 2 calls per 1000 ms, wherever they begin',
    })
  })

  it.each([
    [undefined, 'RateLimiter: limit must be given, an integer from 1, got undefined'],
    [{ limit: 0 }, 'RateLimiter: limit must be an integer from 1 up to 9007199254740991, got 0'],
    [{ limit: 1.5 }, 'RateLimiter: limit must be an integer from 1'],
    [
      { limit: 1_000_001, algorithm: 'sliding-window' },
      'RateLimiter: limit must be an integer from 1 up to 1000000, got 1000001',
    ],
    [{ limit: 1, intervalMs: 0 }, 'RateLimiter: intervalMs must be a finite number from 1 up to'],
    [{ limit: 1, algorithm: 'x' }, `RateLimiter: algorithm must be one of 'token-bucket', 'sliding-window', got "x"`],
    [{ limit: 1, burst: 0 }, 'RateLimiter: burst must be an integer from 1, got 0'],
    [
      { limit: 1, burst: 2, algorithm: 'sliding-window' },
      'RateLimiter: burst must be left out with a sliding window, got 2',
    ],
    [{ limit: 1, maxQueue: -1 }, 'RateLimiter: maxQueue must be an integer from 0, got -1'],
    [{ limit: 1, maxQueue: 0.5 }, 'RateLimiter: maxQueue must be an integer from 0, got 0.5'],
    [{ limit: 1, maxWaitMs: -1 }, 'RateLimiter: maxWaitMs must be a finite number from 0 up to'],
    [{ limit: 1, dryRun: 'yes' }, 'RateLimiter: dryRun must be true or false, got "yes"'],
    [{ limit: 1, name: '' }, 'RateLimiter: name must be a string that is not empty, got ""'],
    [
      { limit: 1, rate: 1 },
      'RateLimiter: unknown option "rate"; known are algorithm, limit, burst, intervalMs, maxQueue, maxWaitMs, dryRun, name, clock',
    ],
  ])('refuses the options %j: %s', (options, message) => {
    expect(() => new RateLimiter(options as RateLimiterOptions)).toThrow(message)
  })

  it('takes the longest window there may be', () => {
    expect(make({ limit: 1_000_000, algorithm: 'sliding-window' }).metrics.available).toBe(1_000_000)
  })

  it('goes on at once when the clock goes backwards', () => {
    let now = 1_000_000
    for (const algorithm of ['token-bucket', 'sliding-window'] as const) {
      now = 1_000_000
      const limiter = make({ limit: 1, algorithm, clock: { now: () => now } })
      expect(limiter.tryAcquire()).toBeDefined()
      now = 10
      expect(limiter.tryAcquire()).toBeUndefined()
      expect(limiter.retryAfterMs).toBe(1_000)
      now = 1_010
      expect(limiter.tryAcquire()).toBeDefined()
    }
  })
})

describe.each(['token-bucket', 'sliding-window'] as const)('waiting for a turn (%s)', (algorithm) => {
  const queued = (options: Partial<RateLimiterOptions> = {}): RateLimiter =>
    make({ limit: 1, intervalMs: 100, algorithm, maxQueue: 10, ...options })

  it('is exact, and in the order they came', async () => {
    const limiter = queued()
    const at: number[] = []
    const calls = Array.from({ length: 5 }, () => timed(limiter, at))
    expect(limiter.metrics.queued).toBe(4)
    await vi.advanceTimersByTimeAsync(199)
    expect(at).toEqual([0, 100])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(at).toEqual([0, 100, 200, 300, 400])
    await Promise.all(calls)
  })

  it('leaves nothing to be had while somebody waits whose timer is late', async () => {
    let late = 0
    const limiter = queued({ clock: { now: () => performance.now() + late } })
    const calls = [timed(limiter, []), timed(limiter, [])]
    await vi.advanceTimersByTimeAsync(80)
    late = 45
    expect(limiter.metrics.queued).toBe(1)
    expect(limiter.metrics.available).toBeCloseTo(algorithm === 'token-bucket' ? 0.25 : 0, 9)
    await vi.advanceTimersByTimeAsync(20)
    await Promise.all(calls)
  })

  it('takes one timer, however many wait', async () => {
    const limiter = queued()
    const calls = Array.from({ length: 8 }, () => timed(limiter, []))
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(250)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(450)
    expect(vi.getTimerCount()).toBe(0)
    await Promise.all(calls)
  })

  it('is refused when the queue is full, with the time when it would have its turn', async () => {
    const limiter = queued({ maxQueue: 2 })
    const calls = [timed(limiter, []), timed(limiter, []), timed(limiter, [])]
    await expect(timed(limiter, [])).rejects.toMatchObject({ retryAfterMs: 300 })
    await vi.advanceTimersByTimeAsync(30)
    await expect(timed(limiter, [])).rejects.toMatchObject({ retryAfterMs: 270 })
    await vi.advanceTimersByTimeAsync(170)
    await Promise.all(calls)
  })

  it('is refused at once when the turn is further off than anybody wants to wait', async () => {
    const limiter = queued({ maxWaitMs: 200 })
    const at: number[] = []
    const calls = [timed(limiter, at), timed(limiter, at), timed(limiter, at)]
    await expect(timed(limiter, at)).rejects.toMatchObject({ retryAfterMs: 300 })
    await vi.advanceTimersByTimeAsync(200)
    expect(at).toEqual([0, 100, 200])
    await Promise.all(calls)
  })

  it('is refused at once when the call would be over before its turn, or just then', async () => {
    const limiter = queued()
    permitOf(limiter.admit(scopeWith()))
    await expect(limiter.execute(() => 'ran', { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'ERR_GATELESS_RATE_LIMITED',
      retryAfterMs: 100,
    })
    const call = limiter.execute(() => 'ran', { timeoutMs: 101 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('ran')
  })

  it('ends at once with an abort, and the others move up', async () => {
    const limiter = queued()
    const controllers = [0, 1, 2, 3].map(() => new AbortController())
    const at: number[] = []
    const calls = controllers.map(({ signal }) => outcome(timed(limiter, at, { signal })))
    controllers[1]?.abort('first in the queue')
    controllers[2]?.abort('second')
    expect(limiter.metrics.queued).toBe(1)
    expect(await calls[1]).toEqual({ error: 'first in the queue' })
    expect(await calls[2]).toEqual({ error: 'second' })
    await vi.advanceTimersByTimeAsync(100)
    expect(at).toEqual([0, 100])
    await Promise.all(calls)
    for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('leaves no timer when the last of them aborts', async () => {
    const limiter = queued()
    const controller = new AbortController()
    permitOf(limiter.admit(scopeWith()))
    const calls = [0, 1].map(() => outcome(limiter.execute(() => 1, { signal: controller.signal })))
    expect(vi.getTimerCount()).toBe(1)
    controller.abort('all')
    expect(vi.getTimerCount()).toBe(0)
    expect(await Promise.all(calls)).toEqual([{ error: 'all' }, { error: 'all' }])
    expect(limiter.metrics.queued).toBe(0)
  })

  it('lets nobody overtake, not even when the timer is late', async () => {
    const clock = new FakeClock()
    const limiter = queued({ clock })
    permitOf(limiter.admit(scopeWith()))
    const waiting = limiter.execute(() => 'waited')
    // The time is there, the timer has not fired yet.
    const late = { now: vi.spyOn(clock, 'now').mockReturnValue(100) }
    expect(limiter.tryAcquire()).toBeUndefined()
    await expect(waiting).resolves.toBe('waited')
    late.now.mockRestore()
    expect(clock.pending).toBe(0)
  })

  it('arms its timer once for each turn, however many come and are refused meanwhile', async () => {
    const clock = new FakeClock()
    const armed = vi.fn(clock.setTimeout)
    const limiter = queued({
      clock: { now: clock.now, setTimeout: armed, clearTimeout: clock.clearTimeout },
    })
    permitOf(limiter.admit(scopeWith()))
    const calls = [0, 1, 2].map(() => limiter.execute(() => 1))
    for (let i = 0; i < 5; i += 1) limiter.tryAcquire()
    expect(armed).toHaveBeenCalledTimes(1)
    await clock.advance(300)
    await Promise.all(calls)
    expect(armed).toHaveBeenCalledTimes(3)
    expect(clock.pending).toBe(0)
  })

  it('waits on when its timer fires a little early', async () => {
    const limiter = queued({ clock: { now: () => performance.now() * 0.99 } })
    permitOf(limiter.admit(scopeWith()))
    const call = limiter.execute(() => 'ran')
    await vi.advanceTimersByTimeAsync(100)
    expect(await settled(call)).toBe('pending')
    await vi.advanceTimersByTimeAsync(2)
    await expect(call).resolves.toBe('ran')
  })

  it('goes on when the timers of the process are swapped under it', async () => {
    const limiter = queued()
    permitOf(limiter.admit(scopeWith()))
    const first = limiter.execute(() => 'first')
    vi.useRealTimers()
    vi.useFakeTimers()
    const second = limiter.execute(() => 'second')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(first).resolves.toBe('first')
    await expect(second).resolves.toBe('second')
  })

  it('keeps the caller’s async context', async () => {
    const limiter = queued()
    const storage = new AsyncLocalStorage<string>()
    permitOf(limiter.admit(scopeWith()))
    const call = storage.run('mine', () => limiter.execute(() => storage.getStore()))
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('mine')
  })
})

describe('an aborted call', () => {
  it('uses nothing up', async () => {
    const limiter = make({ limit: 1, maxQueue: 1 })
    const aborted = AbortSignal.abort('no')
    await expect(limiter.execute(() => 1, { signal: aborted })).rejects.toBe('no')
    expect(limiter.metrics.available).toBe(1)
    limiter.tryAcquire()
    await expect(limiter.admit(scopeWith({ signal: aborted }))).rejects.toBe('no')
    expect(limiter.metrics).toEqual({ available: 0, queued: 0, rejected: 0 })
  })

  it('is noticed through the signal of a context made elsewhere', async () => {
    const limiter = make({ limit: 1, maxQueue: 1 })
    limiter.tryAcquire()
    const { signal, abort } = ((controller) => ({
      signal: controller.signal,
      abort: () => controller.abort('bye'),
    }))(new AbortController())
    const foreign = { signal, deadline: undefined, attempt: 1, key: undefined, priority: 0, idempotent: undefined }
    const gone = outcome(limiter.admit(foreign) as Promise<unknown>)
    abort()
    expect(await gone).toEqual({ error: 'bye' })
    expect(getEventListeners(signal, 'abort')).toEqual([])
    const other = new AbortController().signal
    const again = limiter.admit({ ...foreign, signal: other }) as Promise<unknown>
    await vi.advanceTimersByTimeAsync(1_000)
    await again
    expect(getEventListeners(other, 'abort')).toEqual([])
  })

  it('that waited takes its listener back from a scope that lives on', async () => {
    const limiter = make({ limit: 1, maxQueue: 1 })
    limiter.tryAcquire()
    const scope = scopeWith()
    const off = vi.fn()
    vi.spyOn(scope, 'onAbort').mockReturnValue(off)
    const call = limiter.execute(() => 'ran', scope)
    await vi.advanceTimersByTimeAsync(1_000)
    await call
    expect(off).toHaveBeenCalledTimes(1)
  })

  it('leaves no listener on a signal that lives long: 100,000 calls', async () => {
    const limiter = make({ limit: 1_000, intervalMs: 1, maxQueue: 10 })
    const { signal } = new AbortController()
    for (let round = 0; round < 100; round += 1) {
      const calls = Array.from({ length: 1_000 }, () => limiter.execute(() => 1, { signal }))
      await vi.advanceTimersByTimeAsync(1)
      await Promise.all(calls)
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
  }, 20_000)
})

describe('a rate limiter in a pipeline', () => {
  it('makes the call wait', async () => {
    const limiter = make({ limit: 1, intervalMs: 100, maxQueue: 1 })
    limiter.tryAcquire()
    const call = pipeline(limiter).execute(() => 'ran')
    expect(await settled(call)).toBe('pending')
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('ran')
  })

  it('refuses, and wraps', async () => {
    const limiter = make({ limit: 1 })
    const add = limiter.wrap((a: number, b: number) => a + b)
    await expect(add(2, 3)).resolves.toBe(5)
    expect(isRefusal(limiter.admit(scopeWith()))).toBe(true)
    await expect(pipeline(limiter).execute(() => 1)).rejects.toBeInstanceOf(RateLimitedError)
  })
})

describe('events of a rate limiter', () => {
  it('tell who waits and for how long, and who is refused', async () => {
    const limiter = make({ limit: 3, maxQueue: 1 })
    const told: unknown[] = []
    limiter.on('queued', (payload) => told.push(['queued', payload]))
    limiter.on('rejected', (payload) => told.push(['rejected', payload]))
    for (let i = 0; i < 3; i += 1) limiter.tryAcquire()
    const call = limiter.execute(() => 1)
    await outcome(limiter.execute(() => 1))
    expect(told).toEqual([
      ['queued', { queued: 1, waitMs: 334 }],
      ['rejected', { retryAfterMs: 667, dryRun: false }],
    ])
    await vi.advanceTimersByTimeAsync(334)
    await call
  })

  it('that somebody listens to badly change nothing', async () => {
    const limiter = make({ limit: 1, intervalMs: 100, maxQueue: 1 })
    limiter.on('error', () => {})
    for (const event of ['queued', 'rejected'] as const) {
      limiter.on(event, () => {
        throw new Error(event)
      })
    }
    limiter.tryAcquire()
    const call = limiter.execute(() => 'ran')
    await expect(limiter.execute(() => 1)).rejects.toMatchObject({ code: 'ERR_GATELESS_RATE_LIMITED' })
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('ran')
  })
})

describe('a dry run of a rate limiter', () => {
  it('lets everything through at once, and says what it would have refused', () => {
    const limiter = make({ limit: 1, dryRun: true })
    const told = vi.fn()
    limiter.on('rejected', told)
    for (let i = 0; i < 3; i += 1) permitOf(limiter.admit(scopeWith()))
    expect(limiter.tryAcquire()).toBeDefined()
    expect(told.mock.calls).toEqual(Array.from({ length: 3 }, () => [{ retryAfterMs: 1_000, dryRun: true }]))
    expect(limiter.metrics).toEqual({ available: 0, queued: 0, rejected: 3 })
  })

  describe.each(['token-bucket', 'sliding-window'] as const)('with a queue (%s)', (algorithm) => {
    const dry = (options: Partial<RateLimiterOptions> = {}): RateLimiter =>
      make({ limit: 1, intervalMs: 10, algorithm, maxQueue: 5, dryRun: true, ...options })

    it('does not report those who would only have waited', () => {
      const limiter = dry()
      for (let i = 0; i < 4; i += 1) permitOf(limiter.admit(scopeWith()))
      expect(limiter.metrics).toEqual({ available: 0, queued: 0, rejected: 0 })
      expect(limiter.retryAfterMs).toBe(40)
    })

    it('reports those for whom there would have been no room, and whoever asks for leave now', () => {
      const limiter = dry()
      const told = vi.fn()
      limiter.on('rejected', told)
      for (let i = 0; i < 7; i += 1) permitOf(limiter.admit(scopeWith()))
      expect(limiter.tryAcquire()).toBeDefined()
      expect(told.mock.calls).toEqual([[{ retryAfterMs: 60, dryRun: true }], [{ retryAfterMs: 60, dryRun: true }]])
    })

    it('reports those who would not have waited so long', () => {
      const limiter = dry({ maxWaitMs: 20 })
      for (let i = 0; i < 5; i += 1) permitOf(limiter.admit(scopeWith()))
      expect(limiter.metrics.rejected).toBe(2)
      const short = dry()
      permitOf(short.admit(scopeWith()))
      const scope = scopeWith({ timeoutMs: 10 })
      permitOf(short.admit(scope))
      scope.dispose()
      expect(short.metrics.rejected).toBe(1)
    })

    it('serves them in their turns, as a real queue would', async () => {
      const limiter = dry()
      const real = dry({ dryRun: false })
      const calls: Promise<unknown>[] = []
      const both = (): void => {
        permitOf(limiter.admit(scopeWith()))
        calls.push(outcome(real.execute(() => 1)))
      }
      for (const [count, waitMs] of [
        [6, 25],
        [4, 7],
        [1, 19],
        [9, 200],
        [3, 1],
        [2, 60],
        [1, 10],
      ] as const) {
        for (let i = 0; i < count; i += 1) both()
        expect(limiter.metrics.rejected).toBe(real.metrics.rejected)
        expect(limiter.retryAfterMs).toBe(real.retryAfterMs)
        await vi.advanceTimersByTimeAsync(waitMs)
        expect(limiter.metrics.available).toBe(real.metrics.available)
      }
      expect(real.metrics.rejected).toBeGreaterThan(0)
      await Promise.all(calls)
    })

    it('goes on when the clock goes backwards', () => {
      let now = 1_000_000
      const limiter = dry({ maxQueue: 1, clock: { now: () => now } })
      for (let i = 0; i < 2; i += 1) permitOf(limiter.admit(scopeWith()))
      now = 0
      expect(limiter.retryAfterMs).toBe(20)
      now = 20
      permitOf(limiter.admit(scopeWith()))
      expect(limiter.metrics.rejected).toBe(0)
    })

    it('gives a turn at its very time', async () => {
      const limiter = dry({ maxQueue: 1 })
      for (let i = 0; i < 2; i += 1) permitOf(limiter.admit(scopeWith()))
      await vi.advanceTimersByTimeAsync(10)
      permitOf(limiter.admit(scopeWith()))
      expect(limiter.metrics.rejected).toBe(0)
    })

    it('begins anew after a quiet spell', async () => {
      const limiter = dry()
      for (let round = 0; round < 2; round += 1) {
        for (let i = 0; i < 3; i += 1) permitOf(limiter.admit(scopeWith()))
        expect(limiter.retryAfterMs).toBe(30)
        await vi.advanceTimersByTimeAsync(100)
        expect(limiter.metrics.available).toBe(1)
        await vi.advanceTimersByTimeAsync(100)
      }
    })

    it('gives turns that were due before other numbers at the old ones', async () => {
      const limiter = dry()
      for (let i = 0; i < 4; i += 1) permitOf(limiter.admit(scopeWith()))
      await vi.advanceTimersByTimeAsync(35)
      limiter.configure({ intervalMs: 100 })
      expect(limiter.retryAfterMs).toBe(algorithm === 'token-bucket' ? 50 : 95)
    })

    it('that ends forgets who would be waiting', () => {
      const limiter = dry()
      for (let i = 0; i < 3; i += 1) permitOf(limiter.admit(scopeWith()))
      limiter.configure({ limit: 1 })
      expect(limiter.retryAfterMs).toBe(30)
      limiter.configure({ dryRun: false })
      expect(limiter.retryAfterMs).toBe(10)
    })
  })
})

describe('turns that are promised', () => {
  it.each([
    [900, 1, 901],
    [5_000, 1, 5_001],
    [5_000, 3, 5_003],
  ])(
    'are kept although timers have whole milliseconds: %i per second, %i in a burst',
    async (limit, burst, expected) => {
      const limiter = make({ limit, burst, maxQueue: 6_000 })
      let through = 0
      const calls = Array.from({ length: 6_000 }, () => limiter.execute(() => (through += 1)))
      await vi.advanceTimersByTimeAsync(1_000)
      expect(through).toBe(expected)
      await vi.advanceTimersByTimeAsync(10_000)
      await Promise.all(calls)
    },
  )

  it('are made good after a timer that was late: everybody goes whose turn has come', async () => {
    let late = 0
    const limiter = make({ limit: 100, burst: 1, maxQueue: 50, clock: { now: () => performance.now() + late } })
    let through = 0
    const calls = Array.from({ length: 11 }, () => limiter.execute(() => (through += 1)))
    late = 45
    expect(limiter.retryAfterMs).toBe(65)
    expect(limiter.metrics.available).toBe(0)
    await vi.advanceTimersByTimeAsync(10)
    expect(through).toBe(6)
    await vi.advanceTimersByTimeAsync(44)
    expect(through).toBe(10)
    await vi.advanceTimersByTimeAsync(1)
    expect(through).toBe(11)
    await Promise.all(calls)
  })

  it('save up no more than a burst when nobody waits for them any more', async () => {
    let late = 0
    const limiter = make({ limit: 100, burst: 2, maxQueue: 50, clock: { now: () => performance.now() + late } })
    const calls = Array.from({ length: 4 }, () => limiter.execute(() => 1))
    late = 1_000
    expect(limiter.metrics.available).toBe(2)
    expect(limiter.tryAcquire()).toBeDefined()
    expect(limiter.tryAcquire()).toBeDefined()
    expect(limiter.tryAcquire()).toBeUndefined()
    await Promise.all(calls)
    expect(limiter.metrics).toEqual({ available: 0, queued: 0, rejected: 1 })
  })

  it('that were due before other numbers are kept at the old ones', async () => {
    let late = 0
    const limiter = make({ limit: 100, burst: 1, maxQueue: 50, clock: { now: () => performance.now() + late } })
    let through = 0
    const calls = Array.from({ length: 6 }, () => limiter.execute(() => (through += 1)))
    late = 35
    limiter.configure({ limit: 10 })
    await flush()
    expect(through).toBe(4)
    expect(limiter.retryAfterMs).toBe(250)
    await vi.advanceTimersByTimeAsync(200)
    await Promise.all(calls)
  })
})

describe('configuring a rate limiter', () => {
  it('goes on from what has been used up', async () => {
    const limiter = make({ limit: 2 })
    limiter.tryAcquire()
    limiter.configure({ limit: 10 })
    expect(limiter.metrics.available).toBe(1)
    expect(limiter.info.summary).toBe('at most 10 calls per 1000 ms')
    limiter.tryAcquire()
    expect(limiter.retryAfterMs).toBe(100)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(limiter.metrics.available).toBe(10)
  })

  it('keeps what was changed before', () => {
    const limiter = make()
    limiter.configure({ limit: 5 })
    limiter.configure({ maxQueue: 2 })
    expect(limiter.info.summary).toBe('at most 5 calls per 1000 ms; 2 wait')
  })

  it('lets those who wait have the new rate', async () => {
    const limiter = make({ limit: 1, intervalMs: 10_000, maxQueue: 3 })
    limiter.tryAcquire()
    const at: number[] = []
    const calls = [timed(limiter, at), timed(limiter, at)]
    limiter.configure({ intervalMs: 100 })
    await vi.advanceTimersByTimeAsync(200)
    expect(at).toEqual([100, 200])
    await Promise.all(calls)
  })

  it('lets through at once who may go now', async () => {
    const limiter = make({ limit: 1, algorithm: 'sliding-window', maxQueue: 3 })
    limiter.tryAcquire()
    const calls = [limiter.execute(() => 1), limiter.execute(() => 2)]
    limiter.configure({ limit: 3 })
    await flush()
    await expect(Promise.all(calls)).resolves.toEqual([1, 2])
  })

  it.each([
    [{ algorithm: 'sliding-window' }, 'RateLimiter.configure: algorithm cannot change, got "sliding-window"'],
    [{ name: 'x' }, 'RateLimiter.configure: name cannot change, got "x"'],
    [{ clock: {} }, 'RateLimiter.configure: clock cannot change, got an object'],
    [{ limit: 0 }, 'RateLimiter: limit must be an integer from 1'],
  ])('refuses %j, and changes nothing: %s', (patch, message) => {
    const limiter = make()
    expect(() => limiter.configure(patch as object)).toThrow(message)
    expect(limiter.info.summary).toBe('at most 2 calls per 1000 ms')
  })
})

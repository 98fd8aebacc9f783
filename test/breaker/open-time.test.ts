import { CircuitBreaker, type CircuitBreakerOptions } from 'gateless/breaker'
import { decorrelatedBackoff, exponentialBackoff, fixedBackoff, linearBackoff } from 'gateless/retry'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GatelessError } from '../../src/core/errors.ts'
import { after, brittle, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const growing = (options: CircuitBreakerOptions = {}): CircuitBreaker =>
  brittle({ recoveryBackoff: linearBackoff({ stepMs: 100, maxMs: 350 }), successThreshold: 1, ...options })

const askingFor = (retryAfterMs: unknown) => (): Promise<never> =>
  Promise.reject(Object.assign(new Error('busy'), { retryAfterMs }))

describe('an open time that grows', () => {
  it('is longer each time a probe fails, up to the longest', async () => {
    const breaker = growing()
    const seen: unknown[] = []
    for (let i = 0; i < 5; i += 1) {
      await trip(breaker)
      seen.push([breaker.retryAfterMs, breaker.metrics.trips])
      expect(await after((breaker.retryAfterMs as number) - 1, breaker)).toBe('open')
      expect(await after(1, breaker)).toBe('half-open')
    }
    expect(seen).toEqual([
      [100, 1],
      [200, 2],
      [300, 3],
      [350, 4],
      [350, 5],
    ])
  })

  it('goes on growing when it opens again soon after it closed', async () => {
    const breaker = growing({ forgetTripsAfterMs: 1_000 })
    await trip(breaker)
    await after(100, breaker)
    await breaker.execute(succeed)
    expect(await after(999, breaker)).toBe('closed')
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([200, 2])
  })

  it('begins anew once it was closed for long enough', async () => {
    const breaker = growing({ forgetTripsAfterMs: 1_000 })
    await trip(breaker)
    await after(100, breaker)
    await breaker.execute(succeed)
    await after(1_000, breaker)
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([100, 1])
  })

  it('forgets by time closed, not by time since', async () => {
    const breaker = growing({ forgetTripsAfterMs: 1_000 })
    await trip(breaker)
    await after(5_000, breaker)
    await trip(breaker)
    expect(breaker.metrics.trips).toBe(2)
  })

  it('forgets by time closed, not by time half-open', async () => {
    const breaker = growing({ forgetTripsAfterMs: 1_000 })
    await trip(breaker)
    expect(await after(100, breaker)).toBe('half-open')
    await after(5_000, breaker)
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([200, 2])
  })

  it('is over when the clock went backwards while it was closed: nobody knows for how long', async () => {
    let now = 1_000_000
    const breaker = growing({ forgetTripsAfterMs: 1_000, clock: { now: () => now } })
    await trip(breaker)
    now += 100
    await breaker.execute(succeed)
    now = 500_000
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([100, 1])
  })

  it('goes on when no time passed at all', async () => {
    const breaker = growing({ recoveryBackoff: fixedBackoff({ delayMs: 0 }) })
    await trip(breaker)
    await breaker.execute(succeed)
    await trip(breaker)
    expect(breaker.metrics.trips).toBe(2)
  })

  it('goes on also when it is open for longer than it takes to forget', async () => {
    const breaker = growing({ forgetTripsAfterMs: 1_000 })
    await trip(breaker)
    await after(100, breaker)
    await breaker.execute(succeed)
    await after(10, breaker)
    await trip(breaker)
    await after(5_000, breaker)
    await trip(breaker)
    expect(breaker.metrics.trips).toBe(3)
  })

  it('with 0 begins anew after every recovery, and after a minute unless told otherwise', async () => {
    const forgetful = growing({ forgetTripsAfterMs: 0 })
    const ordinary = growing()
    for (const breaker of [forgetful, ordinary]) {
      await trip(breaker)
      await after(100, breaker)
      await breaker.execute(succeed)
    }
    await vi.advanceTimersByTimeAsync(59_800)
    await trip(forgetful)
    await trip(ordinary)
    expect([forgetful.metrics.trips, ordinary.metrics.trips]).toEqual([1, 2])
  })

  it('is forgotten by a reset', async () => {
    const breaker = growing()
    await trip(breaker)
    breaker.reset()
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(100)
  })

  it('draws its jitter from the random it was given, and knows the delay before', async () => {
    const inputs: unknown[] = []
    const backoff = {
      name: 'noting',
      delayMs: ({
        attempt,
        previousDelayMs,
        random,
      }: {
        attempt: number
        previousDelayMs?: number
        random(): number
      }) => {
        inputs.push([attempt, previousDelayMs])
        return random() * 1_000
      },
    }
    const breaker = brittle({
      recoveryBackoff: backoff,
      random: () => 0.25,
      successThreshold: 1,
      forgetTripsAfterMs: 10,
    })
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(250)
    await after(250, breaker)
    await trip(breaker)
    await after(250, breaker)
    await breaker.execute(succeed)
    await after(10, breaker)
    await trip(breaker)
    expect(inputs).toEqual([
      [1, undefined],
      [2, 250],
      [1, undefined],
    ])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('bug')
      },
      'bug',
    ],
    ['answers NaN', () => Number.NaN, 'the delay must be a finite number from 0 milliseconds, got NaN'],
    ['has no end', () => Number.POSITIVE_INFINITY, 'got Infinity'],
    ['answers text', () => '5' as never, 'got 5'],
    ['answers less than nothing', () => -1, 'got -1'],
  ])('is the ordinary one when the backoff %s, which is reported', async (_, delayMs, message) => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryBackoff: { name: 'broken', delayMs } })
    const faults: unknown[] = []
    breaker.on('error', (fault) => faults.push(fault))
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(60_000)
    expect(faults).toEqual([
      {
        event: 'recoveryBackoff',
        error: expect.objectContaining({ message: expect.stringContaining(message) as string }) as unknown,
      },
    ])
  })

  it('of 0 probes at once, and one beyond it is cut to what a timer can hold', async () => {
    const at = (delayMs: number): CircuitBreaker => brittle({ recoveryBackoff: { name: 'x', delayMs: () => delayMs } })
    const [never, forever] = [at(0), at(Number.MAX_VALUE)]
    await trip(never)
    await trip(forever)
    expect(never.state).toBe('half-open')
    expect(forever.retryAfterMs).toBe(24 * 86_400_000)
  })

  it('stands against a fixed one', () => {
    const recoveryBackoff = exponentialBackoff()
    expect(() => new CircuitBreaker({ recoveryBackoff, recoveryTimeoutMs: 5 })).toThrow(
      'CircuitBreaker: recoveryTimeoutMs must be left out when recoveryBackoff is given, got 5',
    )
    expect(() => new CircuitBreaker({ recoveryBackoff: {} as never })).toThrow(
      'recoveryBackoff must be an object with delayMs()',
    )
  })
})

describe('a wish of the remote', () => {
  it('of the failure that opens it makes the open time longer', async () => {
    const breaker = brittle()
    await breaker.execute(askingFor(7_000)).catch(() => {})
    expect(breaker.retryAfterMs).toBe(7_000)
  })

  it('never makes it shorter', async () => {
    const breaker = brittle()
    await breaker.execute(askingFor(10)).catch(() => {})
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it('of an earlier failure counts for nothing', async () => {
    const breaker = brittle({ failureThreshold: 2 })
    await breaker.execute(askingFor(7_000)).catch(() => {})
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it('of a failed probe counts', async () => {
    const breaker = brittle()
    await trip(breaker)
    await after(1_000, breaker)
    breaker.tryAcquire()?.failure({ retryAfterMs: 3_000 })
    expect(breaker.retryAfterMs).toBe(3_000)
  })

  it('may come with the permit, or with its error, and the former is the one that counts', () => {
    const [plain, inError, both] = [brittle(), brittle(), brittle()]
    const error = new GatelessError('ERR_GATELESS_TEST', 'busy', { retryAfterMs: 4_000 })
    plain.tryAcquire()?.failure({ retryAfterMs: 2_000 })
    inError.tryAcquire()?.failure({ error })
    both.tryAcquire()?.failure({ error, retryAfterMs: 2_000 })
    expect([plain.retryAfterMs, inError.retryAfterMs, both.retryAfterMs]).toEqual([2_000, 4_000, 2_000])
  })

  it('is cut down to what is tolerated: five minutes unless told otherwise, 0 for nothing', async () => {
    const [ordinary, strict, deaf] = [brittle(), brittle({ maxRetryAfterMs: 5_000 }), brittle({ maxRetryAfterMs: 0 })]
    for (const breaker of [ordinary, strict, deaf]) await breaker.execute(askingFor(1e9)).catch(() => {})
    expect([ordinary.retryAfterMs, strict.retryAfterMs, deaf.retryAfterMs]).toEqual([300_000, 5_000, 1_000])
  })

  it.each([[Number.NaN], [-5], ['60000'], [null], [0], [Number.NEGATIVE_INFINITY]])('of %j is none', async (wish) => {
    const breaker = brittle()
    await breaker.execute(askingFor(wish)).catch(() => {})
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it.each([[undefined], [null], ['text'], [Object.create(null)]])('is not looked for in %o', async (thrown) => {
    const breaker = brittle()
    await expect(breaker.execute(() => Promise.reject(thrown))).rejects.toBe(thrown)
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it('that throws when it is read changes nothing', async () => {
    const breaker = brittle()
    const trap = {
      get retryAfterMs(): number {
        throw new Error('trap')
      },
    }
    await expect(breaker.execute(() => Promise.reject(trap))).rejects.toBe(trap)
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it('does not grow the time of the next opening', async () => {
    const breaker = growing()
    await breaker.execute(askingFor(9_000)).catch(() => {})
    expect(breaker.retryAfterMs).toBe(9_000)
    await after(9_000, breaker)
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(200)
  })
})

describe('a snapshot', () => {
  it('keeps how many times in a row it opened, open or closed', async () => {
    const options = {
      failureThreshold: 1,
      successThreshold: 1,
      recoveryBackoff: linearBackoff({ stepMs: 100, maxMs: 9_000 }),
    }
    const breaker = new CircuitBreaker(options)
    await trip(breaker)
    await after(100, breaker)
    await trip(breaker)
    expect(breaker.snapshot()).toMatchObject({ version: 1, state: 'open', trips: 2, openMs: 200 })
    const restored = CircuitBreaker.restore(breaker.snapshot(), options)
    expect([restored.retryAfterMs, restored.metrics.trips]).toEqual([200, 2])
    await after(200, restored)
    await restored.execute(succeed)
    const again = CircuitBreaker.restore(restored.snapshot(), options)
    expect(restored.snapshot()).toMatchObject({ state: 'closed', trips: 2, openMs: null, probeAt: null })
    await trip(again)
    expect(again.retryAfterMs).toBe(300)
  })

  it('forgets the row by the time since it was restored closed', async () => {
    const options = { failureThreshold: 1, recoveryBackoff: linearBackoff({ stepMs: 100, maxMs: 9_000 }) }
    const closed = {
      version: 1,
      state: 'closed',
      mode: 'normal',
      probeAt: null,
      openMs: null,
      trips: 4,
      counts: null,
    } as const
    const restored = CircuitBreaker.restore(closed, options)
    await after(60_000, restored)
    await trip(restored)
    expect(restored.metrics.trips).toBe(1)
  })

  it('keeps an open time that a remote asked for', async () => {
    const breaker = brittle()
    await breaker.execute(askingFor(50_000)).catch(() => {})
    const saved = breaker.snapshot()
    const restored = CircuitBreaker.restore(saved, { recoveryTimeoutMs: 1_000 })
    expect(restored.retryAfterMs).toBe(50_000)
    // Restored twice, it still knows.
    expect(CircuitBreaker.restore(restored.snapshot(), { recoveryTimeoutMs: 1_000 }).retryAfterMs).toBe(50_000)
  })

  it('is believed in what it was opened for, whatever the options say', async () => {
    const draws = [0.9, 0.9, 0.9]
    const options = {
      failureThreshold: 1,
      recoveryBackoff: decorrelatedBackoff({ baseMs: 100, maxMs: 60_000 }),
      maxRetryAfterMs: 0,
      random: () => draws.shift() ?? 0,
    }
    const breaker = new CircuitBreaker(options)
    for (let i = 0; i < 3; i += 1) {
      await trip(breaker)
      if (i < 2) await after(breaker.retryAfterMs as number, breaker)
    }
    const left = breaker.retryAfterMs as number
    expect(left).toBeGreaterThan(1_000)
    expect(CircuitBreaker.restore(breaker.snapshot(), options).retryAfterMs).toBe(left)
  })

  it('is open no longer than it was opened for, when the wall clock was set back, nor than a timer can hold', () => {
    const saved = { version: 1, state: 'open', mode: 'normal', trips: 1, counts: null } as const
    const probeAt = Date.now() + 1e12
    const options = { recoveryTimeoutMs: 500 }
    expect(CircuitBreaker.restore({ ...saved, probeAt, openMs: 1_000 }, options).retryAfterMs).toBe(1_000)
    expect(CircuitBreaker.restore({ ...saved, probeAt, openMs: 1e12 }, options).retryAfterMs).toBe(24 * 86_400_000)
  })

  it('that does not say what it was opened for is believed up to the longest that the backoff could say', async () => {
    const far = { version: 1, state: 'open', mode: 'normal', openMs: null, trips: 2, counts: null } as const
    const options = { recoveryBackoff: exponentialBackoff({ baseMs: 1_000 }), maxRetryAfterMs: 0 }
    const restored = CircuitBreaker.restore({ ...far, probeAt: Date.now() + 1e12 }, options)
    expect(restored.retryAfterMs).toBe(2_000)
    const broken = { recoveryBackoff: { name: 'x', delayMs: () => Number.NaN }, maxRetryAfterMs: 0 }
    expect(CircuitBreaker.restore({ ...far, probeAt: Date.now() + 1e12 }, broken).retryAfterMs).toBe(60_000)
  })

  it('of an older kind, without these, is read as well', () => {
    const older = { version: 1, state: 'open', mode: 'normal', probeAt: Date.now() + 400, counts: null }
    const restored = CircuitBreaker.restore(older as never, { recoveryTimeoutMs: 1_000 })
    expect([restored.retryAfterMs, restored.metrics.trips]).toEqual([400, 0])
    const recoveryBackoff = linearBackoff({ stepMs: 250, maxMs: 9_000 })
    expect(CircuitBreaker.restore(older as never, { recoveryBackoff }).retryAfterMs).toBe(250)
  })

  it.each([
    [{ trips: -1 }, 'breaker snapshot: trips must be an integer from 0, got -1'],
    [{ trips: 1.5 }, 'trips must be an integer from 0, got 1.5'],
    [{ openMs: -1 }, 'breaker snapshot: openMs must be a finite number from 0, got -1'],
    [{ openMs: 'long' }, 'openMs must be a finite number from 0, got "long"'],
  ])('is refused with %j', (part, message) => {
    const snapshot = { ...new CircuitBreaker().snapshot(), ...part }
    expect(() => CircuitBreaker.restore(snapshot as never)).toThrow(message)
  })

  it('of a breaker that never opened knows of no row', () => {
    expect(new CircuitBreaker().snapshot()).toEqual({
      version: 1,
      state: 'closed',
      mode: 'normal',
      probeAt: null,
      openMs: null,
      trips: 0,
      counts: { successes: 0, failures: 0 },
    })
  })
})

it('fixed backoffs are open times as well', async () => {
  const breaker = brittle({ recoveryBackoff: fixedBackoff({ delayMs: 300 }) })
  await trip(breaker)
  expect(breaker.retryAfterMs).toBe(300)
})

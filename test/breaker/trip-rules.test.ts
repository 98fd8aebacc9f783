import { anyOf, CircuitBreaker, consecutiveFailures, failureRate, slowCallRate, type TripRule } from 'gateless/breaker'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { after, brittle, succeed, trip as failOnce } from './support.ts'

/** One call per letter: `x` fails, `.` succeeds, `s` succeeds after 200 ms, `S` fails after 200 ms. */
function run(breaker: CircuitBreaker, pattern: string): void {
  for (const letter of pattern) {
    const permit = breaker.tryAcquire()
    if (letter === 's' || letter === 'S') vi.advanceTimersByTime(200)
    if (letter === 'x' || letter === 'S') permit?.failure()
    else permit?.success()
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a failure rate over the last calls', () => {
  const breakerOver = (windowCalls: number, minimumCalls?: number): CircuitBreaker =>
    new CircuitBreaker({ trip: failureRate({ windowCalls, ...(minimumCalls === undefined ? {} : { minimumCalls }) }) })

  it('opens at the share, once there were enough calls', () => {
    const breaker = breakerOver(10, 4)
    run(breaker, '..x')
    expect(breaker.state).toBe('closed')
    run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('forgets a call when as many others came after it', () => {
    const breaker = breakerOver(4, 4)
    run(breaker, 'x....x')
    expect(breaker.metrics).toMatchObject({ successes: 3, failures: 1 })
    expect(breaker.state).toBe('closed')
    run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('forgets nothing by time', async () => {
    const breaker = breakerOver(4, 2)
    run(breaker, 'x')
    await vi.advanceTimersByTimeAsync(3_600_000)
    run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('has nothing to forget, and nothing to complain of, before the first call', () => {
    const breaker = breakerOver(4)
    const faults = vi.fn()
    breaker.on('error', faults)
    breaker.reset()
    expect(faults).not.toHaveBeenCalled()
  })

  it('of fewer than twenty wants all of them before it opens', () => {
    const small = breakerOver(3)
    run(small, 'xx')
    expect(small.state).toBe('closed')
    run(small, 'x')
    expect(small.state).toBe('open')
    const large = breakerOver(100)
    run(large, 'x'.repeat(19))
    expect(large.state).toBe('closed')
    run(large, 'x')
    expect(large.state).toBe('open')
  })

  it('reads no clock', () => {
    const clock = new FakeClock()
    const now = vi.spyOn(clock, 'now')
    const breaker = new CircuitBreaker({ trip: failureRate({ windowCalls: 100 }), clock })
    run(breaker, '.x.x.x')
    expect(now).not.toHaveBeenCalled()
  })

  it.each([
    [{ windowCalls: 0 }, 'failureRate: windowCalls must be an integer from 1 up to 1000000, got 0'],
    [{ windowCalls: 1_000_001 }, 'windowCalls must be an integer from 1 up to 1000000'],
    [{ windowCalls: 1.5 }, 'got 1.5'],
    [
      { windowCalls: 10, windowMs: 1_000 },
      'failureRate: windowMs must be left out when windowCalls is given, got 1000',
    ],
    [{ windowCalls: 10, minimumCalls: 11 }, 'minimumCalls must be an integer from 1 up to 10, got 11'],
    [{ windowCalls: 10, minimumCalls: 0 }, 'minimumCalls must be an integer from 1 up to 10, got 0'],
    [{ windowCalls: 10, minimumCalls: 1.5 }, 'got 1.5'],
    [{ minimumCalls: 1.5 }, 'minimumCalls must be an integer from 1, got 1.5'],
  ])('refuses %j', (options, message) => {
    expect(() => failureRate(options)).toThrow(message)
  })

  it('may hold a million calls, all of which must fail if it is told so', () => {
    expect(failureRate({ windowCalls: 1_000_000 }).name).toBe('50 % failures over the last 1000000 calls')
    expect(() => failureRate({ windowCalls: 10, minimumCalls: 10, threshold: 1 })).not.toThrow()
  })
})

describe('a rate of slow calls', () => {
  const slow = (options: Partial<Parameters<typeof slowCallRate>[0]> = {}): CircuitBreaker =>
    brittle({
      trip: slowCallRate({ thresholdMs: 100, windowCalls: 4, ...options }),
      failureThreshold: undefined as never,
    })

  it('opens when too many calls took longer, although all of them answered', () => {
    const breaker = slow()
    run(breaker, '..s')
    expect(breaker.state).toBe('closed')
    run(breaker, 's')
    expect(breaker.state).toBe('open')
    expect(breaker.metrics).toMatchObject({ successes: 4, failures: 0, slow: 2 })
  })

  it('counts a call as slow that takes longer than the threshold, not one that takes as long', async () => {
    const breaker = slow({ windowCalls: 1 })
    const exact = breaker.tryAcquire()
    await after(100, breaker)
    exact?.success()
    expect(breaker.state).toBe('closed')
    const longer = breaker.tryAcquire()
    await after(101, breaker)
    longer?.success()
    expect(breaker.state).toBe('open')
  })

  it('counts slow failures, and no fast ones', () => {
    const breaker = slow()
    run(breaker, 'xx.S')
    expect(breaker.state).toBe('closed')
    expect(breaker.metrics).toMatchObject({ successes: 1, failures: 3, slow: 1 })
    run(breaker, 'S')
    expect(breaker.state).toBe('open')
    expect(breaker.metrics).toMatchObject({ failures: 3, slow: 2 })
  })

  it('takes another share', () => {
    const breaker = slow({ rate: 0.75 })
    run(breaker, '..ss')
    expect(breaker.state).toBe('closed')
    run(breaker, 's')
    expect(breaker.state).toBe('open')
  })

  it('looks back by time as well, and forgets', async () => {
    const breaker = new CircuitBreaker({ trip: slowCallRate({ thresholdMs: 100, windowMs: 5_000, minimumCalls: 2 }) })
    run(breaker, 'sS'.slice(0, 1))
    expect(breaker.metrics).toMatchObject({ successes: 1, slow: 1 })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(breaker.metrics).toMatchObject({ successes: 0, slow: 0 })
    run(breaker, 's')
    expect(breaker.state).toBe('closed')
    run(breaker, 'S')
    expect(breaker.state).toBe('open')
  })

  it('takes the time of work that is executed, and passes its result and its errors on', async () => {
    const breaker = slow({ windowCalls: 2 })
    const work = (): Promise<string> => new Promise((resolve) => setTimeout(resolve, 150, 'late'))
    const call = breaker.execute(work)
    await vi.advanceTimersByTimeAsync(150)
    await expect(call).resolves.toBe('late')
    const failing = expect(breaker.execute(() => work().then(() => Promise.reject(new Error('down'))))).rejects.toThrow(
      'down',
    )
    await vi.advanceTimersByTimeAsync(150)
    await failing
    expect(breaker.state).toBe('open')
    expect(breaker.metrics).toMatchObject({ successes: 1, failures: 1, slow: 2 })
  })

  it('disposes of the scope of a call with options, and does not count who gives up', async () => {
    const breaker = slow({ windowCalls: 1 })
    const caller = new AbortController()
    const call = breaker.execute(() => new Promise(() => {}), { signal: caller.signal, timeoutMs: 60_000 })
    await vi.advanceTimersByTimeAsync(500)
    caller.abort(new Error('gone'))
    await expect(call).rejects.toThrow('gone')
    expect(breaker.metrics).toMatchObject({ successes: 0, failures: 0 })
    await breaker.execute(succeed, { timeoutMs: 60_000 })
  })

  it('fails a probe that is slow, and none that is not', async () => {
    const breaker = slow({ windowCalls: 1 })
    run(breaker, 's')
    await after(1_000, breaker)
    run(breaker, 's')
    expect(breaker.state).toBe('open')
    await after(1_000, breaker)
    run(breaker, '...')
    expect(breaker.state).toBe('closed')
  })

  it('does not take a clock that goes backwards for slowness', () => {
    let now = 1_000
    const breaker = slow({ windowCalls: 1 })
    const clocked = new CircuitBreaker({
      trip: slowCallRate({ thresholdMs: 100, windowCalls: 1 }),
      clock: { now: () => now },
    })
    const permit = clocked.tryAcquire()
    now = 0
    permit?.success()
    expect([breaker.state, clocked.state, clocked.metrics.slow]).toEqual(['closed', 'closed', 0])
  })

  it('starts empty after a reset and after a restore', () => {
    const trip = slowCallRate({ thresholdMs: 100, windowCalls: 2 })
    const breaker = new CircuitBreaker({ trip })
    run(breaker, 's')
    const restored = CircuitBreaker.restore({ ...breaker.snapshot(), counts: { successes: 5, failures: 5 } }, { trip })
    breaker.reset()
    for (const each of [breaker, restored]) {
      run(each, 's')
      expect(each.state).toBe('closed')
      run(each, 's')
      expect(each.state).toBe('open')
    }
  })

  it.each([
    [{}, 'slowCallRate: thresholdMs must be given, in milliseconds, got undefined'],
    [{ thresholdMs: -1 }, 'thresholdMs must be a finite number from 0'],
    [{ thresholdMs: 5, rate: 0 }, 'rate must be a finite number above 0 up to 1, got 0'],
    [{ thresholdMs: 5, rate: 1.1 }, 'rate must be a finite number above 0 up to 1, got 1.1'],
    [{ thresholdMs: 5, threshold: 1 }, 'slowCallRate: unknown option "threshold"'],
    [{ thresholdMs: 5, windowMs: 50 }, 'windowMs must be a finite number from 100'],
  ])('refuses %j', (options, message) => {
    expect(() => slowCallRate(options as never)).toThrow(message)
  })
})

describe('any of several rules', () => {
  const both = anyOf(consecutiveFailures({ failureThreshold: 3 }), failureRate({ windowCalls: 10, minimumCalls: 10 }))

  it('opens by whichever says so first', () => {
    const inARow = new CircuitBreaker({ trip: both })
    run(inARow, 'xxx')
    expect(inARow.state).toBe('open')
    const byRate = new CircuitBreaker({ trip: both })
    run(byRate, 'xx.xx.x..')
    expect(byRate.state).toBe('closed')
    run(byRate, 'x')
    expect(byRate.state).toBe('open')
  })

  it('lets each of them know of every call', () => {
    const breaker = new CircuitBreaker({
      trip: anyOf(consecutiveFailures({ failureThreshold: 1 }), failureRate({ windowCalls: 9 })),
    })
    run(breaker, '..x')
    expect(breaker.state).toBe('open')
    expect(breaker.metrics).toMatchObject({ successes: 2, failures: 1, slow: 0 })
  })

  it('measures when one of them does, and fails slow probes for it', async () => {
    const breaker = brittle({
      trip: anyOf(consecutiveFailures({ failureThreshold: 1 }), slowCallRate({ thresholdMs: 100, windowCalls: 2 })),
      failureThreshold: undefined as never,
    })
    run(breaker, 'ss')
    expect(breaker.state).toBe('open')
    expect(breaker.metrics.slow).toBe(2)
    await after(1_000, breaker)
    run(breaker, 's')
    expect(breaker.state).toBe('open')
    await after(1_000, breaker)
    run(breaker, '...')
    expect([breaker.state, breaker.metrics.slow]).toEqual(['closed', 0])
  })

  it('keeps in a snapshot what one of them keeps, and nothing when none does', async () => {
    const breaker = new CircuitBreaker({ trip: both })
    run(breaker, 'xx')
    const restored = CircuitBreaker.restore(breaker.snapshot(), { trip: both })
    run(restored, 'x')
    expect(restored.state).toBe('open')
    const none = new CircuitBreaker({ trip: anyOf(failureRate(), failureRate({ windowCalls: 5 })) })
    run(none, 'xx')
    expect(none.snapshot().counts).toBeNull()
  })

  it('forgets all of it by a reset', () => {
    const breaker = new CircuitBreaker({ trip: both })
    run(breaker, '.xx')
    breaker.reset()
    expect(breaker.metrics).toMatchObject({ successes: 0, failures: 0 })
    run(breaker, 'xx')
    expect(breaker.state).toBe('closed')
  })

  it('reads no clock for rules that need none', () => {
    const clock = new FakeClock()
    const now = vi.spyOn(clock, 'now')
    run(new CircuitBreaker({ trip: both, clock }), 'x.x.')
    expect(now).not.toHaveBeenCalled()
    run(new CircuitBreaker({ trip: anyOf(both, failureRate()), clock }), '.')
    expect(now).toHaveBeenCalledTimes(1)
  })

  it('is named after all of them, and looks as far back as the one that looks furthest', () => {
    expect(both.name).toBe('3 consecutive failures, or 50 % failures over the last 10 calls')
    expect(both.windowMs).toBeUndefined()
    expect(anyOf(failureRate({ windowMs: 500 }), both, failureRate({ windowMs: 900 })).windowMs).toBe(900)
  })

  it('wants rules', () => {
    expect(() => anyOf()).toThrow('anyOf: there must be at least one rule')
    expect(() => anyOf(failureRate(), {} as never)).toThrow(
      'anyOf: rule 1 must be an object with create(), got an object',
    )
    expect(() => anyOf(null as never)).toThrow('anyOf: rule 0 must be an object with create(), got null')
  })
})

describe('a rule of somebody else', () => {
  const bug = (): never => {
    throw new Error('bug')
  }
  const quiet = {
    timed: false,
    record: () => false,
    reset: () => {},
    counts: () => ({ successes: 1, failures: 2 }),
    save: () => undefined,
    restore: () => {},
  }
  const ruleOf = (memory: object): TripRule => ({ name: 'mine', create: () => ({ ...quiet, ...memory }) })

  it('that throws opens nothing, loses no outcome, and is reported', async () => {
    const breaker = new CircuitBreaker({ trip: ruleOf({ record: bug, reset: bug, counts: bug }) })
    const faults: string[] = []
    breaker.on('error', ({ event }) => faults.push(event))
    breaker.on('transition', () => {})
    await expect(breaker.execute(succeed)).resolves.toBe('up')
    await failOnce(breaker)
    breaker.reset()
    expect([breaker.state, breaker.metrics.failures]).toEqual(['closed', 0])
    expect(faults).toEqual(['trip', 'trip', 'trip', 'trip'])
  })

  it('that measures without an opinion on slow probes lets a good one be good', async () => {
    const breaker = brittle({
      trip: ruleOf({ measured: true, record: (failed: boolean) => failed }),
      failureThreshold: undefined as never,
      successThreshold: 1,
    })
    const faults = vi.fn()
    breaker.on('error', faults)
    await failOnce(breaker)
    await after(1_000, breaker)
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
    expect(faults).not.toHaveBeenCalled()
  })

  it('that does not measure is asked about the time of no probe', async () => {
    const tooSlow = vi.fn(() => true)
    const breaker = brittle({
      trip: ruleOf({ record: (failed: boolean) => failed, tooSlow }),
      failureThreshold: undefined as never,
      successThreshold: 1,
    })
    await failOnce(breaker)
    await after(1_000, breaker)
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
    expect(tooSlow).not.toHaveBeenCalled()
  })

  it('that throws at a good probe lets it be good', async () => {
    const breaker = brittle({
      trip: ruleOf({ measured: true, record: (failed: boolean) => failed, tooSlow: bug }),
      failureThreshold: undefined as never,
      successThreshold: 1,
    })
    const faults: string[] = []
    breaker.on('error', ({ event }) => faults.push(event))
    await failOnce(breaker)
    await after(1_000, breaker)
    await breaker.execute(succeed)
    expect([breaker.state, faults]).toEqual(['closed', ['trip']])
  })

  it('is told the time and the duration only when it asks for them', async () => {
    const seen: unknown[] = []
    const record = (...args: unknown[]): boolean => {
      seen.push(args)
      return false
    }
    await vi.advanceTimersByTimeAsync(50)
    const clock = new FakeClock(50)
    for (const memory of [{}, { timed: true }, { measured: true }]) {
      const breaker = new CircuitBreaker({ trip: ruleOf({ record, ...memory }), clock })
      const permit = breaker.tryAcquire()
      await clock.advance(7)
      permit?.failure()
    }
    expect(seen).toEqual([
      [true, 0, 0],
      [true, 64, 0],
      [true, 71, 7],
    ])
  })

  it('is told of no negative duration when the clock goes back', () => {
    const seen: unknown[] = []
    let now = 1_000
    const record = (...args: unknown[]): boolean => seen.push(args) < 0
    const breaker = new CircuitBreaker({ trip: ruleOf({ measured: true, record }), clock: { now: () => now } })
    const permit = breaker.tryAcquire()
    now = 400
    permit?.success()
    expect(seen).toEqual([[false, 400, 0]])
  })

  it('hears in anyOf also of the call that made another rule trip', () => {
    const [first, second] = [vi.fn(() => true), vi.fn(() => true)]
    const breaker = new CircuitBreaker({ trip: anyOf(ruleOf({ record: first }), ruleOf({ record: second })) })
    breaker.tryAcquire()?.failure()
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1])
  })

  it('may count without knowing of slow calls', () => {
    expect(new CircuitBreaker({ trip: ruleOf({}) }).metrics).toMatchObject({ successes: 1, failures: 2, slow: 0 })
  })
})

describe('info', () => {
  it('says in plain words what a breaker does, and how far back it looks', () => {
    expect(new CircuitBreaker({ name: 'orders' }).info).toEqual({
      kind: 'breaker',
      name: 'orders',
      summary: 'opens at 5 consecutive failures, for 60 s; closes after 3 successful probes',
      windowMs: undefined,
    })
    expect(new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 250, successThreshold: 1 }).info.summary).toBe(
      'opens at the first failure, for 250 ms; closes after 1 successful probe',
    )
    expect(new CircuitBreaker({ recoveryTimeoutMs: 500 }).info.summary).toContain('for 500 ms;')
    const single = { trip: failureRate({ windowCalls: 1 }), halfOpen: { sampleSize: 1 } }
    expect(new CircuitBreaker(single).info.summary).toBe(
      'opens at 50 % failures over the last call, for 60 s; closes after 1 probe of which fewer than 50 % failed',
    )
    const trip = failureRate({ threshold: 0.25, windowMs: 5_000 })
    expect(new CircuitBreaker({ trip, recoveryTimeoutMs: 1_500 }).info).toMatchObject({
      summary: 'opens at 25 % failures over 5000 ms, for 1.5 s; closes after 3 successful probes',
      windowMs: 5_000,
    })
    expect(slowCallRate({ thresholdMs: 20, rate: 0.1 })).toMatchObject({
      name: '10 % slower than 20 ms over 10000 ms',
      windowMs: 10_000,
    })
  })

  it('says how it recovers', () => {
    const breaker = new CircuitBreaker({
      recoveryBackoff: { name: 'mine', delayMs: () => 1 },
      mode: 'dry-run',
      halfOpen: { sampleSize: 10, failureRatio: 0.333 },
      readmission: { durationMs: 30_000 },
    })
    expect(breaker.info.summary).toBe(
      'opens at 5 consecutive failures, for a time that grows (mine); closes after 10 probes of which fewer than 33.3 % failed and 30 s of readmission from 10 % of the calls (dry-run)',
    )
  })

  it('is made once, and again when something changed', () => {
    const breaker = new CircuitBreaker()
    expect(breaker.info).toBe(breaker.info)
    breaker.configure({ recoveryTimeoutMs: 1_001 })
    expect(breaker.info.summary).toContain('for 1001 ms')
    expect(Object.isFrozen(breaker.info)).toBe(true)
  })
})

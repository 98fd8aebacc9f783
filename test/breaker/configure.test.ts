import {
  anyOf,
  CircuitBreaker,
  type CircuitBreakerOptions,
  consecutiveFailures,
  failureRate,
  slowCallRate,
} from 'gateless/breaker'
import { fixedBackoff } from 'gateless/retry'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BREAKER_DEFAULTS, patchBreakerOptions, readBreakerOptions } from '../../src/breaker/options.ts'
import { after, brittle, halfOpen, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('configure', () => {
  it('changes what it names and leaves the rest', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2, recoveryTimeoutMs: 1_000, successThreshold: 1 })
    breaker.configure({ recoveryTimeoutMs: 5_000 })
    await trip(breaker, 2)
    expect(breaker.retryAfterMs).toBe(5_000)
    await after(5_000, breaker)
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
  })

  it('keeps the failures counted so far under another threshold', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 5 })
    await trip(breaker, 3)
    breaker.configure({ failureThreshold: 4 })
    expect(breaker.metrics.failures).toBe(3)
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('opens at the next failure when there were more than enough, not before', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 5 })
    await trip(breaker, 4)
    breaker.configure({ failureThreshold: 2 })
    expect([breaker.state, breaker.metrics.failures]).toEqual(['closed', 1])
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('keeps the count when the threshold is named as it was', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 })
    await trip(breaker)
    breaker.configure({ failureThreshold: 2 })
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it.each([
    ['time', { windowMs: 5_000 }],
    ['calls', { windowCalls: 50 }],
  ])('keeps a window of %s under another threshold and minimum', async (_, window) => {
    const breaker = new CircuitBreaker({ trip: failureRate({ ...window, minimumCalls: 50 }) })
    await trip(breaker, 3)
    breaker.configure({ trip: failureRate({ ...window, minimumCalls: 4, threshold: 0.9 }) })
    expect(breaker.metrics.failures).toBe(3)
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it.each([
    ['length', failureRate({ windowMs: 6_000 })],
    ['kind', failureRate({ windowCalls: 50 })],
    ['rule', consecutiveFailures()],
    ['measure', slowCallRate({ thresholdMs: 5, windowMs: 5_000 })],
  ])('starts an empty window when its %s changes', async (_, rule) => {
    const breaker = new CircuitBreaker({ trip: failureRate({ windowMs: 5_000 }) })
    await trip(breaker, 3)
    breaker.configure({ trip: rule })
    expect(breaker.metrics.failures).toBe(0)
  })

  it('starts an empty window when the number of calls or the threshold of slowness changes', async () => {
    const byCalls = new CircuitBreaker({ trip: failureRate({ windowCalls: 50 }) })
    await trip(byCalls, 3)
    byCalls.configure({ trip: failureRate({ windowCalls: 51 }) })
    expect(byCalls.metrics.failures).toBe(0)
    const slow = new CircuitBreaker({ trip: slowCallRate({ thresholdMs: 5, windowCalls: 50 }) })
    await trip(slow, 3)
    slow.configure({ trip: slowCallRate({ thresholdMs: 6, windowCalls: 50 }) })
    expect(slow.metrics.failures).toBe(0)
  })

  it('starts to count anew when failures in a row take the place of a window of calls', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ windowCalls: 50 }) })
    await trip(breaker, 3)
    breaker.configure({ failureThreshold: 4 })
    expect(breaker.metrics.failures).toBe(0)
  })

  it("leaves a user's rule alone unless it names another, which need not be able to take over", async () => {
    const create = vi.fn(() => {
      let failures = 0
      return {
        timed: false,
        record: (failed: boolean) => (failures += Number(failed)) >= 2,
        reset: () => {},
        counts: () => ({ successes: 0, failures }),
        save: () => undefined,
        restore: () => {},
      }
    })
    const breaker = new CircuitBreaker({ trip: { name: 'mine', create } })
    await trip(breaker)
    breaker.configure({ recoveryTimeoutMs: 5 })
    expect([create.mock.calls.length, breaker.metrics.failures]).toEqual([1, 1])
    breaker.configure({ trip: { name: 'also mine', create } })
    expect([create.mock.calls.length, breaker.metrics.failures]).toEqual([2, 0])
  })

  it('hands windows over into and out of anyOf, to one heir each', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ windowCalls: 50, minimumCalls: 50 }) })
    await trip(breaker, 3)
    const rate = (minimumCalls: number) => failureRate({ windowCalls: 50, minimumCalls })
    breaker.configure({ trip: anyOf(rate(49), rate(48), consecutiveFailures({ failureThreshold: 9 })) })
    expect(breaker.metrics.failures).toBe(3)
    await trip(breaker)
    expect(breaker.metrics.failures).toBe(4)
    breaker.configure({ trip: rate(40) })
    expect(breaker.metrics.failures).toBe(4)
  })

  it('does not give a rule a second window over its own', async () => {
    const rate = (minimumCalls: number) => failureRate({ windowCalls: 50, minimumCalls })
    const breaker = new CircuitBreaker({ trip: anyOf(rate(50), rate(49)) })
    await trip(breaker, 2)
    breaker.configure({ trip: rate(48) })
    expect(breaker.metrics.failures).toBe(2)
    await trip(breaker)
    expect(breaker.metrics.failures).toBe(3)
  })

  it('replaces one way to open by the other', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    breaker.configure({ trip: failureRate({ windowCalls: 2 }) })
    await trip(breaker)
    expect(breaker.state).toBe('closed')
    breaker.configure({ failureThreshold: 1 })
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('leaves the time of a breaker that is open alone', async () => {
    const breaker = brittle()
    await trip(breaker)
    breaker.configure({ recoveryTimeoutMs: 10 })
    expect(breaker.retryAfterMs).toBe(1_000)
  })

  it('switches between a fixed open time and one that grows, and keeps the row', async () => {
    const breaker = brittle()
    await trip(breaker)
    await after(1_000, breaker)
    breaker.configure({ recoveryBackoff: fixedBackoff({ delayMs: 70 }) })
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([70, 2])
    await after(70, breaker)
    breaker.configure({ recoveryTimeoutMs: 30 })
    await trip(breaker)
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([30, 3])
    await after(30, breaker)
    breaker.configure({ classify: () => 'failure' })
    await trip(breaker)
    expect(breaker.retryAfterMs).toBe(30)
  })

  it('changes how a half-open breaker judges while it is half-open', async () => {
    const breaker = await halfOpen()
    breaker.configure({ halfOpen: { sampleSize: 10 } })
    await trip(breaker)
    expect(breaker.state).toBe('half-open')
    breaker.configure({ halfOpen: { failureRatio: 0.1 } })
    await trip(breaker)
    expect(breaker.state).toBe('open')
    await after(1_000, breaker)
    breaker.configure({ successThreshold: 1 })
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
  })

  it('leaves the half-open options that it does not name', async () => {
    const breaker = await halfOpen({ halfOpen: { probes: 2, maxMs: 500, whenBusy: 'queue', maxQueue: 1 } })
    breaker.configure({ halfOpen: { probeTimeoutMs: 10_000 } })
    expect([breaker.tryAcquire(), breaker.tryAcquire(), breaker.tryAcquire()].map(Boolean)).toEqual([true, true, false])
    const waiting = breaker.execute(succeed).catch(() => 'refused')
    await expect(breaker.execute(succeed)).rejects.toThrow('half-open')
    await after(500, breaker)
    expect([await waiting, breaker.state]).toEqual(['refused', 'open'])
    breaker.configure({ halfOpen: { maxMs: false, whenBusy: 'reject' } })
    await after(1_000, breaker)
    breaker.tryAcquire()
    breaker.tryAcquire()
    await expect(breaker.execute(succeed)).rejects.toThrow('half-open')
    expect(await after(5_000, breaker)).toBe('half-open')
  })

  it('makes the queue as long as it says, and a hundred when there was none', async () => {
    const breaker = await halfOpen({ halfOpen: { maxQueue: 1 }, successThreshold: 1 })
    const probe = breaker.tryAcquire()
    breaker.configure({ halfOpen: { whenBusy: 'queue' } })
    const calls = [1, 2].map(() => breaker.execute(succeed))
    expect(breaker.metrics.waiting).toBe(2)
    probe?.success()
    await Promise.all(calls)
  })

  it('begins a readmission at the next recovery', async () => {
    const breaker = await halfOpen({ successThreshold: 1 })
    breaker.configure({ readmission: { durationMs: 500, initialShare: 0 } })
    await breaker.execute(succeed)
    expect([breaker.state, breaker.metrics.admittedShare]).toEqual(['half-open', 0])
  })

  it('does not lose a call whose time is taken to a rule that was not there when it began', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 9 })
    const permit = breaker.tryAcquire()
    breaker.configure({ trip: slowCallRate({ thresholdMs: 5, windowCalls: 1 }) })
    vi.advanceTimersByTime(100)
    permit?.success()
    expect(breaker.metrics).toMatchObject({ successes: 1, slow: 0 })
  })

  it.each([
    [{ recoveryTimeoutMs: -1 }, RangeError, 'CircuitBreaker: configure: recoveryTimeoutMs must be'],
    [{ name: 'other' }, TypeError, 'CircuitBreaker: configure: unknown option "name"'],
    [{ mode: 'isolated' }, TypeError, 'unknown option "mode"'],
    [{ clock: {} }, TypeError, 'unknown option "clock"'],
    [{ random: () => 0 }, TypeError, 'unknown option "random"'],
    [{ failureThreshold: 3, trip: failureRate() }, RangeError, 'left out when trip is given'],
    [{ failureThreshold: 3, halfOpen: { probes: 0 } }, RangeError, 'probes must be'],
    [null, TypeError, 'options must be an object'],
  ])('refuses %j, and then changes nothing', async (patch, kind, message) => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const { info } = breaker
    expect(() => breaker.configure(patch as never)).toThrow(kind)
    expect(() => breaker.configure(patch as never)).toThrow(message)
    expect(breaker.info).toBe(info)
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })
})

describe('breakers made from the same options', () => {
  it('are apart all the same: what one is told to change, the other does not', async () => {
    const options = { failureThreshold: 1, halfOpen: { sampleSize: 4 }, readmission: { durationMs: 10 } }
    const [a, b] = [new CircuitBreaker(options), new CircuitBreaker(options)]
    a.configure({ failureThreshold: 5 })
    await trip(a)
    await trip(b)
    expect([a.state, b.state]).toEqual(['closed', 'open'])
  })

  it('share what they were told, as long as nobody else came in between', () => {
    const options = { failureThreshold: 7, halfOpen: { sampleSize: 4 }, readmission: { durationMs: 10 } }
    const settingsOf = (given: CircuitBreakerOptions): object => readBreakerOptions(given).settings
    const first = settingsOf(options)
    expect(settingsOf(structuredClone(options))).toBe(first)
    expect(settingsOf({})).toMatchObject({ maxQueue: 0, mode: 'normal', failureThreshold: 5 })
    expect(settingsOf({ ...options, failureThreshold: 8 })).not.toBe(first)
    expect(settingsOf({ trip: failureRate() })).not.toBe(settingsOf({ trip: failureRate() }))
    expect(settingsOf({ random: () => 0 })).not.toBe(settingsOf({ random: () => 0 }))
  })

  it('have one rule for one number of failures, by default or by name', () => {
    const base = readBreakerOptions({ failureThreshold: 7 }).settings
    expect(readBreakerOptions({ failureThreshold: 5 }).settings.trip).toBe(BREAKER_DEFAULTS.trip)
    expect(patchBreakerOptions({ failureThreshold: 7 }, base).trip).toBe(base.trip)
  })

  it('differ where their options do, however little', async () => {
    const samples = [4, undefined, 5].map((sampleSize) => {
      return new CircuitBreaker({ halfOpen: sampleSize === undefined ? {} : { sampleSize } }).info.summary
    })
    expect(samples.map((summary) => /after (.*)/.exec(summary as string)?.[1])).toEqual([
      '4 probes of which fewer than 50 % failed',
      '3 successful probes',
      '5 probes of which fewer than 50 % failed',
    ])
  })
})

import { CircuitBreaker, type CircuitBreakerOptions, failureRate } from 'gateless/breaker'
import { linearBackoff } from 'gateless/retry'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../src/time/random.ts'
import { after, halfOpen, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A breaker whose probe just succeeded, so that it lets a tenth of the calls in, and more from then on. */
async function readmitting(options: CircuitBreakerOptions = {}): Promise<CircuitBreaker> {
  const breaker = await halfOpen({
    name: 'orders',
    successThreshold: 1,
    readmission: { durationMs: 10_000 },
    ...options,
  })
  await breaker.execute(succeed)
  return breaker
}

const admitted = (breaker: CircuitBreaker, calls: number): number =>
  Array.from({ length: calls }, () => breaker.tryAcquire()).filter((permit) => permit !== undefined).length

describe('readmission', () => {
  it('begins with a tenth of the calls and ends with all of them, closed', async () => {
    const breaker = await readmitting({ random: seededRandom(7) })
    const shares: number[] = []
    for (let i = 0; i < 5; i += 1) {
      expect(breaker.state).toBe('half-open')
      shares.push(breaker.metrics.admittedShare)
      const expected = breaker.metrics.admittedShare * 2_000
      const count = admitted(breaker, 2_000)
      expect(Math.abs(count - expected)).toBeLessThan(100)
      await vi.advanceTimersByTimeAsync(2_000)
    }
    expect(shares.map((share) => share.toFixed(2))).toEqual(['0.10', '0.28', '0.46', '0.64', '0.82'])
    expect([breaker.state, breaker.metrics.admittedShare]).toEqual(['closed', 1])
  })

  it('admits by the draw: below the share, not at it', async () => {
    const draws = [0.0999, 0.1]
    const breaker = await readmitting({ random: () => draws.shift() as number })
    expect(breaker.tryAcquire()).toBeDefined()
    expect(breaker.tryAcquire()).toBeUndefined()
  })

  it('draws nothing while it is closed, open or probing', async () => {
    const random = vi.fn(() => 0)
    const breaker = await halfOpen({ successThreshold: 1, random, readmission: { durationMs: 100 } })
    await breaker.execute(succeed)
    expect(random).not.toHaveBeenCalled()
    await breaker.execute(succeed)
    expect(random).toHaveBeenCalledTimes(1)
  })

  it('starts where it is told, and takes the steps it is told', async () => {
    const breaker = await readmitting({ readmission: { durationMs: 1_000, initialShare: 0.5, steps: 2 } })
    const shares: number[] = []
    for (const ms of [0, 499, 1, 499]) {
      await vi.advanceTimersByTimeAsync(ms)
      shares.push(breaker.metrics.admittedShare)
    }
    expect(shares).toEqual([0.5, 0.5, 0.75, 0.75])
  })

  it('refuses the others, saying so, without a time to come back', async () => {
    const breaker = await readmitting({ random: () => 0.99 })
    await expect(breaker.execute(succeed)).rejects.toMatchObject({
      code: 'ERR_GATELESS_CIRCUIT_OPEN',
      message: 'orders is half-open, and lets only a share of the calls in',
      retryAfterMs: undefined,
    })
    const refusal = breaker.admit() as { error(): Error }
    expect(refusal.error().message).toContain('only a share')
  })

  it('opens again when the rule trips, as one more failed recovery in the row', async () => {
    const reasons: string[] = []
    const breaker = await readmitting({
      failureThreshold: 2,
      random: () => 0,
      recoveryBackoff: linearBackoff({ stepMs: 1_000 }),
    }).catch(() => undefined)
    // Two failures trip it: the first spell needs one more.
    expect(breaker?.state).toBe('closed')
    const ramp = await readmitting({ random: () => 0, recoveryBackoff: linearBackoff({ stepMs: 1_000 }) })
    ramp.on('transition', ({ from, to, reason }) => reasons.push(`${from} > ${to}: ${reason}`))
    await trip(ramp)
    expect(reasons).toEqual(['half-open > open: readmission-failed'])
    expect([ramp.retryAfterMs, ramp.metrics.trips]).toEqual([2_000, 2])
  })

  it('tolerates failures that do not trip the rule, from a clean start', async () => {
    const breaker = await halfOpen({
      failureThreshold: 1,
      successThreshold: 1,
      random: () => 0,
      readmission: { durationMs: 10_000 },
    })
    breaker.configure({ trip: failureRate({ windowCalls: 4, minimumCalls: 4 }) })
    await breaker.execute(succeed)
    await trip(breaker, 1)
    for (let i = 0; i < 3; i += 1) await breaker.execute(succeed)
    expect(breaker.state).toBe('half-open')
    expect(breaker.metrics).toMatchObject({ successes: 3, failures: 1 })
  })

  it('keeps what it counted when it closes, but for calls that are still out', async () => {
    const breaker = await readmitting({ random: () => 0 })
    breaker.configure({ failureThreshold: 2 })
    const late = breaker.tryAcquire()
    await trip(breaker)
    expect(await after(10_000, breaker)).toBe('closed')
    late?.failure()
    expect(breaker.state).toBe('closed')
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('tells of the end, not of its beginning', async () => {
    const reasons: string[] = []
    const breaker = await halfOpen({ successThreshold: 1, readmission: { durationMs: 1_000 } })
    breaker.on('transition', ({ from, to, reason }) => reasons.push(`${from} > ${to}: ${reason}`))
    await breaker.execute(succeed)
    await after(1_000, breaker)
    expect(reasons).toEqual(['open > half-open: waited', 'half-open > closed: readmitted'])
  })

  it('lets in of those who wait for probes as many as its share says, and refuses the others', async () => {
    const draws = [0, 0.99]
    const breaker = await halfOpen({
      successThreshold: 1,
      random: () => draws.shift() as number,
      readmission: { durationMs: 1_000 },
      halfOpen: { whenBusy: 'queue' },
    })
    const probe = breaker.tryAcquire()
    const calls = [1, 2].map(() => breaker.execute(succeed).catch((error: Error) => error.message))
    probe?.success()
    expect(await Promise.all(calls)).toEqual(['up', expect.stringContaining('only a share')])
  })

  it('ends at once when it is switched off', async () => {
    const breaker = await readmitting()
    breaker.configure({ readmission: false })
    expect(breaker.state).toBe('closed')
  })

  it('counts as half-open in a snapshot: the next process probes', async () => {
    const breaker = await readmitting()
    expect(breaker.snapshot()).toMatchObject({ state: 'half-open', probeAt: null, trips: 1 })
    const restored = CircuitBreaker.restore(breaker.snapshot())
    expect([restored.state, restored.metrics.admittedShare]).toEqual(['half-open', 0])
  })

  it.each([
    [{}, 'CircuitBreaker: readmission: durationMs must be given, in milliseconds, got undefined'],
    [{ durationMs: 0 }, 'durationMs must be a finite number from 1'],
    [{ durationMs: 5, initialShare: -0.1 }, 'initialShare must be a finite number from 0 up to 1, got -0.1'],
    [{ durationMs: 5, initialShare: 1.1 }, 'initialShare must be a finite number from 0 up to 1, got 1.1'],
    [{ durationMs: 5, steps: 0 }, 'steps must be an integer from 1, got 0'],
    [{ durationMs: 5, steps: 1.5 }, 'steps must be an integer from 1, got 1.5'],
    [{ durationMs: 5, share: 1 }, 'CircuitBreaker: readmission: unknown option "share"'],
    [true, 'CircuitBreaker: readmission: options must be an object, got true'],
  ])('refuses %j', (readmission, message) => {
    expect(() => new CircuitBreaker({ readmission: readmission as never })).toThrow(message)
  })
})

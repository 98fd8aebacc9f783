import { CircuitBreaker, KeyedBreakers, type CircuitOpenError, failureRate } from 'gateless/breaker'
import { exponentialBackoff } from 'gateless/retry'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { brittle, fail, halfOpen, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('transitions', () => {
  it.each([
    ['no open time', { recoveryTimeoutMs: 0 }],
    ['a jitter that draws none', { recoveryBackoff: exponentialBackoff({ jitter: 'full' }), random: () => 0 }],
  ])('are told in their order with %s', async (_, options) => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, successThreshold: 1, ...options })
    const heard: unknown[] = []
    breaker.on('transition', ({ from, to, metrics }) => heard.push(`${from}>${to} ${metrics.admittedShare}`))
    await trip(breaker)
    expect(heard).toEqual(['closed>open 0'])
    await breaker.execute(succeed)
    expect(heard).toEqual(['closed>open 0', 'open>half-open 0', 'half-open>closed 1'])
  })

  it('are told in their order by a set', async () => {
    const keyed = new KeyedBreakers({ breaker: { failureThreshold: 1, recoveryTimeoutMs: 0 } })
    const heard: unknown[] = []
    keyed.on('transition', ({ key, from, to }) => heard.push(`${key} ${from}>${to}`))
    await keyed.execute(fail, { key: 'a' }).catch(() => {})
    expect(keyed.get('a').state).toBe('half-open')
    expect(heard).toEqual(['a closed>open', 'a open>half-open'])
  })

  it('carry the counts of the rule before it forgets them, and all else as of the state entered', async () => {
    const rule = failureRate({ windowCalls: 4, minimumCalls: 2 })
    const breaker = new CircuitBreaker({ trip: rule, recoveryTimeoutMs: 100, successThreshold: 1 })
    const heard: unknown[] = []
    breaker.on('transition', ({ metrics }) => {
      const { successes, failures, trips, admittedShare, probesInFlight } = metrics
      heard.push([successes, failures, trips, admittedShare, probesInFlight])
    })
    await breaker.execute(succeed)
    await breaker.execute(fail).catch(() => {})
    await vi.advanceTimersByTimeAsync(100)
    await breaker.execute(succeed)
    expect(heard).toEqual([
      [1, 1, 1, 0, 0],
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0],
    ])
    expect(breaker.metrics).toMatchObject({ successes: 0, failures: 0 })
  })

  it.each([
    ['dry-run', 1],
    ['isolated', 0],
  ] as const)('carry the share that %s lets in', (mode, share) => {
    const breaker = brittle()
    const permit = breaker.tryAcquire()
    breaker.setMode(mode)
    const heard: unknown[] = []
    breaker.on('transition', ({ to, metrics }) => heard.push([to, metrics.admittedShare]))
    permit?.failure()
    expect(heard).toEqual([['open', share]])
  })
})

describe('when to come back', () => {
  /** What a refused caller is told: by the event, by the error and by the breaker. */
  async function told(breaker: CircuitBreaker): Promise<unknown[]> {
    const heard: unknown[] = []
    const stop = breaker.on('rejected', ({ retryAfterMs }) => heard.push(retryAfterMs))
    const error = (await breaker.execute(succeed).catch((refusal: unknown) => refusal)) as CircuitOpenError
    stop()
    return [...heard, error.retryAfterMs, breaker.retryAfterMs]
  }

  it('is the same in the event, the error and the breaker while it is open', async () => {
    const breaker = brittle()
    await trip(breaker)
    await vi.advanceTimersByTimeAsync(0.5)
    expect(await told(breaker)).toEqual([1_000, 1_000, 1_000])
  })

  it('is known to nobody while all probes are taken', async () => {
    const breaker = await halfOpen({ halfOpen: { probes: 2 } })
    expect(breaker.retryAfterMs).toBe(0)
    const probes = [breaker.tryAcquire()]
    expect(breaker.retryAfterMs).toBe(0)
    probes.push(breaker.tryAcquire())
    expect(await told(breaker)).toEqual([undefined, undefined, undefined])
    for (const probe of probes) probe?.ignore()
    expect(breaker.retryAfterMs).toBe(0)
  })

  it('is now once a probe hangs for long enough to lose its slot', async () => {
    const breaker = await halfOpen({ halfOpen: { probeTimeoutMs: 200 } })
    breaker.tryAcquire()
    await vi.advanceTimersByTimeAsync(199)
    expect(breaker.retryAfterMs).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.retryAfterMs).toBe(0)
  })

  it('is known to nobody while only a share is let in', async () => {
    const breaker = await halfOpen({ successThreshold: 1, readmission: { durationMs: 1_000 }, random: () => 0.99 })
    await breaker.execute(succeed)
    expect(await told(breaker)).toEqual([undefined, undefined, undefined])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.retryAfterMs).toBe(0)
  })

  it('is known to nobody while it is isolated', async () => {
    const breaker = brittle({ mode: 'isolated' })
    expect(await told(breaker)).toEqual([undefined, undefined, undefined])
  })

  it('is what a dry run reports as well', async () => {
    const breaker = await halfOpen({ mode: 'dry-run' })
    const probe = breaker.tryAcquire()
    const heard: unknown[] = []
    breaker.on('would-reject', (event) => heard.push(event))
    await breaker.execute(succeed)
    expect(heard).toEqual([{ state: 'half-open', mode: 'dry-run', retryAfterMs: undefined }])
    probe?.ignore()
  })
})

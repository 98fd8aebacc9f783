import { CircuitBreaker } from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { after, brittle, fail, halfOpen, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('isolated', () => {
  it('refuses everything until another mode, and then is what it was before', async () => {
    const breaker = brittle({ name: 'orders' })
    breaker.isolate()
    const error = await breaker.execute(succeed).catch((refusal: unknown) => refusal)
    expect(error).toMatchObject({ message: 'orders is isolated', retryAfterMs: undefined, local: true })
    expect([breaker.state, breaker.metrics.admittedShare, breaker.metrics.rejected]).toEqual(['closed', 0, 1])
    breaker.setMode('normal')
    await expect(breaker.execute(succeed)).resolves.toBe('up')
  })

  it('still counts what was admitted before', async () => {
    const breaker = brittle()
    const permit = breaker.tryAcquire()
    breaker.isolate()
    permit?.failure()
    expect(breaker.state).toBe('open')
  })
})

describe('disabled', () => {
  it('admits everything, and takes note of nothing', async () => {
    const breaker = brittle({ failureThreshold: 2 })
    await trip(breaker)
    breaker.setMode('disabled')
    await trip(breaker, 10)
    await breaker.execute(succeed)
    expect([breaker.state, breaker.metrics.failures, breaker.metrics.admittedShare]).toEqual(['closed', 1, 1])
    breaker.setMode('normal')
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('admits also what is open, whose time goes on', async () => {
    const breaker = brittle()
    await trip(breaker)
    breaker.setMode('disabled')
    await expect(breaker.execute(succeed)).resolves.toBe('up')
    expect(breaker.state).toBe('open')
    expect(await after(1_000, breaker)).toBe('half-open')
    for (let i = 0; i < 5; i += 1) await breaker.execute(succeed)
    expect([breaker.state, breaker.metrics.probesInFlight]).toEqual(['half-open', 0])
  })

  it('admitted what counts for nothing, also when that ends in another mode', () => {
    const breaker = brittle()
    breaker.setMode('disabled')
    const permit = breaker.tryAcquire()
    breaker.setMode('normal')
    permit?.failure()
    expect(breaker.state).toBe('closed')
  })

  it('takes nothing for a call that it would reject', async () => {
    const breaker = brittle()
    await trip(breaker)
    breaker.setMode('disabled')
    expect(breaker.tryAcquire()).toBeDefined()
    expect(breaker.metrics.wouldReject).toBe(0)
  })

  it('does not take what it admitted for one of the probes', async () => {
    const breaker = await halfOpen({ halfOpen: { probes: 3 } })
    for (let i = 0; i < 3; i += 1) breaker.tryAcquire()
    breaker.setMode('disabled')
    const permit = breaker.tryAcquire()
    breaker.setMode('normal')
    permit?.failure()
    expect([breaker.state, breaker.metrics.probesInFlight]).toEqual(['half-open', 3])
  })

  it('drops also what was admitted before, and gives a probe its slot back', async () => {
    const breaker = await halfOpen()
    const probe = breaker.tryAcquire()
    breaker.setMode('disabled')
    probe?.failure()
    expect([breaker.state, breaker.metrics.probesInFlight]).toEqual(['half-open', 0])
  })
})

describe('dry-run', () => {
  it('opens, tells, and lets everybody in', async () => {
    const breaker = brittle({ mode: 'dry-run' })
    const seen: unknown[] = []
    breaker.on('transition', ({ to }) => seen.push(to))
    breaker.on('would-reject', (event) => seen.push(event))
    breaker.on('rejected', () => seen.push('rejected'))
    await trip(breaker)
    await vi.advanceTimersByTimeAsync(400)
    await expect(breaker.execute(succeed)).resolves.toBe('up')
    expect(seen).toEqual(['open', { state: 'open', mode: 'dry-run', retryAfterMs: 600 }])
    expect(breaker.metrics).toMatchObject({ wouldReject: 1, rejected: 0, admittedShare: 1 })
  })

  it('counts nothing of what it would have rejected', async () => {
    const breaker = brittle({ mode: 'dry-run', successThreshold: 1 })
    await trip(breaker)
    await vi.advanceTimersByTimeAsync(1_000)
    const probe = breaker.tryAcquire()
    for (const settle of ['success', 'failure', 'ignore'] as const) breaker.tryAcquire()?.[settle]()
    expect([breaker.state, breaker.metrics.wouldReject, breaker.metrics.probesInFlight]).toEqual(['half-open', 3, 1])
    probe?.success()
    expect(breaker.state).toBe('closed')
  })

  it('rejects as soon as it is normal', async () => {
    const breaker = brittle({ mode: 'dry-run' })
    await trip(breaker)
    breaker.setMode('normal')
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ code: 'ERR_GATELESS_CIRCUIT_OPEN' })
  })

  it('admits in a pipeline as well', async () => {
    const breaker = brittle({ mode: 'dry-run' })
    await trip(breaker)
    await expect(pipeline(breaker).execute(succeed)).resolves.toBe('up')
  })
})

describe('changing modes', () => {
  it('is told once, and only when there is a change', () => {
    const breaker = new CircuitBreaker()
    const seen: unknown[] = []
    breaker.on('mode', (event) => seen.push(event))
    breaker.setMode('normal')
    breaker.setMode('dry-run')
    breaker.setMode('dry-run')
    breaker.isolate()
    breaker.reset()
    expect(seen).toEqual([
      { from: 'normal', to: 'dry-run' },
      { from: 'dry-run', to: 'isolated' },
      { from: 'isolated', to: 'normal' },
    ])
  })

  it('goes back by a reset to the mode it was made with', () => {
    const breaker = new CircuitBreaker({ mode: 'dry-run' })
    breaker.isolate()
    breaker.reset()
    expect(breaker.mode).toBe('dry-run')
  })

  it('refuses a mode that there is not', () => {
    expect(() => new CircuitBreaker().setMode('off' as never)).toThrow(
      "CircuitBreaker: mode must be one of 'normal', 'isolated', 'disabled', 'dry-run', got \"off\"",
    )
    expect(() => new CircuitBreaker().setMode(undefined as never)).toThrow('mode must be one of')
    expect(() => new CircuitBreaker({ mode: 'off' as never })).toThrow('mode must be one of')
  })

  it.each(['isolated', 'disabled', 'dry-run'] as const)('%s survives a snapshot', (mode) => {
    const breaker = new CircuitBreaker()
    breaker.setMode(mode)
    const restored = CircuitBreaker.restore(JSON.parse(JSON.stringify(breaker.snapshot())))
    expect(restored.mode).toBe(mode)
    restored.reset()
    expect(restored.mode).toBe('normal')
  })
})

describe('a reset', () => {
  it('is a transition, and forgets what was counted', async () => {
    const breaker = brittle({ failureThreshold: 2 })
    await trip(breaker, 2)
    const seen: unknown[] = []
    breaker.on('transition', ({ from, to, reason }) => seen.push([from, to, reason]))
    breaker.reset()
    breaker.reset()
    expect(seen).toEqual([['open', 'closed', 'reset']])
    expect(breaker.metrics).toMatchObject({ failures: 0, trips: 0 })
    await expect(breaker.execute(fail)).rejects.toThrow('down')
    expect(breaker.state).toBe('closed')
  })
})

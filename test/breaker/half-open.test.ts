import { CircuitBreaker, CircuitOpenError, type HalfOpenOptions } from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { timeout } from 'gateless/limits'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { after, brittle, fail, halfOpen, hang, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

it('work that queues behind the probe it is part of waits until that probe loses its slot', async () => {
  const breaker = await halfOpen({ halfOpen: { whenBusy: 'queue', probeTimeoutMs: 500 } })
  const done = vi.fn()
  const call = breaker.execute(() => breaker.execute(succeed)).then(done)
  await vi.advanceTimersByTimeAsync(499)
  expect(done).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  await call
  expect(done).toHaveBeenCalledWith('up')
})

describe('a sample of probes', () => {
  it('tolerates failures below its share', async () => {
    const breaker = await halfOpen({ halfOpen: { sampleSize: 4 } })
    await trip(breaker)
    for (let i = 0; i < 2; i += 1) await breaker.execute(succeed)
    expect(breaker.state).toBe('half-open')
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
  })

  it('opens at half of them unless told otherwise', async () => {
    const breaker = await halfOpen({ halfOpen: { sampleSize: 4 } })
    await trip(breaker)
    expect(breaker.state).toBe('half-open')
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })

  it('takes another share', async () => {
    const breaker = await halfOpen({ halfOpen: { sampleSize: 4, failureRatio: 0.75 } })
    await trip(breaker, 2)
    expect(breaker.state).toBe('half-open')
    await trip(breaker)
    expect(breaker.state).toBe('open')
  })
})

describe('a time limit for probing', () => {
  it('closes a quiet service whose few probes were good', async () => {
    const breaker = await halfOpen({ halfOpen: { maxMs: 5_000 } })
    await breaker.execute(succeed)
    expect(await after(4_999, breaker)).toBe('half-open')
    expect(await after(1, breaker)).toBe('closed')
  })

  it('opens one whose probes only hang, and that counts in the row', async () => {
    const breaker = await halfOpen({ halfOpen: { maxMs: 5_000 } })
    const reasons: string[] = []
    breaker.on('transition', ({ from, to, reason }) => reasons.push(`${from} > ${to}: ${reason}`))
    breaker.tryAcquire()
    expect(await after(5_000, breaker)).toBe('open')
    expect([breaker.retryAfterMs, breaker.metrics.trips]).toEqual([1_000, 2])
    expect(reasons).toEqual(['open > half-open: waited', 'half-open > open: half-open-expired'])
  })

  it('is none by default', async () => {
    const breaker = await halfOpen()
    await breaker.execute(succeed)
    expect(await after(24 * 3_600_000, breaker)).toBe('half-open')
  })
})

describe('a queue for probes', () => {
  const queueing = (options: HalfOpenOptions = {}): Promise<CircuitBreaker> =>
    halfOpen({ name: 'orders', successThreshold: 1, halfOpen: { whenBusy: 'queue', ...options } })

  it('lets those who waited in, first come, first served, when the breaker closes', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const order: number[] = []
    const calls = [1, 2, 3].map((n) => breaker.execute(() => order.push(n)))
    await after(100, breaker)
    expect([order, breaker.metrics.waiting]).toEqual([[], 3])
    probe?.success()
    await Promise.all(calls)
    expect([order, breaker.state, breaker.metrics.waiting]).toEqual([[1, 2, 3], 'closed', 0])
  })

  it('refuses them when it opens again, and says when to come back', async () => {
    const breaker = await queueing()
    const rejected = vi.fn()
    breaker.on('rejected', rejected)
    const probe = breaker.tryAcquire()
    const work = vi.fn(succeed)
    const calls = [1, 2].map(() => breaker.execute(work).catch((error: unknown) => error))
    probe?.failure()
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(CircuitOpenError)
      expect(error).toMatchObject({ message: 'orders is open', retryAfterMs: 1_000, breaker: 'orders' })
    }
    expect(work).not.toHaveBeenCalled()
    expect(breaker.metrics).toMatchObject({ rejected: 2, waiting: 0 })
    expect(rejected).toHaveBeenCalledTimes(2)
  })

  it('hands a slot that comes free to the one who came first', async () => {
    const breaker = await queueing({ probes: 1 })
    const probe = breaker.tryAcquire()
    const first = breaker.execute(hang, { timeoutMs: 700 })
    const second = breaker.execute(succeed)
    probe?.ignore()
    await after(0, breaker)
    expect(breaker.metrics).toMatchObject({ waiting: 1, probesInFlight: 1 })
    const failed = expect(first).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    const refused = expect(second).rejects.toBeInstanceOf(CircuitOpenError)
    await after(700, breaker)
    await failed
    await refused
  })

  it('makes probes of those who wait until there were enough', async () => {
    const breaker = await halfOpen({ successThreshold: 3, halfOpen: { whenBusy: 'queue' } })
    let most = 0
    let running = 0
    const work = async (): Promise<void> => {
      running += 1
      most = Math.max(most, breaker.state === 'half-open' ? running : 0)
      await Promise.resolve()
      running -= 1
    }
    await Promise.all([1, 2, 3, 4, 5].map(() => breaker.execute(work)))
    expect([breaker.state, most]).toEqual(['closed', 1])
  })

  it('is bounded: who comes too late is rejected at once', async () => {
    const breaker = await queueing({ maxQueue: 2 })
    const probe = breaker.tryAcquire()
    const waiting = [1, 2].map(() => breaker.execute(succeed))
    await expect(breaker.execute(succeed)).rejects.toThrow('orders is half-open, and all its probes are taken')
    expect(breaker.metrics).toMatchObject({ waiting: 2, rejected: 1 })
    probe?.success()
    await expect(Promise.all(waiting)).resolves.toEqual(['up', 'up'])
  })

  it('holds a hundred unless told otherwise', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const calls = Array.from({ length: 101 }, () => breaker.execute(succeed).catch(() => 'refused'))
    expect(breaker.metrics.waiting).toBe(100)
    probe?.success()
    expect((await Promise.all(calls)).filter((answer) => answer === 'refused')).toHaveLength(1)
  })

  it('is left at once by who gives up, also from its middle, and leaves no timer', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const [one, two] = [new AbortController(), new AbortController()]
    const order: string[] = []
    const first = breaker.execute(() => order.push('first'))
    const gone = breaker.execute(() => order.push('gone'), { signal: one.signal })
    const last = breaker.execute(() => order.push('last'), { signal: two.signal })
    one.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    expect(breaker.metrics.waiting).toBe(2)
    probe?.success()
    await Promise.all([first, last])
    expect(order).toEqual(['first', 'last'])
  })

  it('holds its timer only while somebody waits', async () => {
    const breaker = await queueing()
    breaker.tryAcquire()
    const caller = new AbortController()
    const call = breaker.execute(succeed, { signal: caller.signal })
    expect(vi.getTimerCount()).toBe(1)
    caller.abort(new Error('gone'))
    expect(vi.getTimerCount()).toBe(0)
    await expect(call).rejects.toThrow('gone')
  })

  it('keeps its timer for the others when one gives up', async () => {
    const breaker = await queueing({ probeTimeoutMs: 5_000 })
    breaker.tryAcquire()
    const caller = new AbortController()
    const gone = breaker.execute(succeed, { signal: caller.signal })
    const other = breaker.execute(succeed)
    caller.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(other).resolves.toBe('up')
  })

  it('leaves no listener with the scope of those it lets in or refuses, and ends no scope of others', async () => {
    for (const settle of ['success', 'failure'] as const) {
      const breaker = await queueing()
      const probe = breaker.tryAcquire()
      const scope = new CallScope({ timeoutMs: 60_000 })
      const listen = vi.spyOn(scope, 'listen')
      const unlisten = vi.spyOn(scope, 'unlisten')
      const waiting = breaker.admit(scope) as Promise<unknown>
      const call = breaker.execute(succeed, scope).catch(() => {})
      expect(listen).toHaveBeenCalledTimes(2)
      probe?.[settle]()
      await waiting.catch(() => {})
      expect(unlisten).toHaveBeenCalledTimes(2)
      await call
      expect(vi.getTimerCount()).toBe(1)
      scope.dispose()
    }
  })

  it('is not entered with a signal that is aborted already', async () => {
    const breaker = await queueing()
    breaker.tryAcquire()
    await expect(breaker.execute(succeed, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
    expect(breaker.metrics.waiting).toBe(0)
  })

  it('gives the slot back of who gives up in the moment he is admitted', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const caller = new AbortController()
    const work = vi.fn(succeed)
    const call = breaker.execute(work, { signal: caller.signal })
    probe?.ignore()
    caller.abort(new Error('gone'))
    await expect(call).rejects.toThrow('gone')
    expect(work).not.toHaveBeenCalled()
    expect(breaker.metrics.probesInFlight).toBe(0)
    expect(breaker.state).toBe('half-open')
  })

  it('ends with the time of a call, which is nobody else to blame for', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const call = expect(breaker.execute(succeed, { timeoutMs: 300 })).rejects.toMatchObject({ limit: 'total' })
    await after(300, breaker)
    await call
    expect(breaker.state).toBe('half-open')
    probe?.success()
  })

  it('is woken when a probe that hangs loses its slot, although nobody calls', async () => {
    const breaker = await queueing({ probeTimeoutMs: 5_000 })
    breaker.tryAcquire()
    const call = breaker.execute(succeed)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(breaker.metrics.waiting).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    await expect(call).resolves.toBe('up')
  })

  it('is woken when the time for probing is over', async () => {
    const breaker = await queueing({ maxMs: 2_000 })
    breaker.tryAcquire()
    const call = breaker.execute(succeed).catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await call).toBe('orders is open')
  })

  it('is not jumped by who comes when a slot is just free', async () => {
    const clock = new FakeClock()
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      recoveryTimeoutMs: 10,
      successThreshold: 1,
      clock,
      halfOpen: { whenBusy: 'queue', probeTimeoutMs: 1_000 },
    })
    await trip(breaker)
    await clock.advance(10)
    breaker.tryAcquire()
    const order: string[] = []
    const first = breaker.execute(() => order.push('first'))
    // The time is over, but the timer has not fired yet.
    vi.spyOn(clock, 'now').mockReturnValue(2_000)
    expect(breaker.tryAcquire()).toBeUndefined()
    await first
    expect(order).toEqual(['first'])
  })

  it('does not keep tryAcquire waiting', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    expect(breaker.tryAcquire()).toBeUndefined()
    expect(breaker.admit()).toMatchObject({ refused: true })
    probe?.ignore()
  })

  it('makes a pipeline wait as well, and judges what comes of it', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const call = pipeline(timeout({ timeoutMs: 5_000 }), breaker).execute(fail)
    const failed = expect(call).rejects.toThrow('down')
    await after(0, breaker)
    expect(breaker.metrics.waiting).toBe(1)
    probe?.success()
    await failed
    expect(breaker.state).toBe('open')
  })

  it('answers admit with a promise, or with a refusal when it is full', async () => {
    const breaker = await queueing({ maxQueue: 1 })
    const probe = breaker.tryAcquire()
    const waiting = breaker.admit(CallScope.idle)
    expect(waiting).toBeInstanceOf(Promise)
    const refusal = breaker.admit(CallScope.idle) as { error(): Error }
    expect(refusal.error()).toMatchObject({
      message: 'orders is half-open, and all its probes are taken',
      retryAfterMs: undefined,
    })
    probe?.success()
    ;((await waiting) as { success(): void }).success()
  })

  it('empties when the breaker is isolated, disabled or reset', async () => {
    for (const [release, expected] of [
      [(breaker: CircuitBreaker) => breaker.isolate(), 'orders is isolated'],
      [(breaker: CircuitBreaker) => breaker.setMode('disabled'), 'up'],
      [(breaker: CircuitBreaker) => breaker.setMode('dry-run'), 'up'],
      [(breaker: CircuitBreaker) => breaker.reset(), 'up'],
    ] as const) {
      const breaker = await queueing()
      breaker.tryAcquire()
      const call = breaker.execute(succeed).catch((error: Error) => error.message)
      await after(10, breaker)
      release(breaker)
      expect(await call).toBe(expected)
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it('lets those who wait in when there are more slots', async () => {
    const breaker = await queueing()
    breaker.tryAcquire()
    const call = breaker.execute(succeed)
    breaker.configure({ halfOpen: { probes: 2 } })
    await expect(call).resolves.toBe('up')
  })

  it('survives a listener that resets the breaker in the middle', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    const calls = [1, 2, 3].map(() => breaker.execute(succeed).catch(() => 'refused'))
    breaker.on('transition', ({ to }) => {
      if (to === 'open') breaker.reset()
    })
    probe?.failure()
    expect(await Promise.all(calls)).toEqual(['up', 'up', 'up'])
    expect(breaker.metrics).toMatchObject({ waiting: 0, probesInFlight: 0 })
  })

  it('takes no slot for nobody when the last who waited was let in on the way', async () => {
    const breaker = await queueing({ probes: 2, maxMs: 500 })
    breaker.configure({ recoveryTimeoutMs: 0 })
    breaker.tryAcquire()
    breaker.tryAcquire()
    const call = breaker.execute(hang, { timeoutMs: 900 })
    const ended = expect(call).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    // Its probes only hung: it opens for no time at all, and he who waited is a probe of the next spell.
    await after(500, breaker)
    expect(breaker.metrics).toMatchObject({ probesInFlight: 1, waiting: 0 })
    await after(400, breaker)
    await ended
  })

  it('is not for those who come while it is isolated', async () => {
    const breaker = await queueing()
    const probe = breaker.tryAcquire()
    breaker.isolate()
    expect(breaker.admit(CallScope.idle)).toMatchObject({ refused: true })
    probe?.ignore()
  })

  it('a refusal that is looked at late says what was so when it was made', async () => {
    const breaker = brittle({ name: 'orders' })
    await trip(breaker)
    const refusal = breaker.admit() as { error(): Error }
    await vi.advanceTimersByTimeAsync(5_000)
    expect(refusal.error()).toMatchObject({ message: 'orders is open', retryAfterMs: 0 })
  })

  it('is no queue while the breaker is open', async () => {
    const breaker = brittle({ halfOpen: { whenBusy: 'queue' } })
    await trip(breaker)
    await expect(breaker.execute(succeed)).rejects.toBeInstanceOf(CircuitOpenError)
  })
})

describe('options', () => {
  it.each([
    [{ sampleSize: 0 }, 'CircuitBreaker: halfOpen: sampleSize must be an integer from 1, got 0'],
    [{ sampleSize: 1.5 }, 'sampleSize must be an integer from 1, got 1.5'],
    [{ sampleSize: 5, failureRatio: 0 }, 'failureRatio must be a finite number above 0 up to 1, got 0'],
    [{ sampleSize: 5, failureRatio: 1.1 }, 'failureRatio must be a finite number above 0 up to 1, got 1.1'],
    [{ failureRatio: 0.5 }, 'halfOpen: failureRatio must be left out unless sampleSize is given, got 0.5'],
    [{ maxMs: 0 }, 'halfOpen: maxMs must be a finite number from 1'],
    [{ maxMs: true }, 'got true'],
    [{ whenBusy: 'wait' }, "halfOpen: whenBusy must be one of 'reject', 'queue', got \"wait\""],
    [{ maxQueue: 0 }, 'halfOpen: maxQueue must be an integer from 1, got 0'],
    [{ maxQueue: 1.5 }, 'halfOpen: maxQueue must be an integer from 1, got 1.5'],
    [{ probeTimeoutMs: 0 }, 'halfOpen: probeTimeoutMs must be a finite number from 1'],
  ])('%j are refused', (halfOpenOptions, message) => {
    expect(() => new CircuitBreaker({ halfOpen: halfOpenOptions as HalfOpenOptions })).toThrow(message)
  })

  it('a sample and a threshold of successes stand against each other', () => {
    expect(() => new CircuitBreaker({ successThreshold: 2, halfOpen: { sampleSize: 5 } })).toThrow(
      'CircuitBreaker: successThreshold must be left out when halfOpen.sampleSize is given, got 2',
    )
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, consecutiveFailures, failureRate, type FailureRateOptions } from 'gateless/breaker'

const fail = () => Promise.reject(new Error('down'))

async function run(breaker: CircuitBreaker, pattern: string): Promise<void> {
  for (const letter of pattern) await breaker.execute(letter === 'x' ? fail : () => 'up').catch(() => {})
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('failureRate', () => {
  it('opens when the share of failures reaches the threshold, not below it', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ threshold: 0.5, windowMs: 10_000, minimumCalls: 4 }) })
    await run(breaker, '..x')
    expect(breaker.state).toBe('closed')
    await run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('says nothing below the minimum of calls', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 5 }) })
    await run(breaker, 'xxxx')
    expect(breaker.state).toBe('closed')
    await run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('never opens by a success, even when the minimum is reached by one', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 3 }) })
    await run(breaker, 'xx.')
    expect(breaker.state).toBe('closed')
  })

  it('forgets an outage after an idle hour', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 50, windowMs: 5_000 }) })
    await run(breaker, 'x'.repeat(49))
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(breaker.metrics).toMatchObject({ failures: 0, successes: 0 })
    await run(breaker, 'x')
    expect(breaker.state).toBe('closed')
  })

  it('counts a failure for as long as the window, and no longer', async () => {
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 2, windowMs: 10_000 }) })
    await run(breaker, 'x')
    await vi.advanceTimersByTimeAsync(10_000)
    await run(breaker, 'x')
    expect(breaker.state).toBe('closed')
    await vi.advanceTimersByTimeAsync(8_999)
    await run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('starts with an empty window after it closed', async () => {
    const breaker = new CircuitBreaker({
      trip: failureRate({ minimumCalls: 2, windowMs: 60_000 }),
      recoveryTimeoutMs: 100,
      successThreshold: 1,
    })
    await run(breaker, 'xx')
    await vi.advanceTimersByTimeAsync(100)
    await run(breaker, '.x')
    expect(breaker.state).toBe('closed')
    await run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })

  it('empties its window when it is restored, whatever was saved', () => {
    const memory = failureRate({ windowCalls: 5 }).create()
    memory.record(true, 0, 0)
    expect(memory.save()).toBeUndefined()
    memory.restore({ successes: 3, failures: 3 })
    expect(memory.counts(0)).toEqual({ successes: 0, failures: 0, slow: 0 })
  })

  it('starts with an empty window after a restore', async () => {
    const options = { trip: failureRate({ minimumCalls: 2 }) }
    const breaker = new CircuitBreaker(options)
    await run(breaker, 'x')
    const restored = CircuitBreaker.restore(breaker.snapshot(), options)
    await run(restored, 'x')
    expect(restored.state).toBe('closed')
  })

  it('can serve many breakers, each with its own memory', async () => {
    const trip = failureRate({ minimumCalls: 2 })
    const [a, b] = [new CircuitBreaker({ trip }), new CircuitBreaker({ trip })]
    await run(a, 'xx')
    expect([a.state, b.state]).toEqual(['open', 'closed'])
  })

  it.each([
    [{ threshold: 0 }, 'threshold must be a finite number above 0 up to 1, got 0'],
    [{ threshold: 1.1 }, 'got 1.1'],
    [{ windowMs: 10 }, 'windowMs must be a finite number from 100'],
    [{ minimumCalls: 0 }, 'minimumCalls must be an integer from 1, got 0'],
    [{ treshold: 0.5 }, 'unknown option "treshold"'],
  ])('refuses %j', (options, message) => {
    expect(() => failureRate(options as FailureRateOptions)).toThrow(message)
  })
})

describe('consecutiveFailures', () => {
  it('is what failureThreshold is short for', async () => {
    const breaker = new CircuitBreaker({ trip: consecutiveFailures({ failureThreshold: 2 }) })
    await run(breaker, 'x.x')
    expect(breaker.state).toBe('closed')
    await run(breaker, 'x')
    expect(breaker.state).toBe('open')
  })
})

describe('both rules', () => {
  it('say what they want to know of a call', () => {
    expect(consecutiveFailures().create()).toMatchObject({ timed: false, measured: false })
    expect(failureRate().create()).toMatchObject({ timed: true, measured: false })
    expect(failureRate({ windowCalls: 5 }).create()).toMatchObject({ timed: false, measured: false })
  })

  it('say what they are in words, for messages and metrics', () => {
    expect(consecutiveFailures().name).toBe('5 consecutive failures')
    expect(failureRate().name).toBe('50 % failures over 10000 ms')
    expect(Object.isFrozen(consecutiveFailures())).toBe(true)
  })

  it('refuse what they do not know', () => {
    expect(() => consecutiveFailures({ failureThreshold: 0 })).toThrow(
      'consecutiveFailures: failureThreshold must be an integer from 1, got 0',
    )
    expect(() => consecutiveFailures({ threshold: 3 } as object)).toThrow('unknown option "threshold"')
  })
})

import { CircuitBreaker, KeyedBreakers, slowCallRate } from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { timeout } from 'gateless/limits'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import { TimeoutError } from '../../src/core/errors.ts'
import { brittle, halfOpen, hang, succeed, trip } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A scope that a time limit has ended. */
function ended(): CallScope {
  const scope = new CallScope({}).fork()
  scope.abort(new TimeoutError(5, 'attempt'))
  return scope
}

describe('a call that is over before it begins', () => {
  it.each([[undefined], [slowCallRate({ thresholdMs: 1 })]])(
    'by a time limit counts for nothing, and its work never runs (%#)',
    async (rule) => {
      const breaker = new CircuitBreaker(rule === undefined ? { failureThreshold: 1 } : { trip: rule })
      const work = vi.fn(succeed)
      await expect(breaker.execute(work, ended())).rejects.toThrow(TimeoutError)
      expect(work).not.toHaveBeenCalled()
      expect([breaker.state, breaker.metrics.failures, breaker.metrics.rejected]).toEqual(['closed', 0, 0])
    },
  )

  it('takes no slot of a probe', async () => {
    const breaker = await halfOpen()
    const reason = new Error('left')
    const call = breaker.execute(succeed, { signal: AbortSignal.abort(reason) })
    expect(breaker.metrics.probesInFlight).toBe(0)
    const probe = breaker.tryAcquire()
    expect(probe).toBeDefined()
    probe?.ignore()
    await expect(call).rejects.toBe(reason)
  })

  it('rejects with its reason, also where the breaker is open, and is no refusal', async () => {
    const breaker = brittle()
    await trip(breaker)
    const reason = new Error('left')
    await expect(breaker.execute(succeed, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(breaker.metrics.rejected).toBe(0)
  })

  it('does not queue for a probe', async () => {
    const breaker = await halfOpen({ halfOpen: { whenBusy: 'queue' } })
    const probe = breaker.tryAcquire()
    const call = breaker.execute(succeed, { signal: AbortSignal.abort(new Error('left')) })
    expect(breaker.metrics.waiting).toBe(0)
    await expect(call).rejects.toThrow('left')
    probe?.ignore()
  })

  it('leaves no timer of its own behind', async () => {
    const call = brittle().execute(succeed, { signal: AbortSignal.abort(new Error('left')), timeoutMs: 1_000 })
    expect(vi.getTimerCount()).toBe(0)
    await expect(call).rejects.toThrow('left')
  })

  it('leaves the scope of somebody else alone', async () => {
    const scope = ended()
    const dispose = vi.spyOn(scope, 'dispose')
    await expect(brittle().execute(succeed, scope)).rejects.toThrow(TimeoutError)
    expect(dispose).not.toHaveBeenCalled()
  })

  it('counts for nothing in a set of breakers', async () => {
    const keyed = new KeyedBreakers({ breaker: { failureThreshold: 1 } })
    const scope = new CallScope({ key: 'a' }).fork()
    scope.abort(new TimeoutError(5, 'attempt'))
    await expect(keyed.execute(succeed, scope)).rejects.toThrow(TimeoutError)
    expect(keyed.get('a').state).toBe('closed')
  })
})

describe('a waiting call that ends between its leave and its start', () => {
  it('never runs, counts for nothing, and gives its slot to the next', async () => {
    const breaker = await halfOpen({ successThreshold: 9, halfOpen: { whenBusy: 'queue' } })
    const probe = breaker.tryAcquire()
    const scope = new CallScope({}).fork()
    const work = vi.fn(succeed)
    const call = breaker.execute(work, scope)
    const next = breaker.execute(succeed)
    probe?.success()
    scope.abort(new TimeoutError(5, 'attempt'))
    await expect(call).rejects.toThrow(TimeoutError)
    await expect(next).resolves.toBe('up')
    expect(work).not.toHaveBeenCalled()
    expect([breaker.state, breaker.metrics.probesInFlight]).toEqual(['half-open', 0])
  })

  it('nor does it count in a pipeline, where one limit ends the probe and whoever waits for it', async () => {
    const breaker = await halfOpen({ halfOpen: { whenBusy: 'queue' } })
    const probe = breaker.tryAcquire()
    const call = pipeline(timeout({ timeoutMs: 50 }), breaker).execute(hang)
    const settled = expect(call).rejects.toThrow(TimeoutError)
    await vi.advanceTimersByTimeAsync(50)
    probe?.success()
    await settled
    expect([breaker.state, breaker.metrics.probesInFlight]).toEqual(['half-open', 0])
  })
})

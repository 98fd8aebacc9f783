import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/index.ts'
import { RetryPolicy } from '../../src/retry/index.ts'
import { failing, outcome, settled } from './support.ts'

/**
 * What cockatiel 4.0.0 promises of policies put together, and of signals handed down, retold: connor4312/cockatiel,
 * src/Policy.test.ts and src/common/abort.test.ts.
 */

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const atOnce = { name: 'at once', delayMs: () => 0 }

describe("cockatiel's wrap", () => {
  // wraps: the retry sees what the breaker inside it does
  it('lets an outer retry run into the breaker that it tripped', async () => {
    const down = new Error('down')
    const policy = pipeline(
      new RetryPolicy({ maxAttempts: 4, backoff: atOnce, retryable: (error) => error === down, budget: false }),
      new CircuitBreaker({ failureThreshold: 2, recoveryTimeoutMs: 100 }),
    )
    const work = vi.fn(failing(down))
    expect(await settled(policy.execute(work), 10)).toEqual({
      error: expect.objectContaining({ code: 'ERR_GATELESS_CIRCUIT_OPEN' }),
    })
    expect(work).toHaveBeenCalledTimes(2)
  })

  // wraps and keeps correct types
  it('shows what it is made of, outermost first, and hands the work a context', async () => {
    const policies = [
      new RetryPolicy({ maxAttempts: 2 }),
      new CircuitBreaker({ failureThreshold: 2 }),
      timeout({ timeoutMs: 1_000 }),
    ] as const
    const policy = pipeline(...policies)
    expect(policy.policies).toEqual(policies)
    const doubled: number = await policy.execute(({ signal, attempt }) => {
      expect(signal).toBeInstanceOf(AbortSignal)
      expect(attempt).toBe(1)
      return 1_234
    })
    expect(doubled).toBe(1_234)
  })

  // noop
  it('of nothing does nothing but run the work', async () => {
    expect(await pipeline().execute(() => 42)).toBe(42)
  })

  // applies error filters
  it('retries by any rule that a function can express', async () => {
    class One extends Error {}
    class Two extends Error {}
    const fails = [new One(), new Two(), new Error('foo'), new Error('bar')]
    const work = vi.fn(() => Promise.reject(fails[work.mock.calls.length - 1] as Error))
    const policy = new RetryPolicy({
      maxAttempts: 11,
      backoff: atOnce,
      budget: false,
      retryable: (error) =>
        error instanceof One || error instanceof Two || (error instanceof Error && error.message === 'foo'),
    })
    expect(await settled(policy.execute(work), 10)).toEqual({ error: fails[3] })
    expect(work).toHaveBeenCalledTimes(4)
  })

  // applies use: a decorated method
  it('makes of a function one with the same arguments and result', async () => {
    const policy = new RetryPolicy({ maxAttempts: 6, backoff: atOnce, retryable: () => true, budget: false })
    let calls = 0
    const double = policy.wrap((n: number) => {
      calls += 1
      if (calls < 3) throw new Error('failed')
      return n * 2
    })
    const end: Promise<number> = double(2)
    expect(await settled(end, 10)).toEqual({ value: 4 })
    expect(calls).toBe(3)
  })
})

describe("cockatiel's derived signal", () => {
  // should return an aborted AbortController when the provided signal is already aborted
  it('is not even made when the caller gave up before: the work is not called', async () => {
    const reason = new Error('left')
    const work = vi.fn()
    const signal = AbortSignal.abort(reason)
    for (const policy of [timeout({ timeoutMs: 100 }), new CircuitBreaker(), new RetryPolicy(), pipeline()]) {
      expect(await outcome(policy.execute(work, { signal }))).toEqual({ error: reason })
    }
    expect(work).not.toHaveBeenCalled()
  })

  // should abort the new AbortController when the provided signal aborts
  it("carries the reason of the caller's", async () => {
    const reason = new Error('left')
    const reasons: unknown[] = []
    for (const policy of [timeout({ timeoutMs: 100 }), new CircuitBreaker(), new RetryPolicy(), pipeline()]) {
      const caller = new AbortController()
      const end = outcome(
        policy.execute(
          ({ signal }) => {
            signal.addEventListener('abort', () => reasons.push(signal.reason))
            return new Promise(() => {})
          },
          { signal: caller.signal },
        ),
      )
      await vi.advanceTimersByTimeAsync(1)
      caller.abort(reason)
      expect(await end).toEqual({ error: reason })
    }
    expect(reasons).toEqual([reason, reason, reason, reason])
  })
})

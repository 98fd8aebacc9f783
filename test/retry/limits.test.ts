import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CallScope } from '../../src/core/context.ts'
import { GatelessError, TimeoutError } from '../../src/core/errors.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { fixedBackoff, type RetryOptions, RetryPolicy, RetryQuota } from '../../src/retry/index.ts'

/** What ends a try, and what ends the tries: the limit of each, and the breaker that they go through. */

const hang = (): Promise<never> => new Promise(() => {})

const quick = (options: RetryOptions = {}): RetryPolicy =>
  new RetryPolicy({ backoff: fixedBackoff({ delayMs: 100 }), ...options })

/** What a promise came to, without waiting for it. */
async function settled(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([
    promise.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    ),
    vi.advanceTimersByTimeAsync(0).then(() => 'pending'),
  ])
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('attemptTimeoutMs', () => {
  it('ends each try to the millisecond, also the first, and what timed out is tried again', async () => {
    const policy = quick({ attemptTimeoutMs: 50 })
    const began: number[] = []
    const start = performance.now()
    const answer = policy.execute(({ attempt }) => {
      began.push(performance.now() - start)
      return attempt < 3 ? hang() : 'third'
    })
    await vi.advanceTimersByTimeAsync(149)
    expect(began).toEqual([0])
    await vi.advanceTimersByTimeAsync(1)
    expect(began).toEqual([0, 150])
    await vi.advanceTimersByTimeAsync(150)
    await expect(answer).resolves.toBe('third')
    expect(began).toEqual([0, 150, 300])
  })

  it('rejects with a TimeoutError of the attempt when all tries hang', async () => {
    const answer = quick({ attemptTimeoutMs: 50, maxAttempts: 2 }).execute(hang)
    answer.catch(() => {})
    await vi.advanceTimersByTimeAsync(200)
    const { error } = (await settled(answer)) as { error: TimeoutError }
    expect(error).toBeInstanceOf(TimeoutError)
    expect([error.limit, error.timeoutMs, error.message]).toEqual(['attempt', 50, 'attempt timed out after 50 ms'])
  })

  it('aborts the signal of the try that is over, and only that; deadline and attempt are those of the try', async () => {
    const contexts: CallContext[] = []
    const signals: AbortSignal[] = []
    const start = performance.now()
    const answer = quick({ attemptTimeoutMs: 50 }).execute(
      (context) => {
        contexts.push(context)
        signals.push(context.signal)
        return contexts.length === 1 ? hang() : 'second'
      },
      { timeoutMs: 180, key: 'k' },
    )
    await vi.advanceTimersByTimeAsync(150)
    await expect(answer).resolves.toBe('second')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    expect(signals[0]?.reason).toBeInstanceOf(TimeoutError)
    expect(contexts.map(({ attempt, key, deadline }) => [attempt, key, (deadline as number) - start])).toEqual([
      [1, 'k', 50],
      // What remains of the call is less than the limit.
      [2, 'k', 180],
    ])
  })

  it('is at most what remains of the call, which ends as a whole then', async () => {
    const answer = quick({ attemptTimeoutMs: 500 }).execute(hang, { timeoutMs: 200 })
    answer.catch(() => {})
    await vi.advanceTimersByTimeAsync(199)
    expect(await settled(answer)).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    expect(await settled(answer)).toMatchObject({ error: { limit: 'total', timeoutMs: 200 } })
  })

  it.each([1, 2])('an abort during try %i settles at once and leaves no listener and no timer', async (which) => {
    const controller = new AbortController()
    const policy = quick({ attemptTimeoutMs: 5_000 })
    const answer = policy.execute(
      ({ attempt }) => {
        if (attempt < which) throw new Error('down')
        return hang()
      },
      { signal: controller.signal },
    )
    await vi.advanceTimersByTimeAsync(150)
    controller.abort('left')
    expect(await settled(answer)).toEqual({ error: 'left' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
    expect(policy.metrics.aborted).toBe(1)
  })

  it('leaves the signal of a try that answered unaborted: a body may still be read by it', async () => {
    let signal: AbortSignal | undefined
    await quick({ attemptTimeoutMs: 50 }).execute((context) => {
      signal = context.signal
      return 1
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(signal?.aborted).toBe(false)
  })

  it('works in a pipeline, where it numbers its tries from 1 whatever is around', async () => {
    const seen: number[] = []
    const guarded = pipeline(timeout({ timeoutMs: 1_000, name: 'total' }), quick({ attemptTimeoutMs: 50 }))
    const answer = guarded.execute(({ attempt }) => {
      seen.push(attempt)
      return attempt === 1 ? hang() : 'second'
    })
    await vi.advanceTimersByTimeAsync(150)
    await expect(answer).resolves.toBe('second')
    const later = new CallScope({})
    later.attempt = 4
    await quick({ attemptTimeoutMs: 50 }).execute(({ attempt }) => seen.push(attempt), later)
    await quick({ budget: new RetryQuota() }).execute(({ attempt }) => seen.push(attempt), later)
    await quick().execute(({ attempt }) => seen.push(attempt), later)
    expect(seen).toEqual([1, 2, 1, 1, 1])
  })

  it('is told by info, so that a pipeline can check it', () => {
    const limited = quick({ attemptTimeoutMs: 50, name: 'devices' })
    expect(limited.info).toEqual({
      kind: 'retry',
      name: 'devices',
      summary: 'tries up to 3 times with fixed backoff, each for at most 50 ms',
      timeoutMs: 50,
      maxAttempts: 3,
    })
    expect(Object.isFrozen(limited.info)).toBe(true)
    expect(() => pipeline(timeout({ timeoutMs: 50, name: 'total' }), limited)).toThrow('total')
    expect(quick({ maxAttempts: 1 }).info.summary).toBe('tries once')
    expect(quick({ maxAttempts: 1, attemptTimeoutMs: 9 }).info.summary).toBe('tries once, each for at most 9 ms')
  })

  it('adds no timer and no scope where it is not given: the first try runs in the scope it was handed', async () => {
    const scope = new CallScope({})
    const seen: CallContext[] = []
    const policy = quick()
    expect(policy.limitsAttempts).toBe(false)
    await policy.execute((context) => seen.push(context), scope)
    expect(seen[0]).toBe(scope)
    const counting = quick({ budget: new RetryQuota() })
    expect(counting.limitsAttempts).toBe(true)
    await counting.execute((context) => seen.push(context), scope)
    expect(seen[1]).toBe(scope)
    expect(quick({ attemptTimeoutMs: 5 }).limitsAttempts).toBe(true)
  })

  it.each([
    [{ attemptTimeoutMs: 0 }, 'RetryPolicy: attemptTimeoutMs must be a finite number from 1 up to'],
    [{ attemptTimeoutMs: Number.NaN }, 'attemptTimeoutMs must be a finite number from 1'],
    [{ breaker: 'open' as never }, 'RetryPolicy: breaker must be an object with state, got "open"'],
    [{ breaker: null as never }, 'RetryPolicy: breaker must be an object with state, got null'],
    [{ breaker: {} as never }, 'RetryPolicy: breaker must be an object with state, got an object'],
  ])('%j is refused', (options, message) => {
    expect(() => new RetryPolicy(options)).toThrow(message)
  })
})

describe('the breaker', () => {
  const error = new Error('down')

  it.each([
    [{ state: 'closed' }, true],
    [{ state: 'half-open' }, true],
    [{ state: 'open' }, false],
    [{ state: 'closed', mode: 'normal' }, true],
    [{ state: 'closed', mode: 'isolated' }, false],
  ])('%j: another try is %s', (breaker, retry) => {
    const decision = quick({ breaker }).decide({ attempt: 1, error })
    expect(decision).toEqual(retry ? { retry: true, delayMs: 100 } : { retry: false, reason: 'circuit-open' })
  })

  it('that opened by this very failure ends the call with that failure, and costs the budget nothing', async () => {
    const breaker = { state: 'closed' }
    const policy = quick({ breaker })
    const reasons: string[] = []
    policy.on('gave-up', ({ reason }) => reasons.push(reason))
    const work = vi.fn(() => {
      breaker.state = 'open'
      throw error
    })
    const call = policy.execute(work)
    expect(await settled(call)).toEqual({ error })
    expect(work).toHaveBeenCalledTimes(1)
    expect(reasons).toEqual(['circuit-open'])
    expect(policy.metrics).toMatchObject({ circuitOpen: 1, retries: 0 })
    expect(policy.budget?.available).toBeCloseTo(10.2)
  })

  it('that opens during the delay is not run into: its refusal would hide the real error', async () => {
    const breaker = { state: 'closed' }
    const policy = quick({ breaker })
    const events: unknown[] = []
    policy.on('gave-up', (event) => events.push(event))
    const work = vi.fn(() => Promise.reject(error))
    const call = policy.execute(work)
    call.catch(() => {})
    await vi.advanceTimersByTimeAsync(50)
    breaker.state = 'open'
    await vi.advanceTimersByTimeAsync(50)
    expect(await settled(call)).toEqual({ error })
    expect(work).toHaveBeenCalledTimes(1)
    expect(events).toEqual([{ attempts: 1, reason: 'circuit-open', error }])
    expect(policy.metrics).toMatchObject({ circuitOpen: 1, attempts: 1, retries: 0 })
  })

  it('is asked after whether it is worth it, and before deadline and budget', () => {
    const strict = quick({ breaker: { state: 'open' }, budget: { ratio: 0, minPerSecond: 0 } })
    const late = { attempt: 1, error, deadline: 1 }
    expect(strict.decide({ ...late, retryable: false })).toEqual({ retry: false, reason: 'not-retryable' })
    expect(strict.decide(late)).toEqual({ retry: false, reason: 'circuit-open' })
  })

  it('whose state throws stops nobody, and is reported', async () => {
    const fault = new Error('state')
    const breaker = {
      get state(): string {
        throw fault
      },
    }
    const policy = quick({ breaker })
    const faults: unknown[] = []
    policy.on('error', (event) => faults.push(event))
    const call = policy.execute(({ attempt }) => {
      if (attempt === 1) throw error
      return 'second'
    })
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('second')
    // Before the delay and after it.
    expect(faults).toEqual([
      { event: 'breaker', error: fault },
      { event: 'breaker', error: fault },
    ])
  })

  it('that refuses a try is not tried again', () => {
    const refused = new GatelessError('ERR_GATELESS_TEST', 'open', { local: true })
    expect(quick().decide({ attempt: 1, error: refused })).toEqual({ retry: false, reason: 'not-retryable' })
  })
})

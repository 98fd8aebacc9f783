import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GatelessError, TimeoutError } from '../../src/core/errors.ts'
import { fixedBackoff, type RetryOptions, RetryPolicy, RetryProgress, RetryQuota } from '../../src/retry/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const error = new Error('down')
const yes = (delayMs: number) => ({ retry: true, delayMs })
const no = (reason: string) => ({ retry: false, reason })

function policy(options: RetryOptions = {}): RetryPolicy {
  return new RetryPolicy({ backoff: fixedBackoff({ delayMs: 100 }), clock: new FakeClock(5_000), ...options })
}

describe('configure', () => {
  it('changes what is named, and leaves the rest', () => {
    const tuned = policy({ maxAttempts: 2, name: 'devices' })
    const { budget } = tuned
    tuned.decide({ attempt: 1, error })
    tuned.configure({ maxAttempts: 5 })
    expect(tuned.decide({ attempt: 4, error })).toEqual(yes(100))
    expect(tuned.info).toEqual({
      kind: 'retry',
      name: 'devices',
      summary: 'tries up to 5 times with fixed backoff',
      maxAttempts: 5,
    })
    tuned.configure({ backoff: fixedBackoff({ delayMs: 7 }) })
    expect(tuned.decide({ attempt: 4, error })).toEqual(yes(7))
    expect(tuned.budget).toBe(budget)
    expect(budget?.available).toBe(7)
    expect(tuned.metrics.retries).toBe(3)
  })

  it('keeps a budget that is none, and one that was given', () => {
    const free = policy({ budget: false })
    free.configure({ maxAttempts: 9 })
    expect(free.budget).toBeUndefined()
    const quota = new RetryQuota()
    const bound = policy({ budget: quota })
    bound.configure({ maxAttempts: 9 })
    expect(bound.budget).toBe(quota)
    const own = policy({ budget: { ratio: 0, minPerSecond: 1 } })
    while (own.budget?.tryWithdraw());
    own.configure({ maxAttempts: 9 })
    expect(own.budget?.available).toBe(0)
  })

  it('takes undefined for the default', () => {
    const tuned = policy({ maxAttempts: 9 })
    tuned.configure({ maxAttempts: undefined as never })
    expect(tuned.info.maxAttempts).toBe(3)
  })

  it('replaces retryable by retryOn, and the other way round', () => {
    const tuned = policy({ retryable: () => false })
    tuned.configure({ retryOn: ['Error'] })
    expect(tuned.decide({ attempt: 1, error })).toEqual(yes(100))
    tuned.configure({ retryable: () => false })
    expect(tuned.decide({ attempt: 1, error })).toEqual(no('not-retryable'))
    tuned.configure({ maxAttempts: 4 })
    expect(tuned.decide({ attempt: 1, error })).toEqual(no('not-retryable'))
  })

  it.each([
    [{ budget: false }, 'RetryPolicy.configure: budget cannot be changed'],
    [{ name: 'x' }, 'RetryPolicy.configure: name cannot be changed'],
    [{ clock: {} }, 'RetryPolicy.configure: clock cannot be changed'],
    [{ random: () => 0 }, 'RetryPolicy.configure: random cannot be changed'],
    [{ maxAttempts: 0 }, 'RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got 0'],
    [{ retries: 3 }, 'RetryPolicy: unknown option "retries"'],
    [{ retryOn: ['x'], retryable: () => true }, 'RetryPolicy: retryable must be left out when retryOn is given'],
    [
      { attemptTimeoutMs: 50 },
      'RetryPolicy.configure: attemptTimeoutMs must be given from the start to be changed, got 50',
    ],
    [null, 'RetryPolicy.configure: options must be an object, got null'],
  ])('%j is refused, and changes nothing', (patch, message) => {
    const tuned = policy({ maxAttempts: 2 })
    expect(() => tuned.configure(patch as never)).toThrow(message)
    expect(tuned.info.maxAttempts).toBe(2)
    tuned.configure({})
    expect(tuned.decide({ attempt: 1, error })).toEqual(yes(100))
    expect(tuned.decide({ attempt: 2, error })).toEqual(no('exhausted'))
  })

  it('changes the limit of a try where there was one from the start', async () => {
    vi.useFakeTimers()
    const limited = new RetryPolicy({ attemptTimeoutMs: 50, maxAttempts: 1 })
    limited.configure({ attemptTimeoutMs: 20 })
    const call = limited.execute(() => new Promise(() => {}))
    call.catch(() => {})
    await vi.advanceTimersByTimeAsync(20)
    await expect(call).rejects.toMatchObject({ timeoutMs: 20 })
    limited.configure({ attemptTimeoutMs: undefined })
    await expect(limited.execute(() => 'fine')).resolves.toBe('fine')
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('is gone by from the next failure on, also by calls under way', async () => {
    vi.useFakeTimers()
    const tuned = new RetryPolicy({ maxAttempts: 10, backoff: fixedBackoff({ delayMs: 10 }) })
    const work = vi.fn(() => Promise.reject(error))
    const call = tuned.execute(work)
    call.catch(() => {})
    await vi.advanceTimersByTimeAsync(10)
    tuned.configure({ maxAttempts: 3 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).rejects.toBe(error)
    expect(work).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
  })
})

describe('metrics', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('begin at nothing', () => {
    expect(policy().metrics).toEqual({
      calls: 0,
      attempts: 0,
      retries: 0,
      recovered: 0,
      exhausted: 0,
      suppressed: 0,
      notRetryable: 0,
      outOfTime: 0,
      circuitOpen: 0,
      aborted: 0,
    })
  })

  it('count calls, tries and how they ended', async () => {
    const counted = new RetryPolicy({
      backoff: fixedBackoff({ delayMs: 100 }),
      budget: { ratio: 0, minPerSecond: 0.5 },
      retryable: (thrown) => thrown === error,
    })
    const run = async (failures: number, options = {}, thrown: unknown = error): Promise<void> => {
      const call = counted.execute(({ attempt }) => {
        if (attempt <= failures) throw thrown
      }, options)
      call.catch(() => {})
      await vi.advanceTimersByTimeAsync(200)
      await call.catch(() => {})
    }
    await run(0)
    await run(1)
    await run(3)
    await run(1, {}, 'a bug')
    await run(1, { timeoutMs: 100 })
    const controller = new AbortController()
    const left = counted.execute(() => Promise.reject(error), { signal: controller.signal })
    left.catch(() => {})
    await vi.advanceTimersByTimeAsync(50)
    controller.abort('left')
    await left.catch(() => {})
    await run(2)
    expect(counted.metrics).toEqual({
      calls: 7,
      // Five retries were all the budget had; one was granted and given up before it began.
      attempts: 11,
      retries: 4,
      recovered: 1,
      exhausted: 1,
      suppressed: 1,
      notRetryable: 1,
      outOfTime: 1,
      circuitOpen: 0,
      aborted: 1,
    })
    expect(counted.budget?.suppressed).toBe(1)
  })

  it('count for those who use decide alone, and tell begin and succeeded', () => {
    const counted = policy()
    const progress = new RetryProgress()
    counted.begin()
    counted.decide({ attempt: 1, error, progress })
    counted.succeeded(progress)
    counted.begin()
    counted.succeeded(new RetryProgress())
    counted.succeeded()
    expect(counted.metrics).toMatchObject({ calls: 2, attempts: 3, retries: 1, recovered: 1 })
    expect(counted.budget?.available).toBeCloseTo(9.4)
  })
})

describe('progress', () => {
  it('remembers the delay, and what the failure was', () => {
    const seen: unknown[] = []
    const backoff = {
      name: 'mine',
      delayMs: (input: { attempt: number; previousDelayMs?: number | undefined; memory?: unknown; kind?: string }) => {
        seen.push([input.attempt, input.previousDelayMs, input.kind, input.memory])
        return input.attempt * 10
      },
    }
    const judge = policy({ backoff: backoff as never, kindOf: () => 'throttling' })
    const progress = new RetryProgress()
    judge.decide({ attempt: 1, error, progress })
    expect(progress).toMatchObject({ delayMs: 10, kind: 'throttling', restartedAfter: 0 })
    judge.decide({ attempt: 2, error, progress })
    judge.decide({ attempt: 2, error, progress, previousDelayMs: 77 })
    expect(seen).toEqual([
      [1, undefined, 'throttling', progress],
      [2, 10, 'throttling', progress],
      [2, 77, 'throttling', progress],
    ])
  })

  it('is not touched by a no', () => {
    const progress = new RetryProgress()
    policy({ budget: { ratio: 0, minPerSecond: 0 } }).decide({ attempt: 1, error, progress })
    expect(progress).toMatchObject({ delayMs: undefined, kind: undefined, restartedAfter: 0 })
  })
})

describe('what the remote asked for', () => {
  const busy = new GatelessError('ERR_GATELESS_TEST', 'busy', { retryAfterMs: 700 })

  it('nothing: a backoff of 0 is no wait, also just before the deadline', () => {
    const eager = policy({ backoff: fixedBackoff({ delayMs: 0 }) })
    expect(eager.decide({ attempt: 1, error, deadline: 5_000.5 })).toEqual(yes(0))
    expect(eager.decide({ attempt: 1, error, deadline: 5_000 })).toEqual(no('deadline'))
  })

  it('exact: stands in place of the backoff, shorter or longer', () => {
    const exact = policy({ retryAfterMode: 'exact' })
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 700 })).toEqual(yes(700))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 5 })).toEqual(yes(5))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 0 })).toEqual(yes(0))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 5.1 })).toEqual(yes(6))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 90_000 })).toEqual(yes(30_000))
    expect(exact.decide({ attempt: 1, error })).toEqual(yes(100))
    for (const retryAfterMs of [-1, Number.NaN]) {
      expect(exact.decide({ attempt: 1, error, retryAfterMs })).toEqual(yes(100))
    }
  })

  it('exact: is held against the deadline instead of the backoff', () => {
    const exact = policy({ retryAfterMode: 'exact' })
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 50, deadline: 5_051 })).toEqual(yes(50))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 50, deadline: 5_050 })).toEqual(no('deadline'))
    expect(exact.decide({ attempt: 1, error, retryAfterMs: 90_000, deadline: 40_000 })).toEqual(no('deadline'))
  })

  it('only exact begins the backoff anew', () => {
    const attempts = (retryAfterMode: 'exact' | 'at-least'): unknown[] => {
      const seen: unknown[] = []
      const backoff = {
        name: 'mine',
        delayMs: (input: { attempt: number; previousDelayMs?: number | undefined }) => {
          seen.push([input.attempt, input.previousDelayMs])
          return 100
        },
      }
      const judge = policy({ retryAfterMode, backoff, maxAttempts: 9 })
      const progress = new RetryProgress()
      judge.decide({ attempt: 1, error, progress })
      judge.decide({ attempt: 2, error, progress, retryAfterMs: 700 })
      judge.decide({ attempt: 3, error, progress })
      judge.decide({ attempt: 4, error, progress })
      return seen
    }
    expect(attempts('exact')).toEqual([
      [1, undefined],
      [2, 100],
      [1, undefined],
      [2, 100],
    ])
    expect(attempts('at-least')).toEqual([
      [1, undefined],
      [2, 100],
      [3, 700],
      [4, 100],
    ])
  })

  it('never: there is no further try, although the error is worth one', () => {
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 'never' })).toEqual(no('not-retryable'))
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 'never', retryable: true })).toEqual(no('not-retryable'))
    expect(policy({ retryAfterOf: () => 'never' }).decide({ attempt: 1, error })).toEqual(no('not-retryable'))
    expect(policy().decide({ attempt: 3, error, retryAfterMs: 'never' })).toEqual(no('exhausted'))
  })

  it('retryAfterOf reads it off the error, unless it is given', () => {
    const judge = policy({ retryAfterOf: (thrown) => ((thrown as Error).message === 'down' ? 300 : undefined) })
    expect(judge.decide({ attempt: 1, error })).toEqual(yes(300))
    expect(judge.decide({ attempt: 1, error, retryAfterMs: 400 })).toEqual(yes(400))
    expect(judge.decide({ attempt: 1, error: busy })).toEqual(yes(100))
  })

  it('maxRetryAfterExtraMs: lengthens the backoff by no more than that', () => {
    const judge = policy({ maxRetryAfterExtraMs: 50 })
    expect(judge.decide({ attempt: 1, error, retryAfterMs: 149 })).toEqual(yes(149))
    expect(judge.decide({ attempt: 1, error, retryAfterMs: 700 })).toEqual(yes(150))
    expect(judge.decide({ attempt: 1, error, retryAfterMs: 20 })).toEqual(yes(100))
    const both = policy({ maxRetryAfterExtraMs: 500, maxRetryAfterMs: 200 })
    expect(both.decide({ attempt: 1, error, retryAfterMs: 700 })).toEqual(yes(200))
  })

  it.each([
    [{ retryAfterMode: 'exactly' as never }, "RetryPolicy: retryAfterMode must be one of 'at-least', 'exact'"],
    [{ retryAfterOf: 5 as never }, 'RetryPolicy: retryAfterOf must be a function, got 5'],
    [{ maxRetryAfterExtraMs: -1 }, 'RetryPolicy: maxRetryAfterExtraMs must be a finite number from 0'],
    [{ kindOf: 'throttling' as never }, 'RetryPolicy: kindOf must be a function, got "throttling"'],
  ])('%j is refused', (options, message) => {
    expect(() => policy(options)).toThrow(message)
  })

  it.each(['retryAfterOf', 'kindOf'] as const)('a %s that throws is reported and says nothing', (hook) => {
    const fault = new Error('hook')
    const judge = policy({
      [hook]: () => {
        throw fault
      },
    })
    const faults: unknown[] = []
    judge.on('error', (event) => faults.push(event))
    const progress = new RetryProgress()
    expect(judge.decide({ attempt: 1, error: busy, progress })).toEqual(yes(hook === 'kindOf' ? 700 : 100))
    expect(progress.kind).toBe('transient')
    expect(faults).toEqual([{ event: hook, error: fault }])
  })
})

describe('a call that ends from outside', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })

  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  const watched = (options: RetryOptions = {}) => {
    const judge = new RetryPolicy({ backoff: fixedBackoff({ delayMs: 100 }), ...options })
    const told: unknown[] = []
    judge.on('gave-up', ({ attempts, reason }) => told.push([attempts, reason]))
    return { judge, told }
  }

  it('while it waits made one try, and says so', async () => {
    const { judge, told } = watched()
    const controller = new AbortController()
    const call = judge.execute(() => Promise.reject(error), { signal: controller.signal })
    call.catch(() => {})
    await vi.advanceTimersByTimeAsync(50)
    controller.abort('left')
    await expect(call).rejects.toBe('left')
    expect(told).toEqual([[1, 'aborted']])
    expect(judge.metrics).toMatchObject({ calls: 1, attempts: 1, retries: 0, aborted: 1, outOfTime: 0 })
  })

  it.each([
    ['in the middle of its first try', 50, 1],
    ['in the middle of a later one', 150, 2],
  ])('by its own time, %s, ran out of time', async (_, timeoutMs, attempts) => {
    const { judge, told } = watched()
    const call = judge.execute(
      ({ attempt }) => (attempt === attempts ? new Promise(() => {}) : Promise.reject(error)),
      {
        timeoutMs,
      },
    )
    call.catch(() => {})
    await vi.advanceTimersByTimeAsync(200)
    await expect(call).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', limit: 'total' })
    expect(told).toEqual([[attempts, 'deadline']])
    expect(judge.metrics).toMatchObject({ attempts, retries: attempts - 1, aborted: 0, outOfTime: 1 })
  })

  it('by an outer attempt’s time, or by its caller during a try, was given up', async () => {
    for (const reason of [new TimeoutError(50, 'attempt'), new Error('left')]) {
      const { judge, told } = watched()
      const controller = new AbortController()
      const call = judge.execute(() => new Promise(() => {}), { signal: controller.signal })
      call.catch(() => {})
      controller.abort(reason)
      await expect(call).rejects.toBe(reason)
      expect(told).toEqual([[1, 'aborted']])
      expect(judge.metrics).toMatchObject({ attempts: 1, retries: 0, aborted: 1, outOfTime: 0 })
    }
  })
})

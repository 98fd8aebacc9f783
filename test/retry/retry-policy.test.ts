import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { AbortError as PRetryAbortError } from 'p-retry'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CallScope } from '../../src/core/context.ts'
import { TimeoutError } from '../../src/core/errors.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/timeout.ts'
import type { BackoffInput, RetryEvents, RetryOptions } from '../../src/retry/index.ts'
import type { Clock } from '../../src/time/clock.ts'
import { fixedBackoff, RetryPolicy } from '../../src/retry/index.ts'

/** Fails as often as told, then answers. */
function failing(times: number, error: unknown = new Error('down')): (context?: CallContext) => Promise<string> {
  let calls = 0
  return async () => {
    calls += 1
    if (calls <= times) throw error
    return `answer ${calls}`
  }
}

function record(policy: RetryPolicy): [string, object][] {
  const events: [string, object][] = []
  policy.on('retry', (event: RetryEvents['retry']) => events.push(['retry', event]))
  policy.on('gave-up', (event: RetryEvents['gave-up']) => events.push(['gave-up', event]))
  return events
}

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

afterEach(async () => {
  // A queue of deadlines keeps its one timer until it fires next; after that, nothing is left.
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('execute', () => {
  it('answers what the first try answers, with no timer and no event', async () => {
    const policy = quick()
    const events = record(policy)
    await expect(policy.execute(() => 7)).resolves.toBe(7)
    expect(events).toEqual([])
  })

  it('tries again after exactly the delay, to the millisecond', async () => {
    const work = vi.fn(failing(2))
    const answer = quick().execute(work)
    await vi.advanceTimersByTimeAsync(99)
    expect(work).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(work).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(99)
    expect(work).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(1)
    await expect(answer).resolves.toBe('answer 3')
  })

  it('stops after maxAttempts tries in all, and rejects with the very error of the last', async () => {
    const errors = [new Error('one'), new Error('two'), new Error('three')]
    let calls = 0
    const policy = quick()
    const events = record(policy)
    const answer = policy.execute(() => {
      throw errors[calls++]
    })
    const failure = answer.catch((error: unknown) => error)
    await vi.runAllTimersAsync()
    expect(await failure).toBe(errors[2])
    expect(calls).toBe(3)
    expect(events).toEqual([
      ['retry', { attempt: 1, delayMs: 100, error: errors[0] }],
      ['retry', { attempt: 2, delayMs: 100, error: errors[1] }],
      ['gave-up', { attempts: 3, reason: 'exhausted', error: errors[2] }],
    ])
  })

  it('does not try again when there is only one try, or when the error is not retryable', async () => {
    const error = new Error('down')
    const single = vi.fn(failing(1, error))
    await expect(quick({ maxAttempts: 1 }).execute(single)).rejects.toBe(error)
    expect(single).toHaveBeenCalledTimes(1)
    const picky = quick({ retryable: (thrown) => thrown !== error })
    const events = record(picky)
    await expect(picky.execute(failing(1, error))).rejects.toBe(error)
    expect(events).toEqual([['gave-up', { attempts: 1, reason: 'not-retryable', error }]])
  })

  it.each([
    ['a TypeError', new TypeError('null has no properties')],
    ['a string', 'down'],
    ['null', null],
    ['undefined', undefined],
    ['an object', { code: 503 }],
    ['p-retry’s own AbortError', new PRetryAbortError(new Error('inner'))],
    ['an object that cannot become a string', Object.create(null)],
  ])('retries %s when told to, and hands it out as it was thrown', async (_, thrown) => {
    const retryable = vi.fn(() => true)
    const work = vi.fn(() => {
      throw thrown
    })
    const failure = quick({ retryable })
      .execute(work)
      .then(
        () => 'an answer',
        (error: unknown) => ({ error }),
      )
    await vi.runAllTimersAsync()
    expect(((await failure) as { error: unknown }).error).toBe(thrown)
    expect(work).toHaveBeenCalledTimes(3)
    expect(retryable).toHaveBeenCalledTimes(2)
    expect(retryable).toHaveBeenCalledWith(thrown)
  })

  it('numbers the tries 1, 2, 3 without touching the scope of an outer policy', async () => {
    const seen: number[] = []
    const outer: { context?: CallContext; attempt?: number } = {}
    const watch = {
      info: { kind: 'watch', name: 'watch' },
      execute: async <T>(operation: (context: CallContext) => T | PromiseLike<T>, options?: unknown) => {
        const context = options as CallContext
        outer.context = context
        try {
          return await operation(context)
        } finally {
          outer.attempt = context.attempt
        }
      },
    }
    const answer = pipeline(watch, quick()).execute((context) => {
      seen.push(context.attempt)
      if (seen.length < 3) throw new Error('down')
      return 'done'
    })
    await vi.runAllTimersAsync()
    await expect(answer).resolves.toBe('done')
    expect(seen).toEqual([1, 2, 3])
    expect(outer.attempt).toBe(1)
  })

  it('begins at 1 inside the later try of another retry (FAULTS 54: nested tries multiply in plain view)', async () => {
    const inner = quick({ maxAttempts: 2, name: 'inner' })
    const outer = quick({ maxAttempts: 2, name: 'outer' })
    const seen: string[] = []
    const answer = outer.execute((around) =>
      inner.execute((context) => {
        seen.push(`${around.attempt}.${context.attempt}`)
        throw new Error('down')
      }, around),
    )
    answer.catch(() => {})
    await vi.runAllTimersAsync()
    await expect(answer).rejects.toThrow('down')
    expect(seen).toEqual(['1.1', '1.2', '2.1', '2.2'])
    expect(() => pipeline(outer, inner)).toThrow('pipeline: outer retries around inner: up to 4 attempts for one call')
  })

  it('passes key, priority and idempotent on to every try', async () => {
    const seen: unknown[] = []
    const work = failing(1)
    const answer = quick().execute(
      ({ key, priority, idempotent }) => {
        seen.push({ key, priority, idempotent })
        return work()
      },
      { key: 'k', priority: 3, idempotent: true },
    )
    await vi.runAllTimersAsync()
    await answer
    expect(seen).toEqual([
      { key: 'k', priority: 3, idempotent: true },
      { key: 'k', priority: 3, idempotent: true },
    ])
  })

  it('hands the backoff the delay before', async () => {
    const previous: (number | undefined)[] = []
    const delayMs = ({ attempt, previousDelayMs }: BackoffInput): number => {
      previous.push(previousDelayMs)
      return attempt * 10
    }
    const answer = quick({ backoff: { name: 'mine', delayMs } }).execute(failing(2))
    await vi.runAllTimersAsync()
    await answer
    expect(previous).toEqual([undefined, 10])
  })

  it('does not repeat what looks like a bug in the work, unless told to', async () => {
    const bug = new TypeError('null has no properties')
    const work = vi.fn(failing(1, bug))
    await expect(quick().execute(work)).rejects.toBe(bug)
    expect(work).toHaveBeenCalledTimes(1)
  })

  it('wraps a function: same arguments, same result', async () => {
    let calls = 0
    const wrapped = quick().wrap((a: number, b: string) => {
      calls += 1
      if (calls === 1) throw new Error('down')
      return `${a}${b}`
    })
    const answer = wrapped(1, 'x')
    await vi.runAllTimersAsync()
    await expect(answer).resolves.toBe('1x')
  })

  it('keeps the caller’s AsyncLocalStorage through retries and events', async () => {
    const storage = new AsyncLocalStorage<string>()
    const policy = quick()
    const seen: (string | undefined)[] = []
    policy.on('retry', () => seen.push(`event ${storage.getStore()}`))
    const work = failing(2)
    const answer = storage.run('mine', () =>
      policy.execute(() => {
        seen.push(storage.getStore())
        return work()
      }),
    )
    await storage.run('other', () => vi.runAllTimersAsync())
    await answer
    expect(seen).toEqual(['mine', 'event mine', 'mine', 'event mine', 'mine'])
  })
})

describe('abort', () => {
  it('with an aborted signal nothing is begun (FAULTS 46)', async () => {
    const reason = new Error('gone')
    const work = vi.fn(() => 1)
    const policy = quick()
    const events = record(policy)
    await expect(policy.execute(work, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(work).not.toHaveBeenCalled()
    expect(events).toEqual([])
    expect(policy.budget?.available).toBe(10)
  })

  it('during the backoff settles at once with the signal’s reason, and runs the work no more (FAULTS 47)', async () => {
    const controller = new AbortController()
    const error = new Error('down')
    const work = vi.fn(failing(9, error))
    const policy = quick()
    const events = record(policy)
    const answer = policy.execute(work, { signal: controller.signal })
    await vi.advanceTimersByTimeAsync(50)
    controller.abort('left')
    expect(await settled(answer)).toEqual({ error: 'left' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(work).toHaveBeenCalledTimes(1)
    expect(events.at(-1)).toEqual(['gave-up', { attempts: 1, reason: 'aborted', error }])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it.each([1, 2])('during try %i settles at once, although the work does not look at its signal', async (which) => {
    const controller = new AbortController()
    let calls = 0
    const policy = quick()
    const events = record(policy)
    const answer = policy.execute(
      () => {
        calls += 1
        if (calls < which) throw new Error('down')
        return new Promise(() => {})
      },
      { signal: controller.signal },
    )
    await vi.advanceTimersByTimeAsync(150)
    expect(calls).toBe(which)
    const reason = new Error('left')
    controller.abort(reason)
    expect(await settled(answer)).toEqual({ error: reason })
    expect(events.at(-1)).toEqual(['gave-up', { attempts: which, reason: 'aborted', error: reason }])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('aborts the signal of the try that is running', async () => {
    const controller = new AbortController()
    let inner: AbortSignal | undefined
    const work = failing(1)
    const answer = quick().execute(
      async ({ signal }) => {
        inner = signal
        await work()
        return new Promise(() => {})
      },
      { signal: controller.signal },
    )
    await vi.advanceTimersByTimeAsync(150)
    controller.abort('left')
    expect(await settled(answer)).toEqual({ error: 'left' })
    expect(inner?.aborted).toBe(true)
    expect(inner?.reason).toBe('left')
  })

  it('that comes too late does not take away a result that has arrived', async () => {
    const controller = new AbortController()
    let calls = 0
    const answer = quick().execute(
      () => {
        calls += 1
        if (calls === 1) throw new Error('down')
        queueMicrotask(() => queueMicrotask(() => controller.abort(new Error('late'))))
        return 'arrived'
      },
      { signal: controller.signal },
    )
    await vi.runAllTimersAsync()
    expect(controller.signal.aborted).toBe(true)
    await expect(answer).resolves.toBe('arrived')
  })

  it('of an outer scope, in the very moment the delay is over, begins no further try', async () => {
    const scope = new CallScope({})
    const work = vi.fn(failing(9))
    const clock: Partial<Clock> = {
      setTimeout: (wake, delayMs, ...args) =>
        setTimeout(() => {
          wake(...args)
          scope.abort('left')
        }, delayMs),
    }
    const answer = quick({ clock }).execute(work, scope)
    answer.catch(() => {})
    await vi.advanceTimersByTimeAsync(100)
    await expect(answer).rejects.toBe('left')
    expect(work).toHaveBeenCalledTimes(1)
  })

  it('does not reach the signal of a try that has ended', async () => {
    const scope = new CallScope({})
    const signals: AbortSignal[] = []
    const work = failing(2)
    const answer = quick().execute(({ signal }) => {
      signals.push(signal)
      return work()
    }, scope)
    await vi.runAllTimersAsync()
    await answer
    scope.abort('later')
    expect(signals.slice(1).map(({ aborted }) => aborted)).toEqual([false, false])
  })

  it('leaves no listener behind on a signal that outlives 1000 failing calls (FAULTS 48)', async () => {
    const controller = new AbortController()
    const policy = quick({ budget: false })
    const calls = Array.from({ length: 1000 }, () => policy.execute(failing(1), { signal: controller.signal }))
    await vi.runAllTimersAsync()
    await Promise.all(calls)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('the deadline', () => {
  it('a retry that cannot fit is not begun, and the caller gets the last real error at once', async () => {
    const error = new Error('down')
    const policy = quick()
    const events = record(policy)
    const answer = policy.execute(failing(9, error), { timeoutMs: 100 })
    expect(await settled(answer)).toEqual({ error })
    expect(events).toEqual([['gave-up', { attempts: 1, reason: 'deadline', error }]])
  })

  it('a retry that fits by a millisecond is made', async () => {
    const work = vi.fn(failing(1))
    const answer = quick().execute(work, { timeoutMs: 101 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(answer).resolves.toBe('answer 2')
  })

  it('ends a try that hangs', async () => {
    const work = failing(1)
    const answer = quick().execute(
      async () => {
        await work()
        return new Promise(() => {})
      },
      { timeoutMs: 500 },
    )
    await vi.advanceTimersByTimeAsync(499)
    expect(await settled(answer)).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    const { error } = (await settled(answer)) as { error: TimeoutError }
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.limit).toBe('total')
  })

  it('is also that of a timeout around the retry', async () => {
    const error = new Error('down')
    const answer = pipeline(timeout({ timeoutMs: 100 }), quick()).execute(failing(9, error))
    expect(await settled(answer)).toEqual({ error })
  })

  it('a timeout inside limits each try, and what timed out is tried again', async () => {
    const guarded = pipeline(quick(), timeout({ timeoutMs: 50 }))
    let calls = 0
    const answer = guarded.execute(() => {
      calls += 1
      return calls < 3 ? new Promise<string>(() => {}) : 'third'
    })
    await vi.advanceTimersByTimeAsync(50 + 100 + 50 + 100)
    await expect(answer).resolves.toBe('third')
  })
})

describe('the budget', () => {
  it('bounds the retries of all calls together', async () => {
    const policy = quick({ maxAttempts: 10, budget: { ratio: 0.1, minPerSecond: 0 } })
    const events = record(policy)
    const work = vi.fn(() => {
      throw new Error('down')
    })
    const calls = Array.from({ length: 100 }, () => policy.execute(work).catch(() => {}))
    await vi.runAllTimersAsync()
    await Promise.all(calls)
    expect(work).toHaveBeenCalledTimes(110)
    expect(policy.budget?.suppressed).toBe(100)
    expect(events.filter(([kind]) => kind === 'gave-up')).toHaveLength(100)
    expect(events.at(-1)).toMatchObject(['gave-up', { reason: 'budget' }])
  })

  it('is one that everybody may share', async () => {
    const shared = quick().budget
    const one = quick({ budget: shared as NonNullable<typeof shared> })
    expect(one.budget).toBe(shared)
    await one.execute(failing(0))
    expect(shared?.available).toBeCloseTo(10.2)
  })

  it.each([{}, { budget: { ratio: 0.2 } }])('of its own runs on the policy’s clock: %j', (options) => {
    let now = 0
    const policy = quick({ ...options, clock: { now: () => now } })
    while (policy.budget?.tryWithdraw()) now += 1
    expect(policy.budget?.available).toBe(0)
    now += 10_000
    expect(policy.budget?.available).toBe(10)
  })

  it('can be left out', async () => {
    const policy = quick({ budget: false })
    expect(policy.budget).toBeUndefined()
    const work = vi.fn(failing(2))
    const answer = policy.execute(work)
    await vi.runAllTimersAsync()
    await expect(answer).resolves.toBe('answer 3')
  })
})

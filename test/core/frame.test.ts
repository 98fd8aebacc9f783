import { type CallOptions, CircuitBreaker, type Guard, pipeline, type Policy, RetryPolicy, timeout } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import type { Permit } from '../../src/core/outcome.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'

/** Policies that share a frame behave as if each were wrapped around the next. */

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const again = (maxAttempts = 3): RetryPolicy =>
  new RetryPolicy({ maxAttempts, backoff: fixedBackoff({ delayMs: 10 }), budget: false })

/** The same policies nested by hand, with nothing for the frame to see. */
const hidden = (policy: Policy): Policy => ({
  info: policy.info,
  execute: (operation, options) => policy.execute(operation, options),
})

const failing = (times: number) => {
  let calls = 0
  return async (): Promise<number> => {
    calls += 1
    if (calls <= times) throw new Error(`failure ${calls}`)
    return calls
  }
}

/** A guard whose permits say what became of them; it makes each call wait when told to. */
function guard(log: string[], admit?: (permit: Permit) => ReturnType<Guard['admit']>): Guard {
  const permit: Permit = {
    success: () => log.push('success'),
    failure: () => log.push('failure'),
    ignore: () => log.push('ignored'),
  }
  return {
    info: { kind: 'test', name: 'guard' },
    execute: async () => 1 as never,
    admit: () => (log.push('admits'), admit === undefined ? permit : admit(permit)),
    judge: (given, { ok }) => (ok ? given.success() : given.failure()),
  }
}

describe('a retry in a frame', () => {
  it('runs again what is inside of it, and only that', async () => {
    const [outer, inner]: [string[], string[]] = [[], []]
    const answer = pipeline(guard(outer), again(), guard(inner)).execute(failing(2))
    await vi.advanceTimersByTimeAsync(20)
    expect(await answer).toBe(3)
    expect(outer).toEqual(['admits', 'success'])
    expect(inner).toEqual(['admits', 'failure', 'admits', 'failure', 'admits', 'success'])
  })

  it('numbers the tries, and gives the first one the scope of the call', async () => {
    const seen: number[] = []
    const work = failing(2)
    const answer = pipeline(again()).execute((context) => (seen.push(context.attempt), work()))
    await vi.advanceTimersByTimeAsync(20)
    await answer
    expect(seen).toEqual([1, 2, 3])
  })

  it('begins at 1 again in a try of somebody further out', async () => {
    const seen: number[] = []
    const parent = new CallScope({})
    const second = parent.fork()
    second.attempt = 2
    const work = failing(1)
    const answer = pipeline(again()).execute((context) => (seen.push(context.attempt), work()), second)
    await vi.advanceTimersByTimeAsync(10)
    await answer
    expect(seen).toEqual([1, 2])
    expect(second.attempt).toBe(2)
  })

  it('throws what the last try threw', async () => {
    const answer = pipeline(again(2))
      .execute(failing(5))
      .catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(10)
    expect(await answer).toBe('failure 2')
  })

  it('sees a refusal further in, and guards further out judge what the retry makes of it', async () => {
    const log: string[] = []
    const breaker = new CircuitBreaker({ failureThreshold: 1, name: 'orders' })
    breaker.isolate()
    await expect(pipeline(guard(log), again(), breaker).execute(() => 1)).rejects.toThrow('orders is isolated')
    expect(log).toEqual(['admits', 'failure'])
  })
})

describe('a limit in a frame', () => {
  it('ends the work, and guards on both sides learn of it', async () => {
    const [outer, inner]: [string[], string[]] = [[], []]
    const answer = pipeline(guard(outer), timeout({ timeoutMs: 10 }), guard(inner))
      .execute(() => new Promise(() => {}))
      .catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(10)
    expect(await answer).toBe('attempt timed out after 10 ms')
    expect([outer, inner]).toEqual([
      ['admits', 'failure'],
      ['admits', 'failure'],
    ])
  })

  it('inside a retry is a new one for each try, and around it one for all', async () => {
    const each = pipeline(again(), timeout({ timeoutMs: 15 }))
    const slow = vi.fn(() => new Promise((resolve) => setTimeout(resolve, 20)))
    const ended = each.execute(slow).catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(15 + 10 + 15 + 10 + 15)
    expect(await ended).toBe('attempt timed out after 15 ms')
    expect(slow).toHaveBeenCalledTimes(3)

    const all = pipeline(timeout({ timeoutMs: 25, name: 'total' }), again())
    const work = vi.fn(failing(9))
    const cut = all.execute(work).catch((error: Error) => error.message)
    await vi.advanceTimersByTimeAsync(25)
    // The third try would begin at 20 ms; its failure leaves no time for a fourth one.
    expect(await cut).toBe('failure 3')
    await vi.advanceTimersByTimeAsync(100)
  })

  it('says in its scope when the work must be done, and leaves the outer scope alone', async () => {
    const deadlines: (number | undefined)[] = []
    const start = performance.now()
    await pipeline(timeout({ timeoutMs: 50 })).execute((context) => deadlines.push(context.deadline))
    const outer = new CallScope({ timeoutMs: 20 })
    await pipeline(timeout({ timeoutMs: 50 })).execute((context) => deadlines.push(context.deadline), outer)
    expect(deadlines.map((deadline) => (deadline as number) - start)).toEqual([50, 20])
    expect(outer.aborted).toBe(false)
    outer.dispose()
  })

  it('that ended in time does not abort what the work returned', async () => {
    const signal = await pipeline(timeout({ timeoutMs: 10 })).execute((context) => context.signal)
    await vi.advanceTimersByTimeAsync(20)
    expect(signal.aborted).toBe(false)
  })

  it('that waits for the work to notice is not raced', async () => {
    const polite = timeout({ timeoutMs: 10, mode: 'cooperative' })
    for (const options of [undefined, { signal: new AbortController().signal }]) {
      const answer = pipeline(polite).execute(
        ({ signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => setTimeout(resolve, 5, 'late but good'))
          }),
        options,
      )
      await vi.advanceTimersByTimeAsync(15)
      expect(await answer).toBe('late but good')
    }
  })
})

describe('a guard in a frame', () => {
  it('may make the call wait', async () => {
    const log: string[] = []
    const waiting = guard(log, (permit) => new Promise((resolve) => setTimeout(resolve, 10, permit)))
    const work = vi.fn(() => 5)
    const answer = pipeline(waiting, guard(log)).execute(work)
    await vi.advanceTimersByTimeAsync(9)
    expect(work).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toBe(5)
    expect(log).toEqual(['admits', 'admits', 'success', 'success'])
  })

  it('whose wait ends in a refusal holds nothing, and costs nobody further out a verdict', async () => {
    const log: string[] = []
    const full = new Error('full')
    const answer = pipeline(
      guard(log),
      guard([], () => Promise.reject(full)),
    ).execute(() => 1)
    await expect(answer).rejects.toBe(full)
    expect(log).toEqual(['admits', 'ignored'])
  })

  it.each([undefined, 5])('that answers %s is told what it may answer', async (answer) => {
    const odd = guard([], () => answer as never)
    await expect(pipeline(odd).execute(() => 1)).rejects.toThrow(
      new TypeError(`guard: admit must answer a permit, a refusal or a promise of a permit, got ${answer}`),
    )
  })

  it('is not asked for a call that is over already', async () => {
    const log: string[] = []
    const answer = pipeline(guard(log)).execute(() => 1, { signal: AbortSignal.abort('gone') })
    await expect(answer).rejects.toBe('gone')
    expect(log).toEqual([])
  })
})

describe('work that is no function', () => {
  it('is refused before anybody is asked', async () => {
    const log: string[] = []
    await expect(pipeline(guard(log)).execute('work' as never)).rejects.toThrow(
      new TypeError('pipeline: the work must be a function, got "work"'),
    )
    expect(log).toEqual([])
  })
})

describe('a frame', () => {
  const policies = (): Policy[] => [
    timeout({ timeoutMs: 100, name: 'total' }),
    again(),
    new CircuitBreaker({ failureThreshold: 2 }),
    timeout({ timeoutMs: 15 }),
  ]
  const works: Record<string, () => Promise<unknown>> = {
    'that works': async () => 1,
    'that fails at first': failing(1),
    'that fails': failing(99),
    'that hangs': () => new Promise(() => {}),
    'that is slow': () => new Promise((resolve) => setTimeout(resolve, 14, 'slow')),
    'that throws at once': () => {
      throw new Error('at once')
    },
  }

  it.each(Object.keys(works))('answers for work %s like the same policies nested by hand', async (name) => {
    const outcomes: unknown[] = []
    for (const wrap of [(policy: Policy) => policy, hidden]) {
      const made = pipeline(...policies().map((policy) => wrap(policy)))
      const began = performance.now()
      const work = name === 'that fails at first' ? failing(1) : (works[name] as () => Promise<unknown>)
      const counted = vi.fn(work)
      const ended = made.execute(counted).then(
        (value) => ({ value, calls: counted.mock.calls.length, ms: performance.now() - began }),
        (error: Error) => ({
          error: error.message.replace(/\d+/, 'N'),
          calls: counted.mock.calls.length,
          ms: performance.now() - began,
        }),
      )
      await vi.advanceTimersByTimeAsync(200)
      outcomes.push(await ended)
    }
    expect(outcomes[0]).toEqual(outcomes[1])
  })

  it('settles an abort at once, wherever the call is', async () => {
    const controller = new AbortController()
    const options: CallOptions = { signal: controller.signal }
    const made = pipeline(...policies())
    const ended = Promise.allSettled([
      made.execute(() => new Promise(() => {}), options),
      made.execute(failing(1), options),
    ])
    await vi.advanceTimersByTimeAsync(5)
    controller.abort('left')
    expect(await ended).toEqual([
      { status: 'rejected', reason: 'left' },
      { status: 'rejected', reason: 'left' },
    ])
  })
})

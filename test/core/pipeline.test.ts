import { getEventListeners } from 'node:events'
import { CircuitBreaker, RetryPolicy, timeout } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallContext, CallOptions, Operation } from '../../src/core/context.ts'
import { CallScope } from '../../src/core/context.ts'
import { GatelessError, TimeoutError } from '../../src/core/errors.ts'
import type { Outcome, Permit } from '../../src/core/outcome.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import type { Guard, Policy, PolicyInfo, Refusal } from '../../src/core/policy.ts'

type Log = string[]

/** A policy that notes when it was entered and left. */
function watching(name: string, log: Log, info: Partial<PolicyInfo> = {}): Policy {
  return {
    info: { kind: 'watch', name, ...info },
    async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
      log.push(`${name} in`)
      try {
        return await operation(options as CallContext)
      } finally {
        log.push(`${name} out`)
      }
    },
  }
}

/** A guard that notes what became of its permits. */
function guarding(name: string, log: Log, admit?: () => Permit | Refusal): Guard {
  const permit: Permit = {
    success: () => log.push(`${name} success`),
    failure: () => log.push(`${name} failure`),
    ignore: () => log.push(`${name} ignored`),
  }
  return {
    ...watching(name, log),
    admit: admit ?? (() => (log.push(`${name} admits`), permit)),
    judge: (given, outcome: Outcome) => (outcome.ok ? given.success() : given.failure()),
  }
}

const refusal = (error: GatelessError): Refusal => ({ refused: true, error: () => error })

describe('pipeline', () => {
  it('runs outermost first, and each sees the same scope', async () => {
    const log: Log = []
    const scopes = new Set<unknown>()
    const answer = await pipeline(watching('a', log), watching('b', log)).execute(
      (context) => {
        scopes.add(context)
        log.push(`work ${context.key}`)
        return 5
      },
      { key: 'k' },
    )
    expect(answer).toBe(5)
    expect(log).toEqual(['a in', 'b in', 'work k', 'b out', 'a out'])
  })

  it('of nothing is the work itself', async () => {
    await expect(pipeline().execute(() => 7)).resolves.toBe(7)
  })

  it('wraps a function: same arguments, same result', async () => {
    const log: Log = []
    const wrapped = pipeline(watching('a', log)).wrap((x: number, y: number) => x * y)
    await expect(wrapped(6, 7)).resolves.toBe(42)
    expect(log).toEqual(['a in', 'a out'])
  })

  it('is a policy itself', async () => {
    const log: Log = []
    const inner = pipeline(watching('b', log), watching('c', log))
    const outer = pipeline(watching('a', log), inner)
    expect(inner.info).toEqual({ kind: 'pipeline', name: 'b > c' })
    expect(outer.policies[1]).toBe(inner)
    await outer.execute(() => log.push('work'))
    expect(log).toEqual(['a in', 'b in', 'c in', 'work', 'c out', 'b out', 'a out'])
  })

  it('reuses the scope of whoever is outside, and leaves it alone', async () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    const heard = vi.fn()
    scope.onAbort(heard)
    await pipeline(watching('a', [])).execute((context) => expect(context).toBe(scope), scope)
    controller.abort('still linked')
    expect(heard).toHaveBeenCalled()
  })
})

describe('guards', () => {
  it('neighbours admit in order and judge from the inside out', async () => {
    const log: Log = []
    const guards = pipeline(guarding('a', log), guarding('b', log))
    await guards.execute(() => log.push('work'))
    expect(log).toEqual(['a admits', 'b admits', 'work', 'b success', 'a success'])
    log.length = 0
    const error = new Error('down')
    await expect(guards.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(log).toEqual(['a admits', 'b admits', 'b failure', 'a failure'])
  })

  it('keep their place between other policies', async () => {
    const log: Log = []
    const mixed = pipeline(guarding('a', log), watching('b', log), guarding('c', log))
    await mixed.execute(() => log.push('work'))
    expect(log).toEqual(['a admits', 'b in', 'c admits', 'work', 'c success', 'b out', 'a success'])
  })

  it('a refusal further in is not held against anybody: permits are given back unjudged', async () => {
    const log: Log = []
    const error = new GatelessError('ERR_GATELESS_TEST', 'full', { local: true })
    const work = vi.fn()
    const guards = pipeline(
      guarding('a', log),
      guarding('b', log),
      guarding('c', log, () => refusal(error)),
    )
    await expect(guards.execute(work)).rejects.toBe(error)
    expect(log).toEqual(['a admits', 'b admits', 'b ignored', 'a ignored'])
    expect(work).not.toHaveBeenCalled()
  })

  it('one that throws instead of answering loses nobody’s permit', async () => {
    const log: Log = []
    const bug = new Error('bug')
    const guards = pipeline(
      guarding('a', log),
      guarding('b', log, () => {
        throw bug
      }),
    )
    await expect(guards.execute(() => 1)).rejects.toBe(bug)
    expect(log).toEqual(['a admits', 'a ignored'])
  })

  it('judge work that throws before it returns a promise', async () => {
    const log: Log = []
    const error = new Error('sync')
    const guards = pipeline(guarding('a', log))
    await expect(
      guards.execute(() => {
        throw error
      }),
    ).rejects.toBe(error)
    expect(log).toEqual(['a admits', 'a failure'])
  })
})

describe('abort and deadline', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('settle at once although the work is deaf', async () => {
    const controller = new AbortController()
    const log: Log = []
    const answer = pipeline(guarding('a', log), watching('b', log)).execute(() => new Promise(() => {}), {
      signal: controller.signal,
    })
    controller.abort('left')
    await expect(answer).rejects.toBe('left')
    // The permit comes back at once, and not when everything further in has unwound.
    expect(log).toEqual(['a admits', 'b in', 'a failure', 'b out'])
  })

  it('the whole call’s time ends it', async () => {
    const answer = pipeline(watching('a', [])).execute(() => new Promise(() => {}), { timeoutMs: 100 })
    const failure = answer.catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(100)
    expect(await failure).toBeInstanceOf(TimeoutError)
  })

  it('leave no listener and no timer behind', async () => {
    const controller = new AbortController()
    await pipeline(watching('a', [])).execute(({ signal }) => signal, { signal: controller.signal, timeoutMs: 100 })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('bad call options reject, and throw nothing', async () => {
    await expect(pipeline().execute(() => 1, { timeoutMs: -1 })).rejects.toBeInstanceOf(RangeError)
  })
})

const retry = (name: string, maxAttempts: number): Policy => watching(name, [], { kind: 'retry', maxAttempts })
const limit = (name: string, timeoutMs: number): Policy => watching(name, [], { kind: 'timeout', timeoutMs })

describe('what it refuses to compose', () => {
  it('something that is no policy', () => {
    expect(() => pipeline({} as never)).toThrow(
      new TypeError('pipeline: argument 0 is no policy (it needs info and execute)'),
    )
    expect(() => pipeline(watching('a', []), undefined as never)).toThrow('argument 1 is no policy')
    expect(() => pipeline({ execute: () => {} } as never)).toThrow('argument 0 is no policy')
  })

  it('retries around retries, saying what they come to', () => {
    expect(() => pipeline(retry('outer', 3), watching('x', []), retry('inner', 4))).toThrow(
      new TypeError('pipeline: outer retries around inner: up to 12 attempts for one call'),
    )
    expect(() => pipeline(retry('one', 3))).not.toThrow()
  })

  it('an inner limit that can never fire first', () => {
    const message = 'pipeline: inner (100 ms) stands inside outer (100 ms) and can never fire first'
    expect(() => pipeline(limit('outer', 100), limit('inner', 100))).toThrow(new TypeError(message))
    expect(() => pipeline(limit('outer', 101), limit('inner', 100))).not.toThrow()
  })
})

describe('a pipeline inside a pipeline', () => {
  it('is seen into: retries around it multiply, and its time limit counts', () => {
    const again = (): RetryPolicy => new RetryPolicy({ name: 'again' })
    expect(() => pipeline(again(), pipeline(timeout({ timeoutMs: 10 }), again()))).toThrow('up to 9 attempts')
    expect(() => pipeline(timeout({ timeoutMs: 10, name: 'total' }), pipeline(timeout({ timeoutMs: 10 })))).toThrow(
      'can never fire first',
    )
  })

  it('has the limit that stands around its retries, and none if there is none', () => {
    const [total, attempt] = [timeout({ timeoutMs: 100 }), timeout({ timeoutMs: 10 })]
    expect(pipeline(total, new RetryPolicy(), attempt).info).toMatchObject({ timeoutMs: 100, maxAttempts: 3 })
    expect(pipeline(new RetryPolicy(), attempt).info).toMatchObject({ timeoutMs: undefined, maxAttempts: 3 })
    expect(pipeline(attempt).info).toMatchObject({ timeoutMs: 10, maxAttempts: undefined })
  })
})

describe('a time limit around a breaker', () => {
  it('gives the slot of a half-open probe back although the work never ends', async () => {
    vi.useFakeTimers()
    try {
      const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100 })
      const limited = pipeline(timeout({ timeoutMs: 10 }), breaker)
      const hang = (): Promise<never> => new Promise(() => {})
      const first = limited.execute(hang).catch(() => {})
      await vi.advanceTimersByTimeAsync(10)
      await first
      expect(breaker.state).toBe('open')
      await vi.advanceTimersByTimeAsync(100)
      const probe = limited.execute(hang).catch(() => {})
      await vi.advanceTimersByTimeAsync(10)
      await probe
      expect(breaker.state).toBe('open')
    } finally {
      vi.useRealTimers()
    }
  })
})

import { getEventListeners } from 'node:events'
import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CallScope } from '../../src/core/context.ts'
import { TimeoutError } from '../../src/core/errors.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout, TimeoutPolicy, type TimeoutOptions } from '../../src/limits/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { StallingClock } from '../time/stalling-clock.ts'

/** Work that never ends and does not look at its signal. */
const deaf = (): Promise<never> => new Promise(() => {})

/** Work that ends when its signal aborts, after `windUpMs`. */
function listening(windUpMs: number, end: (reason: unknown) => unknown): (context: CallContext) => Promise<unknown> {
  return ({ signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        setTimeout(() => {
          const result = end(signal.reason)
          if (result instanceof Error) reject(result)
          else resolve(result)
        }, windUpMs)
      })
    })
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

async function settled(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([outcome(promise), vi.advanceTimersByTimeAsync(0).then(() => 'pending')])
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  // The queue of a duration keeps its one timer until it fires next; after that, nothing.
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe.each(['aggressive', 'cooperative'] as const)('a timeout (%s)', (mode) => {
  const limit = (options: Partial<TimeoutOptions> = {}): TimeoutPolicy => timeout({ timeoutMs: 100, mode, ...options })

  it('hands out what the work answers or throws in time', async () => {
    const error = new Error('mine')
    await expect(limit().execute(() => 5)).resolves.toBe(5)
    await expect(limit().execute(async () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      limit().execute(() => {
        throw error
      }),
    ).rejects.toBe(error)
  })

  it('aborts the signal at the limit, exactly, with a TimeoutError of the attempt', async () => {
    let signal: AbortSignal | undefined
    const answer = outcome(
      limit().execute((context) => {
        signal = context.signal
        return listening(0, (reason) => reason)(context)
      }),
    )
    await vi.advanceTimersByTimeAsync(99)
    expect(signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(signal?.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    const { error } = (await answer) as { error: TimeoutError }
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toBe(signal?.reason)
    expect(error).toMatchObject({ timeoutMs: 100, limit: 'attempt', local: false, code: 'ERR_GATELESS_TIMEOUT' })
  })

  it('does not abort the signal of work that returned in time: a body it returned lives on', async () => {
    let signal: AbortSignal | undefined
    const controller = new AbortController()
    await limit().execute(
      (context) => {
        signal = context.signal
      },
      { signal: controller.signal },
    )
    await vi.advanceTimersByTimeAsync(1_000)
    expect(signal?.aborted).toBe(false)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('does not abort it later for the sake of an outer scope either', async () => {
    const scope = new CallScope({})
    let signal: AbortSignal | undefined
    await limit().execute((context) => {
      signal = context.signal
    }, scope)
    scope.abort('later')
    expect(signal?.aborted).toBe(false)
  })

  it('reports the caller’s own abort as that, never as a timeout', async () => {
    const controller = new AbortController()
    const policy = limit()
    const heard = vi.fn()
    policy.on('timeout', heard)
    const answer = policy.execute(deaf, { signal: controller.signal })
    await vi.advanceTimersByTimeAsync(50)
    controller.abort('left')
    expect(await settled(answer)).toEqual({ error: 'left' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(heard).not.toHaveBeenCalled()
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('begins nothing when the signal is aborted already (FAULTS 46)', async () => {
    const work = vi.fn()
    await expect(limit().execute(work, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone')
    expect(work).not.toHaveBeenCalled()
  })

  it('lets the whole call’s deadline fire by itself when that is earlier', async () => {
    const answer = outcome(limit().execute(deaf, { timeoutMs: 30 }))
    await vi.advanceTimersByTimeAsync(30)
    const { error } = (await answer) as { error: TimeoutError }
    expect(error).toMatchObject({ limit: 'total', timeoutMs: 30 })
  })

  it('shows the work the earlier of both deadlines', async () => {
    const deadlines: (number | undefined)[] = []
    const look = ({ deadline }: CallContext): unknown => deadlines.push(deadline)
    const start = performance.now()
    await limit().execute(look)
    await limit().execute(look, { timeoutMs: 30 })
    await limit().execute(look, { timeoutMs: 300 })
    expect(deadlines).toEqual([start + 100, start + 30, start + 100])
  })

  it('passes key, priority, idempotent and the number of the try on', async () => {
    const seen = await limit().execute(
      ({ key, priority, idempotent, attempt }) => [key, priority, idempotent, attempt],
      {
        key: 'k',
        priority: 2,
        idempotent: true,
      },
    )
    expect(seen).toEqual(['k', 2, true, 1])
  })

  it('tells its listeners, once, and one that throws changes nothing (FAULTS 51)', async () => {
    const policy = limit()
    const heard = vi.fn(() => {
      throw new Error('listener')
    })
    const faults = vi.fn()
    policy.on('timeout', heard)
    policy.on('error', faults)
    const answer = outcome(policy.execute(listening(0, (reason) => reason)))
    await vi.advanceTimersByTimeAsync(200)
    expect(await answer).toMatchObject({ error: { limit: 'attempt' } })
    expect(heard).toHaveBeenCalledExactlyOnceWith({ timeoutMs: 100 })
    expect(faults).toHaveBeenCalledTimes(1)
  })

  it('leaves no listener behind on a signal that outlives 1000 calls (FAULTS 48)', async () => {
    const controller = new AbortController()
    const calls = Array.from({ length: 1000 }, (_, i) =>
      limit().execute(({ signal }) => signal.aborted || i, { signal: controller.signal }),
    )
    await Promise.all(calls)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('wraps a function, and keeps its caller’s AsyncLocalStorage', async () => {
    const storage = new AsyncLocalStorage<number>()
    const wrapped = limit().wrap((a: number, b: number) => a + b + (storage.getStore() as number))
    await expect(storage.run(3, () => wrapped(1, 2))).resolves.toBe(6)
  })

  it('inside another timeout, whichever ends first speaks', async () => {
    const both = pipeline(timeout({ timeoutMs: 500, name: 'outer' }), limit())
    const answer = outcome(both.execute(listening(0, (reason) => reason)))
    await vi.advanceTimersByTimeAsync(101)
    expect(await answer).toMatchObject({ error: { timeoutMs: 100 } })
  })

  it('runs on an injected clock', async () => {
    const clock = new FakeClock()
    const answer = outcome(
      limit({ clock }).execute(
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error))
          }),
      ),
    )
    await clock.advance(100)
    expect(await answer).toMatchObject({ error: { limit: 'attempt' } })
    expect(clock.pending).toBe(0)
  })

  it('an answer that came while the event loop was blocked is no timeout (FAULTS 88)', async () => {
    const clock = new StallingClock()
    const { promise, resolve } = Promise.withResolvers<string>()
    const answer = outcome(limit({ clock }).execute(() => promise))
    clock.stall(5_000)
    clock.fireDue()
    // The socket's turn: the answer was waiting in it.
    resolve('in time')
    expect(await answer).toEqual({ value: 'in time' })
    clock.fireDue()
  })
})

describe('aggressive', () => {
  it('answers at the limit although the work is deaf, and drops what comes later', async () => {
    const { promise, reject } = Promise.withResolvers()
    const answer = outcome(timeout({ timeoutMs: 100 }).execute(() => promise))
    await vi.advanceTimersByTimeAsync(100)
    expect(await settled(answer)).toMatchObject({ value: { error: { limit: 'attempt' } } })
    reject(new Error('late: must not become an unhandled rejection'))
    await vi.advanceTimersByTimeAsync(10)
  })

  it('is the default', async () => {
    const answer = outcome(new TimeoutPolicy({ timeoutMs: 100 }).execute(deaf))
    await vi.advanceTimersByTimeAsync(100)
    expect(await answer).toMatchObject({ error: { limit: 'attempt' } })
  })
})

describe('cooperative', () => {
  const policy = timeout({ timeoutMs: 100, mode: 'cooperative' })

  it('waits for the work to wind up', async () => {
    const answer = policy.execute(listening(40, (reason) => reason))
    answer.catch(() => {})
    await vi.advanceTimersByTimeAsync(139)
    expect(await settled(answer)).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    await expect(answer).rejects.toBeInstanceOf(TimeoutError)
  })

  it('a late answer is still an answer', async () => {
    const answer = policy.execute(listening(40, () => 'late'))
    await vi.advanceTimersByTimeAsync(140)
    await expect(answer).resolves.toBe('late')
  })

  it('a late failure of its own is the cause of the TimeoutError', async () => {
    const late = new Error('cleanup')
    const answer = outcome(policy.execute(listening(40, () => late)))
    await vi.advanceTimersByTimeAsync(140)
    const { error } = (await answer) as { error: Error }
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.cause).toBe(late)
  })

  it('does not make the caller wait for his own abort, nor for the whole call’s deadline', async () => {
    const controller = new AbortController()
    const answer = policy.execute(deaf, { signal: controller.signal })
    await vi.advanceTimersByTimeAsync(150)
    expect(await settled(answer)).toBe('pending')
    controller.abort('left')
    expect(await settled(answer)).toEqual({ error: 'left' })
    const bounded = outcome(policy.execute(deaf, { timeoutMs: 130 }))
    await vi.advanceTimersByTimeAsync(130)
    expect(await bounded).toMatchObject({ error: { limit: 'total' } })
  })

  it('work that winds up after the caller left did not time out', async () => {
    const heard = vi.fn()
    const quiet = timeout({ timeoutMs: 100, mode: 'cooperative' })
    quiet.on('timeout', heard)
    const controller = new AbortController()
    const own = new Error('own')
    const outer = timeout({ timeoutMs: 5_000, mode: 'cooperative', name: 'outer' })
    const answer = outcome(
      outer.execute(
        (context) =>
          quiet.execute(
            listening(90, () => own),
            context,
          ),
        { signal: controller.signal },
      ),
    )
    await vi.advanceTimersByTimeAsync(50)
    controller.abort('left')
    expect(await answer).toEqual({ error: 'left' })
    await vi.advanceTimersByTimeAsync(200)
    expect(heard).not.toHaveBeenCalled()
  })

  it('in a scope that is over already, begins nothing', async () => {
    const work = vi.fn()
    let scope: CallContext | undefined
    const controller = new AbortController()
    await timeout({ timeoutMs: 9 }).execute(
      (context) => {
        scope = context
      },
      { signal: controller.signal },
    )
    controller.abort('left')
    await expect(policy.execute(work, scope)).rejects.toBe('left')
    expect(work).not.toHaveBeenCalled()
  })
})

describe('options', () => {
  it.each([
    [undefined, 'timeout: timeoutMs must be given, in milliseconds, got undefined'],
    [{}, 'timeout: timeoutMs must be given, in milliseconds, got undefined'],
    [{ timeoutMs: 0 }, 'timeout: timeoutMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'],
    [{ timeoutMs: -5 }, 'got -5'],
    [{ timeoutMs: Number.NaN }, 'got NaN'],
    [{ timeoutMs: Infinity }, 'got Infinity'],
    [{ timeoutMs: 2 ** 31 }, 'got 2147483648'],
    [{ timeoutMs: '5' }, 'got "5"'],
    [{ timeoutMs: 5, mode: 'polite' }, "timeout: mode must be one of 'aggressive', 'cooperative', got \"polite\""],
    [{ timeoutMs: 5, name: 5 }, 'timeout: name must be a string that is not empty, got 5'],
    [{ timeoutMs: 5, ms: 5 }, 'timeout: unknown option "ms"'],
    [7, 'timeout: options must be an object, got 7'],
  ])('%j is refused (FAULTS 44, 45)', (options, message) => {
    expect(() => timeout(options as never)).toThrow(message)
  })

  it('are copied (FAULTS 50), and shown in info', () => {
    const options = { timeoutMs: 100, name: 'mine' }
    const policy = timeout(options)
    options.timeoutMs = 5
    expect(policy.info).toEqual({
      kind: 'timeout',
      name: 'mine',
      summary: 'ends after 100 ms',
      timeoutMs: 100,
      cooperative: false,
    })
    expect(timeout({ timeoutMs: 5, mode: 'cooperative' }).info.summary).toBe('asks to end after 5 ms')
    expect(() => pipeline(policy, timeout({ timeoutMs: 200 }))).toThrow('can never fire first')
  })
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CircuitBreaker, GatelessError, pipeline, timeout, TimeoutError } from 'gateless'
import { fallback, type FallbackAlternative, FallbackError, FallbackPolicy } from 'gateless/answers'

const down = new Error('down')
const fail = (): Promise<never> => Promise.reject(down)
const hang = (): Promise<never> => new Promise(() => {})

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

async function thrownBy(promise: Promise<unknown>): Promise<FallbackError> {
  return ((await outcome(promise)) as { error: FallbackError }).error
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a fallback', () => {
  it('is not asked while the work answers', async () => {
    const run = vi.fn()
    const policy = fallback({ run })
    await expect(policy.execute(() => 5)).resolves.toBe(5)
    expect(run).not.toHaveBeenCalled()
    expect(policy.metrics).toEqual({ calls: 1, answered: 0, failed: 0 })
  })

  it('answers with a value, whatever the value', async () => {
    const empty: string[] = []
    await expect(fallback({ value: empty }).execute(fail)).resolves.toBe(empty)
    await expect(fallback({ value: undefined }).execute(fail)).resolves.toBeUndefined()
    await expect(fallback({ value: null }).execute(fail)).resolves.toBeNull()
    await expect(
      fallback({ value: 1 }).execute(() => {
        throw down
      }),
    ).resolves.toBe(1)
  })

  it('answers with what a function makes of the error and the context', async () => {
    const run = vi.fn(async (_error: unknown, { key }: CallContext) => `for ${key}`)
    const policy = fallback({ run })
    await expect(policy.execute(fail, { key: 'k' })).resolves.toBe('for k')
    expect(run.mock.calls[0]?.[0]).toBe(down)
    expect(policy.metrics).toEqual({ calls: 1, answered: 1, failed: 0 })
  })

  it('asks its alternatives in order, and tells which answered', async () => {
    const events: unknown[] = []
    const broken = new Error('replica down')
    const policy = fallback(
      { value: 'never', when: 'ECONNRESET' },
      { run: () => Promise.reject(broken) },
      { value: 'third' },
      { value: 'fourth' },
    )
    policy.on('fallback', (event) => events.push(event))
    policy.on('alternative-failed', (event) => events.push(event))
    await expect(policy.execute(fail)).resolves.toBe('third')
    expect(events).toEqual([
      { alternative: 1, error: broken, cause: down },
      { alternative: 2, error: down },
    ])
    expect(policy.metrics).toEqual({ calls: 1, answered: 1, failed: 0 })
  })

  it('throws the work’s own error when no alternative matches', async () => {
    const policy = fallback({ value: 1, when: 'ECONNRESET' })
    await expect(outcome(policy.execute(fail))).resolves.toEqual({ error: down })
    expect(policy.metrics).toEqual({ calls: 1, answered: 0, failed: 0 })
  })

  it('that matches nothing is no fault to report', async () => {
    const faults = vi.fn()
    const policy = fallback({ value: 1, when: 'A' }, { value: 2, when: 'B' })
    policy.on('error', faults)
    await outcome(policy.execute(fail))
    expect(policy.find(down, 2)).toBe(-1)
    expect(faults).not.toHaveBeenCalled()
  })

  it('counts an alternative as failed that throws undefined', async () => {
    const error = await thrownBy(fallback({ run: () => Promise.reject(undefined) }).execute(fail))
    expect(error).toMatchObject({ name: 'FallbackError', cause: down, errors: [undefined] })
  })

  it('asks for the answer of a lazy promise once: each then of such a one begins its work', async () => {
    const begun = vi.fn()
    const lazy: PromiseLike<string> = {
      // oxlint-disable-next-line unicorn/no-thenable -- that is what this is about
      then(fulfilled, rejected) {
        begun()
        return Promise.resolve('row').then(fulfilled, rejected)
      },
    }
    for (const options of [{ timeoutMs: 100 }, { signal: new AbortController().signal }, {}]) {
      begun.mockClear()
      await expect(fallback({ run: () => lazy }).execute(fail, options)).resolves.toBe('row')
      expect(begun).toHaveBeenCalledTimes(1)
    }
  })

  it('throws a FallbackError with the work’s error as cause when all that match fail', async () => {
    const policy = fallback(
      {
        run: () => {
          throw new Error('first')
        },
      },
      { run: () => Promise.reject(new Error('second')) },
    )
    const error = await thrownBy(policy.execute(fail))
    expect(error).toBeInstanceOf(FallbackError)
    expect(error).toMatchObject({
      name: 'FallbackError',
      code: 'ERR_GATELESS_FALLBACK_FAILED',
      message: 'fallback failed (first; second) after: down',
      cause: down,
      local: false,
      retryAfterMs: undefined,
    })
    expect(error.errors.map((one) => (one as Error).message)).toEqual(['first', 'second'])
    expect(policy.metrics).toEqual({ calls: 1, answered: 0, failed: 1 })
  })

  it('that fails blames whom the work’s error blames', async () => {
    const refused = new GatelessError('ERR_GATELESS_CIRCUIT_OPEN', 'open', { local: true, retryAfterMs: 70 })
    const policy = fallback({ run: () => Promise.reject(new Error('x')) })
    const error = await thrownBy(policy.execute(() => Promise.reject(refused)))
    expect(error).toMatchObject({ local: true, retryAfterMs: 70 })
  })

  it('wraps a function', async () => {
    const wrapped = fallback({ value: 'none' }).wrap((id: number) => (id > 0 ? `id ${id}` : fail()))
    await expect(wrapped(1)).resolves.toBe('id 1')
    await expect(wrapped(0)).resolves.toBe('none')
  })

  it('says which alternative it would be, without running any', () => {
    const run = vi.fn()
    const policy = fallback({ run, when: 'A' }, { run, when: 'B' }, { run, when: ['A', 'C'] })
    expect(policy.find({ code: 'A' })).toBe(0)
    expect(policy.find({ code: 'A' }, 1)).toBe(2)
    expect(policy.find({ code: 'C' })).toBe(2)
    expect(policy.find({ code: 'D' })).toBe(-1)
    expect(run).not.toHaveBeenCalled()
  })

  it('keeps the caller’s async context', async () => {
    const storage = new AsyncLocalStorage<string>()
    const policy = fallback({ run: async () => storage.getStore() })
    await expect(storage.run('mine', () => policy.execute(fail))).resolves.toBe('mine')
  })

  it('answers for what stands inside it in a pipeline', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const composed = pipeline(fallback({ value: 'cached', when: 'ERR_GATELESS_CIRCUIT_OPEN' }), breaker)
    await expect(outcome(composed.execute(fail))).resolves.toEqual({ error: down })
    await expect(composed.execute(fail)).resolves.toBe('cached')
  })

  it('is not hurt by listeners that throw', async () => {
    const policy = fallback({ run: fail }, { value: 1 })
    policy.on('error', () => {})
    for (const event of ['fallback', 'alternative-failed'] as const) {
      policy.on(event, () => {
        throw new Error('listener')
      })
    }
    await expect(policy.execute(fail)).resolves.toBe(1)
  })
})

describe('what an alternative matches', () => {
  class QuotaError extends Error {}

  const matched = (when: FallbackAlternative['when'], error: unknown): boolean =>
    fallback(when === undefined ? { value: 1 } : { value: 1, when }).find(error) === 0

  it('is everything but an AbortError unless said otherwise', () => {
    expect(matched(undefined, down)).toBe(true)
    expect(matched(undefined, undefined)).toBe(true)
    expect(matched(undefined, null)).toBe(true)
    expect(matched(undefined, 'text')).toBe(true)
    expect(matched(undefined, new DOMException('aborted', 'AbortError'))).toBe(false)
    expect(matched('AbortError', new DOMException('aborted', 'AbortError'))).toBe(true)
  })

  it('is said by a code or a name', () => {
    expect(matched('ECONNRESET', { code: 'ECONNRESET' })).toBe(true)
    expect(matched('ECONNRESET', { code: 'ECONNREFUSED' })).toBe(false)
    expect(matched('TimeoutError', new TimeoutError(5, 'total'))).toBe(true)
    expect(matched('ECONNRESET', undefined)).toBe(false)
    expect(matched('ECONNRESET', null)).toBe(false)
  })

  it('is said by a class', () => {
    expect(matched(QuotaError, new QuotaError())).toBe(true)
    expect(matched(QuotaError, new Error())).toBe(false)
    expect(matched(Error, new QuotaError())).toBe(true)
    expect(matched(TypeError, new RangeError())).toBe(false)
  })

  it('is said by a function, plain or arrow', () => {
    expect(matched((error) => error === down, down)).toBe(true)
    expect(matched((error) => error === down, new Error())).toBe(false)
    expect(
      matched(function isDown(error: unknown) {
        return error === down
      }, down),
    ).toBe(true)
  })

  it('is said by any of a list', () => {
    expect(matched(['A', QuotaError], new QuotaError())).toBe(true)
    expect(matched(['A', QuotaError], { code: 'A' })).toBe(true)
    expect(matched(['A', QuotaError], down)).toBe(false)
    expect(matched([], down)).toBe(false)
  })

  it('is nothing for a function that throws or answers no boolean, which is reported', async () => {
    const faults: unknown[] = []
    const policy = fallback(
      {
        value: 1,
        when: () => {
          throw new Error('hook')
        },
      },
      { value: 2, when: (async () => true) as unknown as () => boolean },
      { value: 3 },
    )
    policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
    await expect(policy.execute(fail)).resolves.toBe(3)
    expect(faults).toEqual([
      ['when', 'hook'],
      ['when', 'when must answer true or false, got object'],
    ])
  })
})

describe('a fallback, when the call is over', () => {
  it('does not answer a caller who left', async () => {
    const controller = new AbortController()
    const policy = fallback({ value: 'late' })
    const answer = outcome(policy.execute(hang, { signal: controller.signal }))
    controller.abort('left')
    await expect(answer).resolves.toEqual({ error: 'left' })
    expect(policy.metrics.answered).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('does so when told to', async () => {
    const controller = new AbortController()
    const policy = new FallbackPolicy({ alternatives: [{ run: hang }, { value: 'partial' }], answerAborts: true })
    const failures: unknown[] = []
    policy.on('alternative-failed', (event) => failures.push(event))
    const answer = policy.execute(hang, { signal: controller.signal })
    controller.abort('left')
    await expect(answer).resolves.toBe('partial')
    expect(failures).toEqual([])
  })

  it('answers a call whose time is up with what is at hand', async () => {
    const answer = fallback({ value: 'at hand' }).execute(hang, { timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(answer).resolves.toBe('at hand')
    const made = fallback({ run: () => 'made' }).execute(hang, { timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(made).resolves.toBe('made')
  })

  it('does not wait for what is not at hand: the caller gets the TimeoutError at the limit', async () => {
    const answer = outcome(fallback({ run: hang }).execute(hang, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    expect(await answer).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
    const rejecting = outcome(fallback({ run: fail }).execute(hang, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    expect(await rejecting).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
  })

  it('tells of an alternative that fails by itself after the limit', async () => {
    const broken = new Error('replica down')
    const policy = fallback({
      run: () => {
        throw broken
      },
    })
    const failures: unknown[] = []
    policy.on('alternative-failed', (event) => failures.push(event))
    const failing = thrownBy(policy.execute(hang, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    const error = await failing
    expect(error).toMatchObject({ name: 'FallbackError', cause: { code: 'ERR_GATELESS_TIMEOUT' }, errors: [broken] })
    expect(failures).toEqual([{ alternative: 0, error: broken, cause: error.cause }])
    expect(policy.metrics).toEqual({ calls: 1, answered: 0, failed: 1 })
  })

  it('settles at once when the caller leaves while an alternative runs', async () => {
    const controller = new AbortController()
    const policy = fallback({ run: hang }, { value: 'unwanted' })
    const failures: unknown[] = []
    policy.on('alternative-failed', (event) => failures.push(event))
    const answer = outcome(policy.execute(fail, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(0)
    controller.abort('left')
    await expect(answer).resolves.toEqual({ error: 'left' })
    expect(failures).toEqual([])
    expect(policy.metrics).toEqual({ calls: 1, answered: 0, failed: 0 })
  })

  it('goes on to what is at hand when the time runs out while an alternative runs', async () => {
    const answer = fallback({ run: hang }, { value: 'at hand' }).execute(fail, { timeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    await expect(answer).resolves.toBe('at hand')
    const none = outcome(fallback({ run: hang }).execute(fail, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    // What the work did is the last real error.
    await expect(none).resolves.toEqual({ error: down })
  })

  it('waits for its alternative when nobody can end the call', async () => {
    const slow = (): Promise<string> =>
      new Promise((resolve) => {
        setTimeout(() => resolve('slow'), 500)
      })
    const answer = fallback({ run: slow }).execute(fail)
    await vi.advanceTimersByTimeAsync(500)
    await expect(answer).resolves.toBe('slow')
  })

  it('leaves the limit to a timeout around it', async () => {
    const limited = pipeline(timeout({ timeoutMs: 100 }), fallback({ value: 'unwanted' }))
    const answer = outcome(limited.execute(hang))
    await vi.advanceTimersByTimeAsync(100)
    // The time limit is the caller here, and has answered already.
    expect(await answer).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
  })
})

describe('the options of a fallback', () => {
  it('describe it', () => {
    expect(fallback({ value: 1 }).info).toEqual({
      kind: 'fallback',
      name: 'fallback',
      summary: 'answers failed work from 1 alternative',
      hidesFailures: true,
    })
    const policy = new FallbackPolicy({ alternatives: [{ value: 1 }, { value: 2 }], name: 'prices' })
    expect(policy.info).toMatchObject({ name: 'prices', summary: 'answers failed work from 2 alternatives' })
  })

  it.each<[unknown, string]>([
    [{}, 'fallback: alternatives must be a list of at least one alternative, got undefined'],
    [{ alternatives: [] }, 'fallback: alternatives must be a list of at least one alternative, got an array'],
    [{ alternatives: {} }, 'fallback: alternatives must be a list of at least one alternative, got an object'],
    [{ alternatives: [5] }, 'fallback: alternative 0: options must be an object, got 5'],
    [{ alternatives: [{ value: 1 }, {}] }, 'fallback: alternative 1: either value or run must be given'],
    [{ alternatives: [{ value: 1, run: () => 2 }] }, 'fallback: alternative 0: either value or run must be given'],
    [{ alternatives: [{ run: 5 }] }, 'fallback: alternative 0: run must be a function, got 5'],
    [
      { alternatives: [{ value: 1, when: 5 }] },
      'fallback: alternative 0: when must be a function, a class, a code or name, or a list of them, got 5',
    ],
    [{ alternatives: [{ value: 1, when: ['A', ''] }] }, 'or a list of them, got ""'],
    [{ alternatives: [{ value: 1, if: 5 }] }, 'fallback: alternative 0: unknown option "if"'],
    [{ alternatives: [{ value: 1 }], answerAborts: 1 }, 'fallback: answerAborts must be true or false, got 1'],
    [{ alternatives: [{ value: 1 }], name: '' }, 'fallback: name must be a string that is not empty, got ""'],
    [{ alternatives: [{ value: 1 }], clock: 1 }, 'clock must be an object, got 1'],
    [{ alternatives: [{ value: 1 }], when: 1 }, 'fallback: unknown option "when"'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => new FallbackPolicy(options as never)).toThrow(message)
  })

  it('measure a call’s time by an injected clock', async () => {
    const clock = { now: () => 1_000 }
    const policy = new FallbackPolicy({ alternatives: [{ run: (_error, { deadline }) => deadline }], clock })
    await expect(policy.execute(fail, { timeoutMs: 10 })).resolves.toBe(1_010)
  })
})

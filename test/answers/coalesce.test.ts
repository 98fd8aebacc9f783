import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CircuitBreaker, pipeline } from 'gateless'
import { coalesce, type CoalesceOptions } from 'gateless/answers'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

/** Work that ends when told to. */
class Handmade {
  readonly contexts: CallContext[] = []
  readonly signals: AbortSignal[] = []
  readonly #ends: PromiseWithResolvers<unknown>[] = []

  get runs(): number {
    return this.contexts.length
  }

  readonly run = (context: CallContext): Promise<unknown> => {
    const end = Promise.withResolvers<unknown>()
    this.contexts.push(context)
    this.signals.push(context.signal)
    this.#ends.push(end)
    return end.promise
  }

  answer(run: number, value: unknown): void {
    this.#ends[run]?.resolve(value)
  }

  fail(run: number, error: unknown): void {
    this.#ends[run]?.reject(error)
  }
}

const key = (name: string): { key: string } => ({ key: name })

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('coalesce', () => {
  it('runs once for all who ask for the same key at once', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const events: unknown[] = []
    policy.on('joined', (event) => events.push(event))
    const answers = [1, 2, 3].map(() => policy.execute(work.run, key('d1')))
    expect(work.runs).toBe(1)
    expect(policy.callers('d1')).toBe(3)
    expect(policy.callers('d2')).toBe(0)
    const value = { id: 'd1' }
    work.answer(0, value)
    for (const answer of await Promise.all(answers)) expect(answer).toBe(value)
    expect(events).toEqual([
      { key: 'd1', callers: 2 },
      { key: 'd1', callers: 3 },
    ])
    expect(policy.metrics).toEqual({ runs: 1, joined: 2, alone: 0, abandoned: 0, inFlight: 0 })
    expect(policy.callers('d1')).toBe(0)
  })

  it('runs anew for who asks after the answer', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const first = policy.execute(work.run, key('d1'))
    work.answer(0, 1)
    await first
    const second = policy.execute(work.run, key('d1'))
    expect(work.runs).toBe(2)
    work.answer(1, 2)
    await expect(second).resolves.toBe(2)
  })

  it('runs each key by itself, and calls without a key each by itself', async () => {
    const policy = coalesce()
    const work = new Handmade()
    const answers = [
      policy.execute(work.run, key('a')),
      policy.execute(work.run, key('b')),
      policy.execute(work.run),
      policy.execute(work.run, { timeoutMs: 50 }),
    ]
    expect(work.runs).toBe(4)
    expect(policy.metrics).toMatchObject({ runs: 2, alone: 2, inFlight: 2 })
    for (let run = 0; run < 4; run += 1) work.answer(run, run)
    await expect(Promise.all(answers)).resolves.toEqual([0, 1, 2, 3])
  })

  it('takes the empty string for a key', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const answers = [policy.execute(work.run, key('')), policy.execute(work.run, key(''))]
    expect(work.runs).toBe(1)
    work.answer(0, 'one')
    await Promise.all(answers)
  })

  it('shares the failure too, and no rejection is left unhandled', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const answers = [1, 2].map(() => outcome(policy.execute(work.run, key('a'))))
    const down = new Error('down')
    work.fail(0, down)
    const [first, second] = (await Promise.all(answers)) as { error: unknown }[]
    expect(first?.error).toBe(down)
    expect(second?.error).toBe(down)
    expect(policy.metrics.inFlight).toBe(0)
    await expect(
      policy.execute(() => {
        throw down
      }, key('a')),
    ).rejects.toBe(down)
    expect(policy.metrics.inFlight).toBe(0)
  })

  it('lets one caller leave at once without anybody else noticing', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const controller = new AbortController()
    const leaving = outcome(policy.execute(work.run, { key: 'a', signal: controller.signal }))
    const staying = policy.execute(work.run, key('a'))
    controller.abort('bye')
    await expect(leaving).resolves.toEqual({ error: 'bye' })
    expect(policy.callers('a')).toBe(1)
    expect(work.signals[0]?.aborted).toBe(false)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    work.answer(0, 'kept')
    await expect(staying).resolves.toBe('kept')
    expect(policy.metrics.abandoned).toBe(0)
  })

  it('aborts the work when the last has left, with the reason of the last', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const abandoned: unknown[] = []
    policy.on('abandoned', (event) => abandoned.push(event))
    const controllers = [new AbortController(), new AbortController()]
    const answers = controllers.map(({ signal }) => outcome(policy.execute(work.run, { key: 'a', signal })))
    controllers[1]?.abort('first to leave')
    await answers[1]
    expect(work.signals[0]?.aborted).toBe(false)
    controllers[0]?.abort('last to leave')
    await expect(answers[0]).resolves.toEqual({ error: 'last to leave' })
    expect(work.signals[0]?.reason).toBe('last to leave')
    expect(abandoned).toEqual([{ key: 'a' }])
    expect(policy.metrics).toMatchObject({ abandoned: 1, inFlight: 0 })
  })

  it('begins anew for who comes after all have left, and the late end of the old run changes nothing', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const controller = new AbortController()
    const first = outcome(policy.execute(work.run, { key: 'a', signal: controller.signal }))
    controller.abort()
    await first
    const second = policy.execute(work.run, key('a'))
    expect(work.runs).toBe(2)
    work.answer(0, 'late')
    await vi.advanceTimersByTimeAsync(0)
    expect(policy.callers('a')).toBe(1)
    const third = policy.execute(work.run, key('a'))
    expect(work.runs).toBe(2)
    work.answer(1, 'new')
    await expect(Promise.all([second, third])).resolves.toEqual(['new', 'new'])
  })

  it('begins anew for who asks while the old run is being aborted', async () => {
    const policy = coalesce()
    const work = new Handmade()
    const controller = new AbortController()
    let again: Promise<unknown> | undefined
    const first = outcome(
      policy.execute(
        (context) => {
          context.signal.addEventListener('abort', () => {
            again = policy.execute(work.run, key('a'))
          })
          return new Promise(() => {})
        },
        { key: 'a', signal: controller.signal },
      ),
    )
    controller.abort('bye')
    await first
    await vi.advanceTimersByTimeAsync(0)
    expect(work.runs).toBe(1)
    const joined = policy.execute(work.run, key('a'))
    expect(work.runs).toBe(1)
    work.answer(0, 'new')
    await expect(again).resolves.toBe('new')
    await expect(joined).resolves.toBe('new')
    expect(policy.metrics).toMatchObject({ runs: 2, joined: 1, abandoned: 1, inFlight: 0 })
  })

  it('leaves no timer and no listener of a call behind', async () => {
    const { signal } = new AbortController()
    await coalesce().execute(() => 1, { key: 'a', signal, timeoutMs: 500 })
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('lasts as long as its most patient caller: the time of one is not that of the others', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const hasty = outcome(policy.execute(work.run, { key: 'a', timeoutMs: 10 }))
    const patient = policy.execute(work.run, { key: 'a', timeoutMs: 1_000 })
    expect(work.contexts[0]?.deadline).toBeUndefined()
    await vi.advanceTimersByTimeAsync(10)
    expect(await hasty).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
    await vi.advanceTimersByTimeAsync(500)
    work.answer(0, 'in time')
    await expect(patient).resolves.toBe('in time')
  })

  it('hands the work what its first caller said', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const first = policy.execute(work.run, { key: 'a', priority: 7, idempotent: true })
    const second = policy.execute(work.run, { key: 'a', priority: 1, idempotent: false })
    expect(work.contexts[0]).toMatchObject({ key: 'a', priority: 7, idempotent: true, attempt: 1 })
    work.answer(0, 1)
    await Promise.all([first, second])
  })

  it('rejects who had left before, without running anything', async () => {
    const work = new Handmade()
    const policy = coalesce()
    const answer = outcome(policy.execute(work.run, { key: 'a', signal: AbortSignal.abort('before') }))
    await expect(answer).resolves.toEqual({ error: 'before' })
    expect(work.runs).toBe(0)
    expect(policy.metrics).toEqual({ runs: 0, joined: 0, alone: 0, abandoned: 0, inFlight: 0 })
  })

  it('settles a lonely call at once too when its caller leaves', async () => {
    const controller = new AbortController()
    const answer = outcome(coalesce().execute(new Handmade().run, { signal: controller.signal }))
    controller.abort('bye')
    await expect(answer).resolves.toEqual({ error: 'bye' })
  })

  it('gives every caller back his own async context', async () => {
    const storage = new AsyncLocalStorage<string>()
    const work = new Handmade()
    const policy = coalesce()
    const seen = ['a', 'b'].map((name) =>
      storage.run(name, async () => {
        await policy.execute(work.run, key('k'))
        return storage.getStore()
      }),
    )
    work.answer(0, 1)
    await expect(Promise.all(seen)).resolves.toEqual(['a', 'b'])
  })

  it('runs calls of further keys by themselves beyond maxKeys, and still shares the known ones', async () => {
    const work = new Handmade()
    const policy = coalesce({ maxKeys: 1 })
    const answers = ['a', 'b', 'b', 'a'].map((name) => policy.execute(work.run, key(name)))
    expect(work.runs).toBe(3)
    expect(policy.metrics).toMatchObject({ runs: 1, alone: 2, joined: 1, inFlight: 1 })
    for (let run = 0; run < 3; run += 1) work.answer(run, run)
    await expect(Promise.all(answers)).resolves.toEqual([0, 1, 2, 0])
  })

  it('asks the key option what is the same', async () => {
    const work = new Handmade()
    const policy = coalesce({ key: ({ priority }) => (priority > 0 ? `p${priority}` : undefined) })
    const answers = [1, 1, 2, 0, 0].map((priority) => policy.execute(work.run, { priority, key: 'ignored' }))
    expect(work.runs).toBe(4)
    for (let run = 0; run < 4; run += 1) work.answer(run, run)
    await expect(Promise.all(answers)).resolves.toEqual([0, 0, 1, 2, 3])
  })

  it('runs a call by itself when the key option is at fault, and reports it', async () => {
    const faults: unknown[] = []
    for (const fault of [
      () => {
        throw new Error('hook')
      },
      () => ({ id: 1 }) as never,
    ]) {
      const policy = coalesce({ key: fault })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      await expect(policy.execute(() => 'alone')).resolves.toBe('alone')
      expect(policy.metrics.alone).toBe(1)
    }
    expect(faults).toEqual([
      ['key', 'hook'],
      ['key', 'key must answer a string or undefined, got an object'],
    ])
  })

  it('wraps a function', async () => {
    const work = vi.fn(async (id: string) => `device ${id}`)
    const wrapped = coalesce({ key: () => 'always' }).wrap(work)
    await expect(Promise.all([wrapped('a'), wrapped('b')])).resolves.toEqual(['device a', 'device a'])
    expect(work).toHaveBeenCalledTimes(1)
  })

  it('is no deadlock of the process when work waits for its own key: the caller’s time ends it', async () => {
    const policy = coalesce()
    let runs = 0
    const answer = outcome(
      policy.execute(
        () => {
          runs += 1
          return policy.execute(() => 'inner', key('a'))
        },
        { key: 'a', timeoutMs: 100 },
      ),
    )
    await vi.advanceTimersByTimeAsync(100)
    expect(await answer).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
    expect(runs).toBe(1)
  })

  it('gives a probe’s slot back when all who waited for deaf work have left', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 0 })
    await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
    const composed = pipeline(coalesce(), breaker)
    const controller = new AbortController()
    const answer = outcome(composed.execute(() => new Promise(() => {}), { key: 'a', signal: controller.signal }))
    expect(breaker.tryAcquire()).toBeUndefined()
    controller.abort()
    await answer
    await vi.advanceTimersByTimeAsync(0)
    expect(breaker.tryAcquire()).toBeDefined()
  })

  it('is not hurt by listeners that throw', async () => {
    const policy = coalesce()
    policy.on('error', () => {})
    for (const event of ['joined', 'abandoned'] as const) {
      policy.on(event, () => {
        throw new Error('listener')
      })
    }
    const work = new Handmade()
    const answers = [policy.execute(work.run, key('a')), policy.execute(work.run, key('a'))]
    work.answer(0, 1)
    await expect(Promise.all(answers)).resolves.toEqual([1, 1])
    const controller = new AbortController()
    const left = outcome(policy.execute(work.run, { key: 'a', signal: controller.signal }))
    controller.abort('bye')
    await expect(left).resolves.toEqual({ error: 'bye' })
  })

  it('describes itself', () => {
    expect(coalesce().info).toEqual({
      kind: 'coalesce',
      name: 'coalesce',
      summary: 'runs once for all who ask for the same key at once',
    })
    expect(coalesce({ name: 'devices' }).info.name).toBe('devices')
  })

  it.each<[CoalesceOptions, string]>([
    [{ maxKeys: 0 }, 'coalesce: maxKeys must be an integer from 1, got 0'],
    [{ key: 'k' as never }, 'coalesce: key must be a function, got "k"'],
    [{ name: '' }, 'coalesce: name must be a string that is not empty, got ""'],
    [{ clock: 5 as never }, 'clock must be an object, got 5'],
    [{ ttlMs: 5 } as never, 'coalesce: unknown option "ttlMs"'],
  ])('refuses %j: %s', (options, message) => {
    expect(() => coalesce(options)).toThrow(message)
  })

  it('holds 10,000 keys unless told otherwise', async () => {
    const policy = coalesce()
    const end = Promise.withResolvers<undefined>()
    const answers = Array.from({ length: 10_001 }, (_, index) => policy.execute(() => end.promise, key(`${index}`)))
    expect(policy.metrics).toMatchObject({ inFlight: 10_000, alone: 1 })
    end.resolve(undefined)
    await Promise.all(answers)
    expect(policy.metrics.inFlight).toBe(0)
  })
})

describe('coalesce, whatever happens', () => {
  it('has one live run per key, and settles each caller once', async () => {
    const caller = fc.record({
      atMs: fc.integer({ min: 0, max: 100 }),
      key: fc.constantFrom('a', 'b', undefined),
      abortAfterMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
      workMs: fc.integer({ min: 0, max: 40 }),
      fails: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(caller, { minLength: 1, maxLength: 12 }), async (callers) => {
        const clock = new FakeClock()
        const policy = coalesce({ clock })
        const live = new Map<string, number>()
        const calls = callers.map(async ({ atMs, key: name, abortAfterMs, timeoutMs, workMs, fails }, id) => {
          await new Promise<void>((resolve) => {
            clock.setTimeout(() => resolve(), atMs)
          })
          const controller = new AbortController()
          if (abortAfterMs !== undefined) clock.setTimeout(() => controller.abort(`left ${id}`), abortAfterMs)
          const startedAt = clock.now()
          const work = ({ signal }: CallContext): Promise<string> => {
            if (name !== undefined) {
              live.set(name, (live.get(name) ?? 0) + 1)
              expect(live.get(name)).toBe(1)
              signal.addEventListener('abort', () => live.set(name, 0))
            }
            return new Promise((resolve, reject) => {
              clock.setTimeout(() => {
                if (name !== undefined && !signal.aborted) live.set(name, 0)
                if (fails) reject(new Error(`work of ${name}`))
                else resolve(`answer for ${name}`)
              }, workMs)
            })
          }
          let settlements = 0
          const { signal } = controller
          const end = await policy.execute(work, { key: name, signal, timeoutMs }).then(String, String)
          settlements += 1
          const patience = Math.min(timeoutMs ?? Infinity, Math.max(1, abortAfterMs ?? Infinity))
          expect(clock.now() - startedAt).toBeLessThanOrEqual(Math.min(patience, 41))
          // Nobody is told of another key's answer, or of another caller's leaving.
          const mine = [`answer for ${name}`, `Error: work of ${name}`, `left ${id}`]
          if (timeoutMs !== undefined) mine.push(`TimeoutError: call timed out after ${timeoutMs} ms`)
          expect(mine).toContain(end)
          return () => settlements
        })
        await clock.advance(500)
        for (const settlements of await Promise.all(calls)) expect(settlements()).toBe(1)
        expect(policy.metrics.inFlight).toBe(0)
        expect(clock.pending).toBe(0)
        const { runs, joined, alone } = policy.metrics
        expect(runs + joined + alone).toBe(callers.length)
      }),
      { numRuns: 300 },
    )
  })
})

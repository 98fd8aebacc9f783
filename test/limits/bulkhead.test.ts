import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CallScope } from '../../src/core/context.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { isRefusal, isWaiting } from '../../src/core/policy.ts'
import { Bulkhead, BulkheadFullError, type BulkheadOptions } from '../../src/limits/index.ts'
import { flush, held, type Held, outcome, permitOf, scopeWith, settled } from './support.ts'

const make = (options: Partial<BulkheadOptions> = {}): Bulkhead => new Bulkhead({ maxConcurrent: 1, ...options })

/** A bulkhead whose slots are all taken, and what gives one back. */
function full(options: Partial<BulkheadOptions> = {}): { bulkhead: Bulkhead; free: () => void } {
  const bulkhead = make(options)
  const permits = Array.from({ length: options.maxConcurrent ?? 1 }, () => permitOf(bulkhead.admit(scopeWith())))
  return { bulkhead, free: () => permits.pop()?.success() }
}

/** Calls by name; notes the order in which they begin, and ends them when told to. */
class Calls {
  readonly begun: string[] = []
  readonly #work = new Map<string, Held>()
  readonly #bulkhead: Bulkhead

  constructor(bulkhead: Bulkhead) {
    this.#bulkhead = bulkhead
  }

  start(name: string, options?: { priority?: number; signal?: AbortSignal }): Promise<unknown> {
    const work = held()
    this.#work.set(name, work)
    return this.#bulkhead.execute(() => {
      this.begun.push(name)
      return work.promise
    }, options)
  }

  async finish(name: string): Promise<void> {
    this.#work.get(name)?.finish(name)
    await flush()
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a bulkhead', () => {
  it('lets as many calls run as it may, and refuses the next', async () => {
    const bulkhead = make({ maxConcurrent: 2, name: 'reports' })
    const calls = new Calls(bulkhead)
    const first = calls.start('a')
    void calls.start('b')
    expect(bulkhead.metrics).toEqual({ inFlight: 2, queued: 0, rejected: 0 })
    const { error } = (await outcome(calls.start('c'))) as { error: BulkheadFullError }
    expect(error).toBeInstanceOf(BulkheadFullError)
    expect(error).toMatchObject({
      name: 'BulkheadFullError',
      code: 'ERR_GATELESS_BULKHEAD_FULL',
      message: 'reports is full',
      bulkhead: 'reports',
      reason: 'full',
      local: true,
      retryAfterMs: undefined,
    })
    await calls.finish('a')
    await expect(first).resolves.toBe('a')
    void calls.start('d')
    expect(calls.begun).toEqual(['a', 'b', 'd'])
    expect(bulkhead.metrics).toEqual({ inFlight: 2, queued: 0, rejected: 1 })
  })

  it.each([
    ['returns', () => 5],
    ['rejects', () => Promise.reject(new Error('down'))],
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
  ])('has its slot back when the work %s', async (_, work) => {
    const bulkhead = make()
    await outcome(bulkhead.execute(work))
    expect(bulkhead.metrics.inFlight).toBe(0)
    await outcome(bulkhead.execute(work))
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  })

  it('decides alone, and takes each permit back once', () => {
    const bulkhead = make({ maxConcurrent: 2 })
    const permits = [bulkhead.tryAcquire(), bulkhead.tryAcquire()]
    expect(bulkhead.tryAcquire()).toBeUndefined()
    expect(bulkhead.metrics).toEqual({ inFlight: 2, queued: 0, rejected: 1 })
    for (let times = 0; times < 3; times += 1) {
      permits[0]?.success()
      permits[0]?.failure()
      permits[0]?.ignore()
    }
    expect(bulkhead.metrics.inFlight).toBe(1)
    permits[1]?.failure()
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  it('says what it is', () => {
    expect(make().info).toEqual({ kind: 'bulkhead', name: 'bulkhead', summary: 'at most 1 at once' })
    expect(make({ maxQueue: 3 }).info.summary).toBe('at most 1 at once, 3 wait')
    expect(make({ maxQueue: 3, queueTimeoutMs: 50, name: 'x' }).info).toEqual({
      kind: 'bulkhead',
      name: 'x',
      summary: 'at most 1 at once, 3 wait up to 50 ms',
    })
    expect(make({ name: 'y' }).name).toBe('y')
  })

  it('measures how much of its room is taken, waiting room included', () => {
    const bulkhead = make({ maxConcurrent: 2, maxQueue: 2 })
    expect(bulkhead.utilization).toBe(0)
    bulkhead.tryAcquire()
    expect(bulkhead.utilization).toBe(0.25)
    bulkhead.tryAcquire()
    const controller = new AbortController()
    const waiting = outcome(bulkhead.admit(scopeWith({ signal: controller.signal })) as Promise<unknown>)
    expect(bulkhead.utilization).toBe(0.75)
    controller.abort()
    return waiting
  })
})

describe('options of a bulkhead', () => {
  it.each([
    [undefined, 'Bulkhead: maxConcurrent must be given, an integer from 1, got undefined'],
    [{}, 'Bulkhead: maxConcurrent must be given, an integer from 1, got undefined'],
    [{ maxConcurrent: 0 }, 'Bulkhead: maxConcurrent must be an integer from 1, got 0'],
    [{ maxConcurrent: 1.5 }, 'Bulkhead: maxConcurrent must be an integer from 1, got 1.5'],
    [{ maxConcurrent: 1, maxQueue: -1 }, 'Bulkhead: maxQueue must be an integer from 0, got -1'],
    [{ maxConcurrent: 1, maxQueue: 0.5 }, 'Bulkhead: maxQueue must be an integer from 0, got 0.5'],
    [{ maxConcurrent: 1, order: 'random' }, `Bulkhead: order must be one of 'fifo', 'lifo', got "random"`],
    [
      { maxConcurrent: 1, queueTimeoutMs: 0 },
      'Bulkhead: queueTimeoutMs must be a finite number from 1 up to 2073600000 milliseconds, got 0',
    ],
    [{ maxConcurrent: 1, dryRun: 1 }, 'Bulkhead: dryRun must be true or false, got 1'],
    [{ maxConcurrent: 1, name: '' }, 'Bulkhead: name must be a string that is not empty, got ""'],
    [
      { maxConcurrent: 1, max: 1 },
      'Bulkhead: unknown option "max"; known are maxConcurrent, maxQueue, order, queueTimeoutMs, dryRun, name, clock',
    ],
  ])('%j are refused: %s', (options, message) => {
    expect(() => new Bulkhead(options as BulkheadOptions)).toThrow(message)
  })

  it('are copied', async () => {
    const options = { maxConcurrent: 1, maxQueue: 0 }
    const bulkhead = new Bulkhead(options)
    options.maxQueue = 5
    bulkhead.configure({ dryRun: false })
    bulkhead.tryAcquire()
    expect(isRefusal(bulkhead.admit(scopeWith()))).toBe(true)
  })
})

describe('the queue of a bulkhead', () => {
  it('lets in who waits, in the order they came', async () => {
    const bulkhead = make({ maxQueue: 3 })
    const calls = new Calls(bulkhead)
    const all = ['a', 'b', 'c', 'd'].map((name) => calls.start(name))
    expect(calls.begun).toEqual(['a'])
    expect(bulkhead.metrics).toEqual({ inFlight: 1, queued: 3, rejected: 0 })
    await expect(calls.start('e')).rejects.toThrow('bulkhead is full')
    for (const name of ['a', 'b', 'c', 'd']) await calls.finish(name)
    expect(calls.begun).toEqual(['a', 'b', 'c', 'd'])
    await expect(Promise.all(all)).resolves.toEqual(['a', 'b', 'c', 'd'])
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 1 })
  })

  it('lets in who came last under lifo, and refuses who has waited longest when it is full', async () => {
    const bulkhead = make({ maxQueue: 2, order: 'lifo' })
    const calls = new Calls(bulkhead)
    void calls.start('a')
    const oldest = outcome(calls.start('b'))
    void calls.start('c')
    void calls.start('d')
    expect(await oldest).toMatchObject({
      error: { reason: 'displaced', message: 'bulkhead is full, and gave the place in its queue to another call' },
    })
    for (const name of ['a', 'd', 'c']) await calls.finish(name)
    expect(calls.begun).toEqual(['a', 'd', 'c'])
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 1 })
  })

  it('lets in higher priorities first, and in each the order they came', async () => {
    const calls = new Calls(make({ maxQueue: 5 }))
    void calls.start('running')
    void calls.start('low', { priority: -1 })
    void calls.start('normal 1')
    void calls.start('high', { priority: 3 })
    void calls.start('normal 2', { priority: 0 })
    for (const name of ['running', 'high', 'normal 1', 'normal 2', 'low']) await calls.finish(name)
    expect(calls.begun).toEqual(['running', 'high', 'normal 1', 'normal 2', 'low'])
  })

  it('gives the place of the youngest of the lowest priority to who is more important, when it is full', async () => {
    const bulkhead = make({ maxQueue: 3 })
    const calls = new Calls(bulkhead)
    void calls.start('running')
    void calls.start('low 1', { priority: -1 })
    const youngest = outcome(calls.start('low 2', { priority: -1 }))
    void calls.start('normal')
    await expect(calls.start('low 3', { priority: -1 })).rejects.toMatchObject({ reason: 'full' })
    void calls.start('high', { priority: 1 })
    expect(await youngest).toMatchObject({ error: { reason: 'displaced' } })
    for (const name of ['running', 'high', 'normal', 'low 1']) await calls.finish(name)
    expect(calls.begun).toEqual(['running', 'high', 'normal', 'low 1'])
    expect(bulkhead.metrics.rejected).toBe(2)
  })

  it('refuses a lower priority under lifo as well, when it is full', async () => {
    const { bulkhead, free } = full({ maxQueue: 1, order: 'lifo' })
    const waiting = bulkhead.execute(() => 'ran')
    await expect(bulkhead.execute(() => 'ran', { priority: -1 })).rejects.toMatchObject({ reason: 'full' })
    free()
    await expect(waiting).resolves.toBe('ran')
  })

  it('lets nobody wait longer than the timeout', async () => {
    const { bulkhead, free } = full({ maxQueue: 2, queueTimeoutMs: 100, name: 'db' })
    const first = outcome(bulkhead.execute(() => 'ran'))
    await vi.advanceTimersByTimeAsync(60)
    const second = bulkhead.execute(() => 'ran')
    await vi.advanceTimersByTimeAsync(39)
    expect(bulkhead.metrics.queued).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(await first).toMatchObject({
      error: { reason: 'queue-timeout', code: 'ERR_GATELESS_BULKHEAD_FULL', message: 'db had no free slot in time' },
    })
    expect(bulkhead.metrics).toEqual({ inFlight: 1, queued: 1, rejected: 1 })
    free()
    await expect(second).resolves.toBe('ran')
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  it('forgets the timeout of who has begun', async () => {
    const { bulkhead, free } = full({ maxQueue: 1, queueTimeoutMs: 100 })
    const work = held()
    const call = bulkhead.execute(() => work.promise)
    free()
    await flush()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await settled(call)).toBe('pending')
    work.finish('late')
    await expect(call).resolves.toBe('late')
  })

  it('lets nobody overtake: a slot goes to who waits, before a newcomer can ask', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const waiting = bulkhead.execute(() => 'waited')
    free()
    expect(bulkhead.tryAcquire()).toBeUndefined()
    await expect(waiting).resolves.toBe('waited')
    expect(bulkhead.tryAcquire()).toBeDefined()
  })

  it('keeps the caller’s async context', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    bulkhead.on('dequeued', () => seen.push(storage.getStore()))
    bulkhead.on('rejected', () => seen.push(storage.getStore()))
    const call = storage.run('mine', () => bulkhead.execute(() => storage.getStore()))
    storage.run('other', free)
    await expect(call).resolves.toBe('mine')
    expect(seen).toEqual(['mine'])
  })
})

describe('an aborted call', () => {
  it('leaves the queue at once, and its place is free', async () => {
    const { bulkhead, free } = full({ maxQueue: 1, queueTimeoutMs: 100 })
    const controller = new AbortController()
    const call = outcome(bulkhead.execute(() => 'ran', { signal: controller.signal }))
    expect(vi.getTimerCount()).toBe(1)
    const reason = new Error('changed my mind')
    controller.abort(reason)
    expect(bulkhead.metrics).toEqual({ inFlight: 1, queued: 0, rejected: 0 })
    expect(vi.getTimerCount()).toBe(0)
    expect(await call).toEqual({ error: reason })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    free()
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  it('that was aborted before is not asked after at all', async () => {
    const bulkhead = make()
    const work = vi.fn()
    await expect(bulkhead.execute(work, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
    expect(work).not.toHaveBeenCalled()
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  })

  it('does not displace anybody', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const waiting = bulkhead.execute(() => 'ran')
    const scope = scopeWith({ signal: AbortSignal.abort('no'), priority: 5 })
    await expect(bulkhead.admit(scope)).rejects.toBe('no')
    free()
    await expect(waiting).resolves.toBe('ran')
  })

  it('gives a slot that it gets in the same turn to the next', async () => {
    const { bulkhead, free } = full({ maxQueue: 2 })
    const controller = new AbortController()
    const scope = scopeWith({ signal: controller.signal })
    const gone = outcome(bulkhead.admit(scope) as Promise<unknown>)
    const next = bulkhead.execute(() => 'ran')
    free()
    controller.abort('late')
    expect(await gone).toEqual({ error: 'late' })
    await expect(next).resolves.toBe('ran')
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  })

  it('ends by the time limit of the call, and leaves nothing', async () => {
    const { bulkhead } = full({ maxQueue: 1 })
    const call = outcome(bulkhead.execute(() => 'ran', { timeoutMs: 50 }))
    await vi.advanceTimersByTimeAsync(50)
    expect(await call).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT', limit: 'total' } })
    expect(bulkhead.metrics.queued).toBe(0)
  })

  it('has its slot back even if the work does not listen', async () => {
    const bulkhead = make()
    const controller = new AbortController()
    const call = outcome(bulkhead.execute(() => new Promise(() => {}), { signal: controller.signal }))
    controller.abort('enough')
    expect(await call).toEqual({ error: 'enough' })
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  it('is noticed through the signal of a context made elsewhere', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const controller = new AbortController()
    const foreign: CallContext = {
      signal: controller.signal,
      deadline: undefined,
      attempt: 1,
      key: undefined,
      priority: 0,
      idempotent: undefined,
    }
    const gone = outcome(bulkhead.admit(foreign) as Promise<unknown>)
    controller.abort('bye')
    expect(await gone).toEqual({ error: 'bye' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    const other = new AbortController().signal
    const again = bulkhead.admit({ ...foreign, signal: other })
    expect(isWaiting(again)).toBe(true)
    free()
    ;((await again) as { success(): void }).success()
    expect(getEventListeners(other, 'abort')).toEqual([])
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  })

  it('that waited takes its listener back from a scope that lives on', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const scope = scopeWith()
    const off = vi.fn()
    vi.spyOn(scope, 'onAbort').mockReturnValue(off)
    const call = bulkhead.execute(() => 'ran', scope)
    expect(off).not.toHaveBeenCalled()
    free()
    await call
    expect(off).toHaveBeenCalledTimes(1)
  })

  it('leaves no listener on a signal that lives long: 100,000 calls, waiting or not', async () => {
    const bulkhead = make({ maxQueue: 10 })
    const { signal } = new AbortController()
    for (let round = 0; round < 10_000; round += 1) {
      await Promise.all(Array.from({ length: 10 }, () => bulkhead.execute(() => round, { signal })))
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  }, 20_000)
})

describe('a bulkhead in a pipeline', () => {
  it('makes the call wait, and gives the slot back', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const call = pipeline(bulkhead).execute(() => 'ran')
    expect(await settled(call)).toBe('pending')
    free()
    await expect(call).resolves.toBe('ran')
    expect(bulkhead.metrics.inFlight).toBe(0)
  })

  it('gives the slot back when a policy further in refuses', async () => {
    const outer = make()
    const { bulkhead: inner } = full()
    await expect(pipeline(outer, inner).execute(() => 1)).rejects.toMatchObject({ code: 'ERR_GATELESS_BULKHEAD_FULL' })
    expect(outer.metrics.inFlight).toBe(0)
  })

  it('wraps a function', async () => {
    const bulkhead = make()
    const add = bulkhead.wrap(async (a: number, b: number) => a + b)
    await expect(add(2, 3)).resolves.toBe(5)
  })
})

describe('events of a bulkhead', () => {
  it('tell who is refused, who waits, and who has waited', async () => {
    const { bulkhead, free } = full({ maxQueue: 1, queueTimeoutMs: 100 })
    const told: unknown[] = []
    for (const event of ['rejected', 'queued', 'dequeued'] as const) {
      bulkhead.on(event, (payload) => told.push([event, payload]))
    }
    void bulkhead.execute(() => 1, { priority: 2 })
    await outcome(bulkhead.execute(() => 1, { priority: 1 }))
    await vi.advanceTimersByTimeAsync(30)
    free()
    await flush()
    const again = full({ maxQueue: 1, queueTimeoutMs: 100 }).bulkhead
    again.on('rejected', (payload) => told.push(payload))
    void outcome(again.execute(() => 1, { priority: -4 }))
    await vi.advanceTimersByTimeAsync(100)
    expect(told).toEqual([
      ['queued', { queued: 1, priority: 2 }],
      ['rejected', { reason: 'full', priority: 1, dryRun: false }],
      ['dequeued', { waitedMs: 30, priority: 2 }],
      { reason: 'queue-timeout', priority: -4, dryRun: false },
    ])
  })

  it('tell of no wait shorter than nothing when the clock goes backwards', async () => {
    let now = 1_000
    const { bulkhead, free } = full({ maxQueue: 1, clock: { now: () => now } })
    const told = vi.fn()
    bulkhead.on('dequeued', told)
    const call = bulkhead.execute(() => 1)
    now = 5
    free()
    await call
    expect(told.mock.calls).toEqual([[{ waitedMs: 0, priority: 0 }]])
  })

  it('that somebody listens to badly change nothing', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const faults = vi.fn()
    bulkhead.on('error', faults)
    for (const event of ['rejected', 'queued', 'dequeued'] as const) {
      bulkhead.on(event, () => {
        throw new Error(event)
      })
    }
    const call = bulkhead.execute(() => 'ran')
    await expect(bulkhead.execute(() => 'ran')).rejects.toMatchObject({ reason: 'full' })
    free()
    await expect(call).resolves.toBe('ran')
    expect(faults).toHaveBeenCalledTimes(3)
    expect(bulkhead.metrics.inFlight).toBe(0)
  })
})

describe('a dry run of a bulkhead', () => {
  it('lets everything through at once, and says what it would have refused', async () => {
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 1, dryRun: true })
    const told = vi.fn()
    bulkhead.on('rejected', told)
    const permits = [0, 1, 2].map(() => permitOf(bulkhead.admit(scopeWith({ priority: 3 }))))
    expect(told.mock.calls).toEqual([[{ reason: 'full', priority: 3, dryRun: true }]])
    expect(bulkhead.metrics).toEqual({ inFlight: 3, queued: 0, rejected: 1 })
    expect(bulkhead.tryAcquire()).toBeDefined()
    expect(bulkhead.metrics).toEqual({ inFlight: 4, queued: 0, rejected: 2 })
    for (const permit of permits) permit.success()
    expect(bulkhead.metrics.inFlight).toBe(1)
  })
})

describe('configuring a bulkhead', () => {
  it('lets waiters in when there is more room', async () => {
    const { bulkhead } = full({ maxQueue: 3 })
    const calls = new Calls(bulkhead)
    for (const name of ['a', 'b', 'c']) void calls.start(name)
    bulkhead.configure({ maxConcurrent: 3 })
    await flush()
    expect(calls.begun).toEqual(['a', 'b'])
    expect(bulkhead.metrics).toEqual({ inFlight: 3, queued: 1, rejected: 0 })
    expect(bulkhead.info.summary).toBe('at most 3 at once, 3 wait')
  })

  it('lets calls in flight run out when there is less, before others begin', async () => {
    const bulkhead = make({ maxConcurrent: 3, maxQueue: 1 })
    const calls = new Calls(bulkhead)
    for (const name of ['a', 'b', 'c', 'd']) void calls.start(name)
    bulkhead.configure({ maxConcurrent: 1 })
    expect(bulkhead.utilization).toBe(2)
    await calls.finish('a')
    await calls.finish('b')
    expect(calls.begun).toEqual(['a', 'b', 'c'])
    await calls.finish('c')
    expect(calls.begun).toEqual(['a', 'b', 'c', 'd'])
  })

  it('leaves those in the queue alone when it gets smaller, and refuses newcomers', async () => {
    const { bulkhead, free } = full({ maxQueue: 2 })
    const waiting = [bulkhead.execute(() => 1), bulkhead.execute(() => 2)]
    bulkhead.configure({ maxQueue: 0 })
    await expect(bulkhead.execute(() => 3, { priority: 9 })).rejects.toMatchObject({ reason: 'full' })
    free()
    await expect(Promise.all(waiting)).resolves.toEqual([1, 2])
  })

  it('keeps what was changed before', () => {
    const { bulkhead } = full()
    bulkhead.configure({ maxQueue: 3 })
    bulkhead.configure({ queueTimeoutMs: 7 })
    expect(bulkhead.info.summary).toBe('at most 1 at once, 3 wait up to 7 ms')
  })

  it('keeps one timer for all that wait', async () => {
    const { bulkhead } = full({ maxQueue: 2, queueTimeoutMs: 50, clock: { now: () => performance.now() } })
    const calls = [outcome(bulkhead.execute(() => 1))]
    bulkhead.configure({ dryRun: false })
    calls.push(outcome(bulkhead.execute(() => 1)))
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(50)
    await Promise.all(calls)
  })

  it('changes the order and the timeout of who comes next', async () => {
    const { bulkhead, free } = full({ maxQueue: 3 })
    const calls = new Calls(bulkhead)
    void calls.start('a')
    bulkhead.configure({ order: 'lifo', queueTimeoutMs: 100 })
    void calls.start('b')
    free()
    await flush()
    expect(calls.begun).toEqual(['b'])
    const late = outcome(calls.start('c'))
    await vi.advanceTimersByTimeAsync(100)
    expect(await late).toMatchObject({ error: { reason: 'queue-timeout' } })
    expect(bulkhead.metrics.queued).toBe(1)
    bulkhead.configure({ queueTimeoutMs: undefined })
    expect(bulkhead.info.summary).toBe('at most 1 at once, 3 wait')
  })

  it.each([
    [{ name: 'x' }, `Bulkhead.configure: name cannot change, got "x"`],
    [{ clock: {} }, 'Bulkhead.configure: clock cannot change, got an object'],
    [{ maxConcurrent: 0 }, 'Bulkhead: maxConcurrent must be an integer from 1, got 0'],
    [{ wrong: 1 }, 'Bulkhead: unknown option "wrong"'],
    [7, 'Bulkhead.configure: options must be an object, got 7'],
  ])('refuses %j, and changes nothing: %s', (patch, message) => {
    const bulkhead = make({ maxQueue: 2 })
    const { info } = bulkhead
    expect(() => bulkhead.configure(patch as object)).toThrow(message)
    expect(bulkhead.info).toBe(info)
  })
})

describe('the scope of a call', () => {
  it('that an outer policy made is not disposed of by the bulkhead', async () => {
    const { bulkhead, free } = full({ maxQueue: 1 })
    const scope = new CallScope({ timeoutMs: 100 })
    const call = bulkhead.execute(() => 'ran', scope)
    free()
    await expect(call).resolves.toBe('ran')
    expect(vi.getTimerCount()).toBe(1)
    scope.dispose()
  })
})

describe('work that is no function', () => {
  it('is refused with a TypeError that names the policy, and takes no slot', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    await expect(bulkhead.execute(undefined as never)).rejects.toThrow(
      new TypeError('Bulkhead.execute: operation must be a function, got undefined'),
    )
    expect(() => bulkhead.wrap('work' as never)).toThrow(
      new TypeError('Bulkhead.wrap: operation must be a function, got "work"'),
    )
    expect(bulkhead.metrics).toEqual({ inFlight: 0, queued: 0, rejected: 0 })
  })
})

import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GatelessError, TimeoutError } from '../../src/core/errors.ts'
import type { Outcome, Verdict } from '../../src/core/outcome.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import {
  AdaptiveLimiter,
  type AdaptiveLimiterOptions,
  aimd,
  Bulkhead,
  classifyByOverload,
  ConcurrencyLimitedError,
  type LimitAlgorithm,
  type LimitSample,
} from '../../src/limits/index.ts'
import { held, outcome, settled } from './support.ts'

/** An algorithm that notes what it is told, and answers what it is told to. */
class Noted implements LimitAlgorithm {
  readonly name = 'noted'
  readonly samples: LimitSample[] = []
  readonly limits: number[] = []
  made = 0
  random: unknown
  answer: (limit: number) => number = (limit) => limit

  create({ random }: { random: () => number }): { next: (sample: LimitSample, limit: number) => number } {
    this.made += 1
    this.random = random
    return {
      next: (sample, limit) => {
        this.samples.push(sample)
        this.limits.push(limit)
        return this.answer(limit)
      },
    }
  }

  get last(): LimitSample | undefined {
    return this.samples.at(-1)
  }
}

function noted(options: AdaptiveLimiterOptions = {}): { limiter: AdaptiveLimiter; algorithm: Noted } {
  const algorithm = new Noted()
  return { algorithm, limiter: new AdaptiveLimiter({ algorithm, initialLimit: 3, ...options }) }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('an adaptive limiter', () => {
  it('lets as many calls run as the limit says, and refuses the next', async () => {
    const { limiter } = noted({ name: 'stock' })
    const work = held()
    const calls = [0, 1, 2].map(() => limiter.execute(() => work.promise))
    expect(limiter.metrics).toEqual({ limit: 3, inFlight: 3, rejected: 0 })
    expect(limiter.utilization).toBe(1)
    const { error } = (await outcome(limiter.execute(() => 1))) as { error: ConcurrencyLimitedError }
    expect(error).toBeInstanceOf(ConcurrencyLimitedError)
    expect(error).toMatchObject({
      name: 'ConcurrencyLimitedError',
      code: 'ERR_GATELESS_CONCURRENCY_LIMITED',
      message: 'stock allows 3 calls at once now, and they are in flight',
      limiter: 'stock',
      limit: 3,
      local: true,
      retryAfterMs: undefined,
    })
    work.finish('done')
    await expect(Promise.all(calls)).resolves.toEqual(['done', 'done', 'done'])
    expect(limiter.metrics).toEqual({ limit: 3, inFlight: 0, rejected: 1 })
  })

  it('tells the algorithm how long each call took, and how many there were when it began', async () => {
    const { limiter, algorithm } = noted()
    const start = performance.now()
    const first = limiter.tryAcquire()
    await vi.advanceTimersByTimeAsync(10)
    const second = limiter.tryAcquire()
    await vi.advanceTimersByTimeAsync(20)
    second?.failure()
    first?.success()
    expect(algorithm.samples).toEqual([
      { startedAt: start + 10, endedAt: start + 30, latencyMs: 20, inFlight: 2, dropped: true },
      { startedAt: start, endedAt: start + 30, latencyMs: 30, inFlight: 1, dropped: false },
    ])
  })

  it('counts each permit once, whatever comes later', () => {
    const { limiter, algorithm } = noted()
    const permit = limiter.tryAcquire()
    permit?.success()
    permit?.failure()
    permit?.ignore()
    expect(limiter.metrics.inFlight).toBe(0)
    expect(algorithm.samples).toHaveLength(1)
  })

  it('learns nothing from what says nothing', async () => {
    const { limiter, algorithm } = noted()
    limiter.tryAcquire()?.ignore()
    const inner = new Bulkhead({ maxConcurrent: 1 })
    inner.tryAcquire()
    await outcome(pipeline(limiter, inner).execute(() => 1))
    await outcome(limiter.execute(() => inner.execute(() => 1)))
    const controller = new AbortController()
    const call = outcome(limiter.execute(() => new Promise(() => {}), { signal: controller.signal }))
    controller.abort('enough')
    expect(await call).toEqual({ error: 'enough' })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(limiter.metrics.inFlight).toBe(0)
    expect(algorithm.samples).toEqual([])
  })

  it('takes a call that the caller left for nothing, whatever error the work makes of it', async () => {
    const { limiter, algorithm } = noted({ classify: () => 'failure' })
    const controller = new AbortController()
    await outcome(
      limiter.execute(
        () => {
          controller.abort()
          throw new Error('down')
        },
        { signal: controller.signal },
      ),
    )
    expect(algorithm.samples).toEqual([])
  })

  it('takes the time limit of a call for a drop', async () => {
    const { limiter, algorithm } = noted()
    const call = outcome(limiter.execute(() => new Promise(() => {}), { timeoutMs: 50 }))
    await vi.advanceTimersByTimeAsync(50)
    await call
    expect(algorithm.last).toMatchObject({ dropped: true, latencyMs: 50 })
    expect(limiter.metrics.inFlight).toBe(0)
  })

  it('keeps the limit between its bounds, and rounds down', () => {
    const { limiter, algorithm } = noted({ minLimit: 2, maxLimit: 5 })
    const answer = (limit: number): number => {
      algorithm.answer = () => limit
      limiter.tryAcquire()?.success()
      return limiter.limit
    }
    expect([4.9, 5, 5.1, 100, 2, 1.9, -3].map(answer)).toEqual([4, 5, 5, 5, 2, 2, 2])
  })

  it('comes back to the algorithm with its own fractions, within the bounds', () => {
    const { limiter, algorithm } = noted({ maxLimit: 5 })
    for (const answer of [3.25, 3.5, 900, 4]) {
      algorithm.answer = () => answer
      limiter.tryAcquire()?.success()
    }
    expect(algorithm.limits).toEqual([3, 3.25, 3.5, 5])
  })

  it('lets calls in flight run out when the limit has shrunk', () => {
    const { limiter, algorithm } = noted()
    const permits = [0, 1, 2].map(() => limiter.tryAcquire())
    algorithm.answer = () => 1
    permits[0]?.failure()
    expect(limiter.utilization).toBe(2)
    expect(limiter.tryAcquire()).toBeUndefined()
    permits[1]?.success()
    expect(limiter.tryAcquire()).toBeUndefined()
    permits[2]?.success()
    expect(limiter.tryAcquire()).toBeDefined()
  })

  it('learns nothing while the clock goes backwards', () => {
    let now = 1_000
    const { limiter, algorithm } = noted({ clock: { now: () => now } })
    const permits = [limiter.tryAcquire(), limiter.tryAcquire()]
    now = 999
    permits[0]?.success()
    expect(algorithm.samples).toEqual([])
    now = 1_000
    permits[1]?.success()
    expect(algorithm.last).toMatchObject({ latencyMs: 0 })
    expect(limiter.metrics.inFlight).toBe(0)
  })

  it.each([
    ['throws', () => Promise.reject(new Error('x')) as never, undefined],
    ['gives no number', () => Number.NaN, 'noted gave a limit of NaN'],
    ['gives infinity', () => Number.POSITIVE_INFINITY, 'noted gave a limit of Infinity'],
  ])('keeps its limit when the algorithm %s, and reports it', (_, answer, message) => {
    const { limiter, algorithm } = noted()
    const faults: { event: string; error: unknown }[] = []
    limiter.on('error', (fault) => faults.push(fault))
    algorithm.answer =
      message === undefined
        ? () => {
            throw new Error('broken')
          }
        : answer
    limiter.tryAcquire()?.success()
    expect(limiter.metrics).toEqual({ limit: 3, inFlight: 0, rejected: 0 })
    expect(faults).toEqual([
      { event: 'algorithm', error: expect.objectContaining({ message: message ?? 'broken' }) as unknown },
    ])
  })

  it('hands the algorithm its chance', () => {
    const random = (): number => 0.5
    expect(noted({ random }).algorithm.random).toBe(random)
  })

  it('says what it is', () => {
    expect(new AdaptiveLimiter().info).toEqual({
      kind: 'adaptive-limiter',
      name: 'adaptive limiter',
      summary: 'at most 1 to 200 at once, as vegas finds',
    })
    expect(new AdaptiveLimiter({ algorithm: aimd(), name: 'x', minLimit: 5, maxLimit: 9 }).info).toMatchObject({
      name: 'x',
      summary: 'at most 5 to 9 at once, as aimd finds',
    })
  })

  it.each([
    [{}, 20],
    [{ maxLimit: 5 }, 5],
    [{ minLimit: 30 }, 30],
    [{ initialLimit: 7 }, 7],
    [{ minLimit: 7, maxLimit: 7, initialLimit: 7 }, 7],
  ])('begins, with %j, at %i', (options, limit) => {
    expect(new AdaptiveLimiter(options).limit).toBe(limit)
  })

  it.each([
    [{ minLimit: 0 }, 'AdaptiveLimiter: minLimit must be an integer from 1, got 0'],
    [{ minLimit: 1.5 }, 'AdaptiveLimiter: minLimit must be an integer from 1, got 1.5'],
    [{ maxLimit: 0 }, 'AdaptiveLimiter: maxLimit must be an integer from 1, got 0'],
    [{ maxLimit: 1.5 }, 'AdaptiveLimiter: maxLimit must be an integer from 1, got 1.5'],
    [{ minLimit: 6, maxLimit: 5 }, 'AdaptiveLimiter: maxLimit must be an integer from minLimit, which is 6, got 5'],
    [{ maxLimit: 9, initialLimit: 10 }, 'AdaptiveLimiter: initialLimit must be an integer from 1 up to 9, got 10'],
    [{ minLimit: 3, initialLimit: 2 }, 'AdaptiveLimiter: initialLimit must be an integer from 3 up to 200, got 2'],
    [{ initialLimit: 2.5 }, 'AdaptiveLimiter: initialLimit must be an integer from 1 up to 200, got 2.5'],
    [{ algorithm: 'vegas' }, 'AdaptiveLimiter: algorithm must be an object with create(), got "vegas"'],
    [{ classify: 1 }, 'AdaptiveLimiter: classify must be a function, got 1'],
    [{ dryRun: 0 }, 'AdaptiveLimiter: dryRun must be true or false, got 0'],
    [{ name: '' }, 'AdaptiveLimiter: name must be a string that is not empty, got ""'],
    [{ random: 4 }, 'AdaptiveLimiter: random must be a function, got 4'],
    [
      { limit: 1 },
      'AdaptiveLimiter: unknown option "limit"; known are minLimit, maxLimit, algorithm, initialLimit, classify, dryRun, name, clock, random',
    ],
  ])('refuses the options %j: %s', (options, message) => {
    expect(() => new AdaptiveLimiter(options as AdaptiveLimiterOptions)).toThrow(message)
  })

  it('leaves no listener on a signal that lives long: 100,000 calls', async () => {
    const limiter = new AdaptiveLimiter({ initialLimit: 200 })
    const { signal } = new AbortController()
    for (let round = 0; round < 1_000; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => limiter.execute(() => 1, { signal })))
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(limiter.metrics.inFlight).toBe(0)
  }, 20_000)
})

describe('events of an adaptive limiter', () => {
  it('tell when the limit changes, and who is refused', () => {
    const { limiter, algorithm } = noted()
    const told: unknown[] = []
    limiter.on('limit', (payload) => told.push(['limit', payload]))
    limiter.on('rejected', (payload) => told.push(['rejected', payload]))
    for (const answer of [3.9, 4, 2, 1]) {
      algorithm.answer = () => answer
      limiter.tryAcquire()?.success()
    }
    limiter.tryAcquire()
    limiter.tryAcquire()
    expect(told).toEqual([
      ['limit', { from: 3, to: 4 }],
      ['limit', { from: 4, to: 2 }],
      ['limit', { from: 2, to: 1 }],
      ['rejected', { limit: 1, dryRun: false }],
    ])
  })

  it('that somebody listens to badly change nothing', async () => {
    const { limiter, algorithm } = noted({ initialLimit: 1 })
    limiter.on('error', () => {})
    for (const event of ['limit', 'rejected'] as const) {
      limiter.on(event, () => {
        throw new Error(event)
      })
    }
    algorithm.answer = (limit) => limit + 1
    await expect(limiter.execute(() => 'ran')).resolves.toBe('ran')
    limiter.tryAcquire()
    limiter.tryAcquire()
    await expect(limiter.execute(() => 'ran')).rejects.toBeInstanceOf(ConcurrencyLimitedError)
    expect(limiter.limit).toBe(2)
  })
})

describe('what an outcome says about load', () => {
  const failed = (error: unknown): Outcome => ({ ok: false, error })
  it.each<[string, Outcome, Verdict]>([
    ['a result', { ok: true, value: 5 }, 'success'],
    ['a time limit', failed(new TimeoutError(5, 'attempt')), 'failure'],
    ['an AbortSignal that timed out', failed(new DOMException('x', 'TimeoutError')), 'failure'],
    ['status 429', failed(Object.assign(new Error('x'), { status: 429 })), 'failure'],
    ['statusCode 503', failed(Object.assign(new Error('x'), { statusCode: 503 })), 'failure'],
    ['a socket’s time limit', failed(Object.assign(new Error('x'), { code: 'ETIMEDOUT' })), 'failure'],
    ['undici’s connect timeout', failed({ code: 'UND_ERR_CONNECT_TIMEOUT' }), 'failure'],
    ['undici’s headers timeout', failed({ code: 'UND_ERR_HEADERS_TIMEOUT' }), 'failure'],
    ['undici’s body timeout', failed({ code: 'UND_ERR_BODY_TIMEOUT' }), 'failure'],
    ['a timeout by code alone', failed({ code: 'ERR_GATELESS_TIMEOUT' }), 'failure'],
    ['a fault of the service', failed(Object.assign(new Error('x'), { status: 500 })), 'ignore'],
    ['a refused connection', failed(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), 'ignore'],
    ['a refusal of this process', failed(new ConcurrencyLimitedError('x', 1)), 'ignore'],
    [
      'a local error that says 429',
      failed(Object.assign(new ConcurrencyLimitedError('x', 1), { status: 429 })),
      'ignore',
    ],
    ['something else', failed(new Error('x')), 'ignore'],
    ['nothing', failed(undefined), 'ignore'],
    ['null', failed(null), 'ignore'],
    ['a string', failed('TimeoutError'), 'ignore'],
  ])('%s', (_, given, verdict) => {
    expect(classifyByOverload(given)).toBe(verdict)
  })

  it('is decided by the caller’s own rule where there is one', async () => {
    const { limiter, algorithm } = noted({
      classify: (given) => (given.ok && given.value === 'busy' ? 'failure' : given.ok ? 'success' : 'ignore'),
    })
    await limiter.execute(() => 'busy')
    expect(algorithm.last).toMatchObject({ dropped: true })
    await limiter.execute(() => 'fine')
    expect(algorithm.last).toMatchObject({ dropped: false })
    await outcome(limiter.execute(() => Promise.reject(new TimeoutError(1, 'total'))))
    expect(algorithm.samples).toHaveLength(2)
  })

  it('is never asked about what this process refused', async () => {
    const classify = vi.fn((): 'failure' => 'failure')
    const { limiter, algorithm } = noted({ classify })
    const refusal = new GatelessError('ERR_GATELESS_BULKHEAD_FULL', 'full', { local: true })
    await outcome(limiter.execute(() => Promise.reject(refusal)))
    expect(classify).not.toHaveBeenCalled()
    expect(algorithm.samples).toEqual([])
  })

  it.each([
    [() => 'Failure', '"Failure"'],
    [() => undefined, 'undefined'],
    [() => Promise.reject(new Error('async')), 'an object'],
  ])('is decided by the default when that rule answers nonsense, which is reported (%#)', async (answer, shown) => {
    const { limiter, algorithm } = noted({ classify: answer as never })
    const faults: unknown[] = []
    limiter.on('error', (fault) => faults.push(fault))
    await limiter.execute(() => 'ran')
    expect(algorithm.last).toMatchObject({ dropped: false })
    await outcome(limiter.execute(() => Promise.reject(new Error('no such order'))))
    expect(algorithm.samples).toHaveLength(1)
    faults.pop()
    const error = new TypeError(`classify must answer 'success', 'failure' or 'ignore', got ${shown}`)
    expect(faults).toEqual([{ event: 'classify', error }])
  })

  it('is decided by the default when that rule throws, which is reported', async () => {
    const { limiter, algorithm } = noted({
      classify: () => {
        throw new Error('broken')
      },
    })
    const faults: unknown[] = []
    limiter.on('error', (fault) => faults.push(fault))
    await expect(limiter.execute(() => 'ran')).resolves.toBe('ran')
    expect(algorithm.last).toMatchObject({ dropped: false })
    expect(faults).toEqual([{ event: 'classify', error: new Error('broken') }])
  })
})

describe('an adaptive limiter in a pipeline', () => {
  it('refuses and learns', async () => {
    const { limiter, algorithm } = noted({ initialLimit: 1 })
    const guarded = pipeline(limiter)
    await expect(guarded.execute(() => 'ran')).resolves.toBe('ran')
    expect(algorithm.samples).toHaveLength(1)
    const permit = limiter.tryAcquire()
    await expect(guarded.execute(() => 1)).rejects.toBeInstanceOf(ConcurrencyLimitedError)
    permit?.ignore()
    await outcome(guarded.execute(() => Promise.reject(new TimeoutError(1, 'attempt'))))
    expect(algorithm.last).toMatchObject({ dropped: true })
  })

  it('wraps a function', async () => {
    await expect(new AdaptiveLimiter().wrap((a: number, b: number) => a + b)(2, 3)).resolves.toBe(5)
  })
})

describe('a dry run of an adaptive limiter', () => {
  it('lets everything through, learns, and says what it would have refused', () => {
    const { limiter, algorithm } = noted({ initialLimit: 1, dryRun: true })
    const told = vi.fn()
    limiter.on('rejected', told)
    const permits = [limiter.tryAcquire(), limiter.tryAcquire(), limiter.tryAcquire()]
    expect(told.mock.calls).toEqual(Array.from({ length: 2 }, () => [{ limit: 1, dryRun: true }]))
    expect(limiter.metrics).toEqual({ limit: 1, inFlight: 3, rejected: 2 })
    for (const permit of permits) permit?.success()
    expect(algorithm.samples).toHaveLength(3)
    expect(limiter.metrics.inFlight).toBe(0)
  })
})

describe('configuring an adaptive limiter', () => {
  it('moves the limit between the new bounds, and tells', () => {
    const { limiter, algorithm } = noted({ initialLimit: 10 })
    const told = vi.fn()
    limiter.on('limit', told)
    limiter.configure({ maxLimit: 5 })
    limiter.configure({ minLimit: 1, maxLimit: 50 })
    limiter.configure({ minLimit: 8 })
    expect(told.mock.calls).toEqual([[{ from: 10, to: 5 }], [{ from: 5, to: 8 }]])
    expect(limiter.info.summary).toBe('at most 8 to 50 at once, as noted finds')
    expect(algorithm.made).toBe(1)
  })

  it('keeps what was learned, unless the algorithm is another', () => {
    const limiter = new AdaptiveLimiter({ initialLimit: 30 })
    const second = new Noted()
    limiter.configure({ dryRun: true })
    limiter.configure({ algorithm: second })
    limiter.configure({ algorithm: second, minLimit: 2 })
    expect(second.made).toBe(1)
    expect(limiter.limit).toBe(30)
    limiter.tryAcquire()?.success()
    expect(second.limits).toEqual([30])
  })

  it('keeps the default algorithm’s own memory too', () => {
    let now = 0
    const limiter = new AdaptiveLimiter({ initialLimit: 1, clock: { now: () => now } })
    for (let call = 0; call < 9; call += 1) limiter.tryAcquire()?.success()
    limiter.configure({ maxLimit: 100 })
    now = 5_000
    limiter.tryAcquire()?.success()
    expect(limiter.limit).toBe(7)
  })

  it('keeps what the default learned after it was put back', () => {
    let now = 0
    const { limiter } = noted({ initialLimit: 1, clock: { now: () => now } })
    limiter.configure({ algorithm: undefined } as object)
    for (let call = 0; call < 9; call += 1) limiter.tryAcquire()?.success()
    limiter.configure({ maxLimit: 100 })
    now = 5_000
    limiter.tryAcquire()?.success()
    expect(limiter.limit).toBe(7)
    expect(limiter.info.summary).toBe('at most 1 to 100 at once, as vegas finds')
  })

  it('changes who decides what an outcome says', async () => {
    const { limiter, algorithm } = noted()
    limiter.configure({ classify: () => 'failure' })
    await limiter.execute(() => 1)
    expect(algorithm.last).toMatchObject({ dropped: true })
  })

  it.each([
    [{ initialLimit: 5 }, 'AdaptiveLimiter.configure: initialLimit cannot change, got 5'],
    [{ name: 'x' }, 'AdaptiveLimiter.configure: name cannot change, got "x"'],
    [{ clock: {} }, 'AdaptiveLimiter.configure: clock cannot change, got an object'],
    [{ random: () => 0 }, 'AdaptiveLimiter.configure: random cannot change, got a function'],
    [{ maxLimit: 0 }, 'AdaptiveLimiter: maxLimit must be an integer from 1, got 0'],
  ])('refuses %j, and changes nothing: %s', (patch, message) => {
    const { limiter } = noted()
    const { info } = limiter
    expect(() => limiter.configure(patch as object)).toThrow(message)
    expect(limiter.info).toBe(info)
  })
})

describe('an aborted call', () => {
  it('settles at once, and is not let in when it was aborted before', async () => {
    const { limiter } = noted()
    const controller = new AbortController()
    const call = limiter.execute(() => new Promise(() => {}), { signal: controller.signal })
    expect(await settled(call)).toBe('pending')
    controller.abort('now')
    expect(await settled(call)).toEqual({ error: 'now' })
    const work = vi.fn()
    await expect(limiter.execute(work, { signal: controller.signal })).rejects.toBe('now')
    expect(work).not.toHaveBeenCalled()
  })
})

describe('the message of a refusal', () => {
  it('has its grammar for a single call', () => {
    expect(new ConcurrencyLimitedError('stock', 1).message).toBe('stock allows 1 call at once now, and it is in flight')
  })
})

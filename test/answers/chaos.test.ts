import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, CircuitBreaker, fixedBackoff, isTransient, pipeline, RetryPolicy } from 'gateless'
import { chaos, ChaosError, type ChaosOptions } from 'gateless/answers'
import { seededRandom } from '../../src/time/random.ts'

const ON = { enabled: true, random: () => 0 } as const
const work = (): string => 'work'

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

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('chaos', () => {
  it('is off unless enabled, and asks for no chance then', async () => {
    const random = vi.fn(() => 0)
    const policy = chaos({ random, fault: { rate: 1 }, latency: { rate: 1 }, outcome: { rate: 1, result: () => 5 } })
    await expect(policy.execute(work)).resolves.toBe('work')
    expect(random).not.toHaveBeenCalled()
    expect(policy.metrics).toEqual({ latency: 0, fault: 0, outcome: 0 })
    await expect(chaos({ ...ON, enabled: false, fault: { rate: 1 } }).execute(work)).resolves.toBe('work')
    await expect(chaos().execute(work)).resolves.toBe('work')
  })

  it('injects nothing where nothing is configured', async () => {
    await expect(chaos(ON).execute(work)).resolves.toBe('work')
  })

  it('asks at each call when enabled is a function', async () => {
    let enabled = false
    const policy = chaos({ ...ON, enabled: ({ key }) => enabled && key === 'mine', fault: { rate: 1 } })
    await expect(policy.execute(work, { key: 'mine' })).resolves.toBe('work')
    enabled = true
    await expect(policy.execute(work, { key: 'other' })).resolves.toBe('work')
    await expect(policy.execute(work, { key: 'mine' })).rejects.toThrow(ChaosError)
  })

  it('takes a fault of enabled for a no, and reports it', async () => {
    const faults: unknown[] = []
    for (const enabled of [
      () => {
        throw new Error('hook')
      },
      (async () => true) as unknown as () => boolean,
    ]) {
      const policy = chaos({ ...ON, enabled, fault: { rate: 1 } })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      await expect(policy.execute(work)).resolves.toBe('work')
    }
    expect(faults).toEqual([
      ['enabled', 'hook'],
      ['enabled', 'enabled must answer true or false, got object'],
    ])
  })

  it('injects a fault in place of the work', async () => {
    const policy = chaos({ ...ON, fault: {} })
    const events: unknown[] = []
    policy.on('injected', (event) => events.push(event))
    const inner = vi.fn(work)
    const { error } = (await outcome(policy.execute(inner))) as { error: ChaosError }
    expect(inner).not.toHaveBeenCalled()
    expect(error).toBeInstanceOf(ChaosError)
    expect(error).toMatchObject({
      name: 'ChaosError',
      code: 'ERR_GATELESS_CHAOS',
      local: false,
      message: 'chaos injected a fault',
    })
    expect(events).toEqual([{ kind: 'fault', error }])
    expect(policy.metrics).toEqual({ latency: 0, fault: 1, outcome: 0 })
  })

  it('throws what the error option makes, whatever that is', async () => {
    const error = vi.fn(({ key }: CallContext) => `no ${key}`)
    await expect(outcome(chaos({ ...ON, fault: { error } }).execute(work, { key: 'k' }))).resolves.toEqual({
      error: 'no k',
    })
  })

  it('injects a result in place of the work', async () => {
    const policy = chaos({ ...ON, outcome: { result: async ({ key }) => `injected ${key}` } })
    const events: unknown[] = []
    policy.on('injected', (event) => events.push(event))
    const inner = vi.fn(work)
    await expect(policy.execute(inner, { key: 'k' })).resolves.toBe('injected k')
    expect(inner).not.toHaveBeenCalled()
    expect(events).toEqual([{ kind: 'outcome' }])
    expect(policy.metrics).toEqual({ latency: 0, fault: 0, outcome: 1 })
    await expect(chaos({ ...ON, outcome: { result: () => undefined } }).execute(work)).resolves.toBeUndefined()
  })

  it('settles an injected result at once when the caller leaves', async () => {
    const controller = new AbortController()
    const policy = chaos({ ...ON, outcome: { result: () => new Promise(() => {}) } })
    const answer = outcome(policy.execute(work, { signal: controller.signal }))
    controller.abort('bye')
    await expect(answer).resolves.toEqual({ error: 'bye' })
  })

  it('delays the work by 30 s unless told otherwise', async () => {
    const policy = chaos({ ...ON, latency: {} })
    const events: unknown[] = []
    policy.on('injected', (event) => events.push(event))
    const answer = policy.execute(work)
    await vi.advanceTimersByTimeAsync(29_999)
    await expect(settled(answer)).resolves.toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    await expect(settled(answer)).resolves.toEqual({ value: 'work' })
    expect(events).toEqual([{ kind: 'latency', latencyMs: 30_000 }])
    expect(policy.metrics).toEqual({ latency: 1, fault: 0, outcome: 0 })
  })

  it('delays by what a function says', async () => {
    const policy = chaos({ ...ON, latency: { latencyMs: ({ priority }) => priority * 100 } })
    const answer = policy.execute(work, { priority: 2 })
    await vi.advanceTimersByTimeAsync(199)
    await expect(settled(answer)).resolves.toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    await expect(settled(answer)).resolves.toEqual({ value: 'work' })
  })

  it('takes 0 for a latency like any other', async () => {
    const policy = chaos({ ...ON, latency: { latencyMs: () => 0 } })
    const answer = policy.execute(work)
    await vi.advanceTimersByTimeAsync(1)
    await answer
    expect(policy.metrics.latency).toBe(1)
  })

  it('leaves no timer and no listener of a call behind', async () => {
    const { signal } = new AbortController()
    await chaos().execute(({ signal: own }) => own.aborted, { signal, timeoutMs: 500 })
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('does not delay when that function is at fault, and reports it', async () => {
    const faults: unknown[] = []
    for (const latencyMs of [
      () => {
        throw new Error('hook')
      },
      () => -1,
      () => Number.NaN,
      () => Number.POSITIVE_INFINITY,
    ]) {
      const policy = chaos({ ...ON, latency: { latencyMs } })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      await expect(policy.execute(work)).resolves.toBe('work')
      expect(policy.metrics.latency).toBe(0)
    }
    expect(faults).toEqual([
      ['latencyMs', 'hook'],
      ['latencyMs', 'latencyMs must answer milliseconds from 0, got -1'],
      ['latencyMs', 'latencyMs must answer milliseconds from 0, got NaN'],
      ['latencyMs', 'latencyMs must answer milliseconds from 0, got Infinity'],
    ])
  })

  it('ends a delay at once when the caller leaves, with no timer and no listener left', async () => {
    const controller = new AbortController()
    const answer = outcome(chaos({ ...ON, latency: {} }).execute(work, { signal: controller.signal }))
    expect(vi.getTimerCount()).toBe(1)
    controller.abort('bye')
    await expect(answer).resolves.toEqual({ error: 'bye' })
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    const late = outcome(chaos({ ...ON, latency: {} }).execute(work, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    expect(await late).toMatchObject({ error: { code: 'ERR_GATELESS_TIMEOUT' } })
  })

  it('injects nothing into a call that is over', async () => {
    const policy = chaos({ ...ON, fault: {} })
    await expect(outcome(policy.execute(work, { signal: AbortSignal.abort('before') }))).resolves.toEqual({
      error: 'before',
    })
    expect(policy.metrics.fault).toBe(0)
  })

  it('rolls for each kind by itself: latency, then fault, then outcome', async () => {
    const all = (rolls: number[]): ReturnType<typeof chaos<string>> =>
      chaos({
        enabled: true,
        random: () => rolls.shift() as number,
        latency: { rate: 0.5, latencyMs: 10 },
        fault: { rate: 0.5 },
        outcome: { rate: 0.5, result: () => 'injected' },
      })
    const run = async (...rolls: number[]): Promise<unknown> => {
      const policy = all(rolls)
      const answer = outcome(policy.execute(work))
      await vi.advanceTimersByTimeAsync(10)
      return { end: await answer, ...policy.metrics, left: rolls.length }
    }
    const error = expect.any(ChaosError) as ChaosError
    expect(await run(0.5, 0.5, 0.5)).toEqual({ end: { value: 'work' }, latency: 0, fault: 0, outcome: 0, left: 0 })
    expect(await run(0.49, 0.5, 0.5)).toEqual({ end: { value: 'work' }, latency: 1, fault: 0, outcome: 0, left: 0 })
    expect(await run(0.49, 0.49, 0.49)).toEqual({ end: { error }, latency: 1, fault: 1, outcome: 0, left: 1 })
    expect(await run(0.5, 0.5, 0.49)).toEqual({ end: { value: 'injected' }, latency: 0, fault: 0, outcome: 1, left: 0 })
  })

  it('never injects at rate 0, and always at rate 1', async () => {
    const never = chaos({ enabled: true, random: () => 0, fault: { rate: 0 } })
    await expect(never.execute(work)).resolves.toBe('work')
    const always = chaos({ enabled: true, random: () => 0.999_999, fault: { rate: 1 } })
    await expect(always.execute(work)).rejects.toThrow(ChaosError)
  })

  it('injects into one call of a thousand unless told otherwise', async () => {
    for (const [roll, injected] of [
      [0.000_999, 1],
      [0.001, 0],
    ] as const) {
      const policy = chaos({ enabled: true, random: () => roll, outcome: { result: () => 5 } })
      await policy.execute(work)
      expect(policy.metrics.outcome).toBe(injected)
    }
    const policy = chaos({ enabled: true, random: seededRandom(1), fault: { rate: 0.1 } })
    for (let i = 0; i < 10_000; i += 1) await outcome(policy.execute(work))
    expect(policy.metrics.fault).toBeGreaterThan(900)
    expect(policy.metrics.fault).toBeLessThan(1_100)
  })

  it('is what the policies around it see', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 3 })
    const retry = new RetryPolicy({ maxAttempts: 3, backoff: fixedBackoff({ delayMs: 1 }) })
    expect(isTransient(new ChaosError('chaos'))).toBe(true)
    const answer = outcome(pipeline(retry, breaker, chaos({ ...ON, fault: {} })).execute(work))
    await vi.advanceTimersByTimeAsync(10)
    expect(await answer).toMatchObject({ error: { code: 'ERR_GATELESS_CHAOS' } })
    expect(breaker.state).toBe('open')
  })

  it('settles at once when the caller leaves work that nothing was injected into', async () => {
    const controller = new AbortController()
    const answer = outcome(chaos().execute(() => new Promise(() => {}), { signal: controller.signal }))
    controller.abort('bye')
    await expect(answer).resolves.toEqual({ error: 'bye' })
  })

  it('wraps a function', async () => {
    const wrapped = chaos().wrap((a: number, b: number) => a + b)
    await expect(wrapped(1, 2)).resolves.toBe(3)
  })

  it('is not hurt by listeners that throw', async () => {
    const policy = chaos({ ...ON, outcome: { result: () => 1 } })
    policy.on('error', () => {})
    policy.on('injected', () => {
      throw new Error('listener')
    })
    await expect(policy.execute(work)).resolves.toBe(1)
  })

  it('describes itself', () => {
    expect(chaos().info).toEqual({ kind: 'chaos', name: 'chaos', summary: 'injects nothing where enabled' })
    const policy = chaos({ latency: {}, fault: {}, outcome: { result: () => 1 }, name: 'unrest' })
    expect(policy.info).toEqual({
      kind: 'chaos',
      name: 'unrest',
      summary: 'injects latency, fault, outcome where enabled',
    })
  })

  it.each<[ChaosOptions, string]>([
    [{ enabled: 1 as never }, 'chaos: enabled must be true, false or a function, got 1'],
    [{ latency: { rate: -0.1 } }, 'chaos: latency: rate must be a finite number from 0 up to 1, got -0.1'],
    [{ fault: { rate: 1.1 } }, 'chaos: fault: rate must be a finite number from 0 up to 1, got 1.1'],
    [{ latency: { latencyMs: -1 } }, 'chaos: latency: latencyMs must be a finite number from 0'],
    [{ latency: 5 as never }, 'chaos: latency: options must be an object, got 5'],
    [{ fault: { error: new Error('x') as never } }, 'chaos: fault: error must be a function, got an object'],
    [{ outcome: {} as never }, 'chaos: outcome: result must be given, a function, got undefined'],
    [{ outcome: { result: 5 as never } }, 'chaos: outcome: result must be a function, got 5'],
    [{ outcome: { result: () => 1, value: 5 } as never }, 'chaos: outcome: unknown option "value"'],
    [{ random: 5 as never }, 'chaos: random must be a function, got 5'],
    [{ name: '' }, 'chaos: name must be a string that is not empty, got ""'],
    [{ clock: 5 as never }, 'clock must be an object, got 5'],
    [{ rate: 1 } as never, 'chaos: unknown option "rate"'],
  ])('refuses %j: %s', (options, message) => {
    expect(() => chaos(options)).toThrow(message)
  })
})

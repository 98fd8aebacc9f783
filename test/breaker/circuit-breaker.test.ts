import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, CircuitOpenError, failureRate, slowCallRate } from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { readBreakerOptions } from '../../src/breaker/options.ts'
import type { BreakerPermit } from '../../src/breaker/permit.ts'
import { reopen } from '../../src/breaker/snapshot.ts'
import { CallScope } from '../../src/core/context.ts'
import { GatelessError, isGatelessError } from '../../src/core/errors.ts'
import { Gate } from '../../src/core/gate.ts'
import type { Permit } from '../../src/core/outcome.ts'

const fail = () => Promise.reject(new Error('down'))
const succeed = () => Promise.resolve('up')

async function trip(breaker: CircuitBreaker, times = 5): Promise<void> {
  for (let i = 0; i < times; i += 1) await breaker.execute(fail).catch(() => {})
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('while closed', () => {
  it('passes results and errors through untouched', async () => {
    const breaker = new CircuitBreaker()
    const error = new Error('mine')
    await expect(breaker.execute(() => 7)).resolves.toBe(7)
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
    await expect(
      breaker.execute(() => {
        throw error
      }),
    ).rejects.toBe(error)
  })

  it('opens at the fifth failure in a row, not at the fourth', async () => {
    const breaker = new CircuitBreaker()
    await trip(breaker, 4)
    expect(breaker.state).toBe('closed')
    await trip(breaker, 1)
    expect(breaker.state).toBe('open')
  })

  it('starts counting again after a success', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 })
    await trip(breaker, 1)
    await breaker.execute(succeed)
    await trip(breaker, 1)
    expect(breaker.state).toBe('closed')
  })

  it('hands the work its context, and the attempt is the first', async () => {
    const breaker = new CircuitBreaker()
    const seen = await breaker.execute((context) => ({ attempt: context.attempt, aborted: context.signal.aborted }))
    expect(seen).toEqual({ attempt: 1, aborted: false })
  })

  it('keeps arguments and result of a wrapped function', async () => {
    const add = new CircuitBreaker().wrap((a: number, b: number) => a + b)
    await expect(add(2, 3)).resolves.toBe(5)
  })
})

describe('while open', () => {
  it('refuses without running the work, and says who refused and when to come back', async () => {
    const breaker = new CircuitBreaker({ name: 'orders', recoveryTimeoutMs: 60_000 })
    await trip(breaker)
    await vi.advanceTimersByTimeAsync(10_000)
    const work = vi.fn(succeed)
    const error = await breaker.execute(work).catch((thrown: unknown) => thrown)
    expect(work).not.toHaveBeenCalled()
    expect(error).toBeInstanceOf(CircuitOpenError)
    expect(isGatelessError(error, 'ERR_GATELESS_CIRCUIT_OPEN')).toBe(true)
    expect(error).toMatchObject({ name: 'CircuitOpenError', breaker: 'orders', retryAfterMs: 50_000, local: true })
  })

  it('stays open to the millisecond', async () => {
    const breaker = new CircuitBreaker({ recoveryTimeoutMs: 1_000 })
    await trip(breaker)
    await vi.advanceTimersByTimeAsync(999)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
  })

  it('waits again, rather than for ever, when the clock goes back under it', async () => {
    let now = 1_000_000
    const breaker = new CircuitBreaker({ recoveryTimeoutMs: 1_000, clock: { now: () => now } })
    await trip(breaker)
    now = 0
    expect(breaker.state).toBe('open')
    now = 1_000
    expect(breaker.state).toBe('half-open')
  })

  it('does not care when somebody sets the wall clock', async () => {
    const breaker = new CircuitBreaker({ recoveryTimeoutMs: 1_000 })
    await trip(breaker)
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(breaker.state).toBe('open')
  })

  it('counts what it refuses', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    await trip(breaker, 4)
    expect(breaker.metrics).toEqual({
      successes: 0,
      failures: 1,
      slow: 0,
      rejected: 3,
      wouldReject: 0,
      trips: 1,
      probesInFlight: 0,
      waiting: 0,
      admittedShare: 0,
    })
  })
})

describe('while half-open', () => {
  async function halfOpen(options: ConstructorParameters<typeof CircuitBreaker>[0] = {}): Promise<CircuitBreaker> {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 1_000, ...options })
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(1_000)
    return breaker
  }

  it('admits one probe at a time and closes after three', async () => {
    const breaker = await halfOpen()
    const probe = breaker.tryAcquire()
    expect(breaker.tryAcquire()).toBeUndefined()
    probe?.success()
    expect(breaker.state).toBe('half-open')
    await breaker.execute(succeed)
    expect(breaker.state).toBe('half-open')
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
  })

  it('admits exactly as many probes at once as it was told to', async () => {
    const breaker = await halfOpen({ halfOpen: { probes: 3 } })
    const permits = Array.from({ length: 10 }, () => breaker.tryAcquire())
    expect(permits.filter((permit) => permit !== undefined)).toHaveLength(3)
  })

  it('says that all probes are taken, without a time to come back', async () => {
    const breaker = await halfOpen()
    breaker.tryAcquire()
    await expect(breaker.execute(succeed)).rejects.toMatchObject({
      message: expect.stringContaining('half-open') as string,
      retryAfterMs: undefined,
    })
  })

  it('opens again when a probe fails, for the whole time', async () => {
    const breaker = await halfOpen()
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(999)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
  })

  it('gives the slot of an ignored probe back', async () => {
    const breaker = await halfOpen()
    breaker.tryAcquire()?.ignore()
    expect(breaker.state).toBe('half-open')
    expect(breaker.tryAcquire()).toBeDefined()
  })

  it('gives the slot of a cancelled probe back at once, and counts nothing', async () => {
    const breaker = await halfOpen()
    const caller = new AbortController()
    const probe = breaker.execute(() => new Promise(() => {}), { signal: caller.signal })
    expect(breaker.tryAcquire()).toBeUndefined()
    caller.abort(new Error('gone'))
    await expect(probe).rejects.toThrow('gone')
    expect(breaker.state).toBe('half-open')
    expect(breaker.tryAcquire()).toBeDefined()
  })

  it('gives the slot of a probe that hangs to the next caller, and ignores what the hanging one says later', async () => {
    const breaker = await halfOpen({ halfOpen: { probeTimeoutMs: 5_000 } })
    const hanging = breaker.tryAcquire()
    await vi.advanceTimersByTimeAsync(4_999)
    expect(breaker.tryAcquire()).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    const next = breaker.tryAcquire()
    expect(next).toBeDefined()
    hanging?.failure()
    expect(breaker.state).toBe('half-open')
    next?.success()
  })
})

describe('call options that are refused', () => {
  it('cost a half-open breaker no probe', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100 })
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(100)
    await expect(breaker.execute(succeed, { timeoutMs: -1 })).rejects.toThrow(RangeError)
    expect(breaker.tryAcquire()).toBeDefined()
  })

  it('leave no timer when the breaker refuses a call that had a time limit', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    await trip(breaker, 1)
    await expect(breaker.execute(succeed, { timeoutMs: 5_000 })).rejects.toBeInstanceOf(CircuitOpenError)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a scope that an outer policy passed along', () => {
  const measuring = slowCallRate({ thresholdMs: 10 })

  it.each([
    ['that is let in', {}, 'normal'],
    ['whose time is taken', { trip: measuring }, 'normal'],
    ['that is refused', {}, 'isolated'],
  ] as const)('goes on after a call %s: it ends with whoever made it', async (_, options, mode) => {
    const breaker = new CircuitBreaker({ ...options, mode })
    const scope = new CallScope({ timeoutMs: 100 })
    await breaker.execute(succeed, scope).catch(() => {})
    const aborted = vi.fn()
    scope.onAbort(aborted)
    await vi.advanceTimersByTimeAsync(100)
    expect(aborted).toHaveBeenCalledOnce()
  })
})

describe('fencing', () => {
  it('drops the failure of a call that was admitted before the breaker opened and closed again', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, successThreshold: 1, recoveryTimeoutMs: 1_000 })
    const late = breaker.tryAcquire()
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(1_000)
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
    late?.failure()
    expect(breaker.state).toBe('closed')
  })

  it('does not close by the late success of a call that was admitted before it opened', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, successThreshold: 1, recoveryTimeoutMs: 1_000 })
    const late = breaker.tryAcquire()
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.state).toBe('half-open')
    late?.success()
    expect(breaker.state).toBe('half-open')
  })

  it('takes only the first word of a permit', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const permit = breaker.tryAcquire()
    permit?.success()
    permit?.failure()
    expect(breaker.state).toBe('closed')
  })
})

describe('the refusal', () => {
  it('is what its constructor makes', async () => {
    const breaker = new CircuitBreaker({ name: 'orders', failureThreshold: 1 })
    await trip(breaker, 1)
    const thrown = (await breaker.execute(succeed).catch((error: unknown) => error)) as CircuitOpenError
    const made = new CircuitOpenError('orders', 60_000)
    for (const key of ['name', 'message', 'code', 'breaker', 'retryAfterMs', 'local'] as const)
      expect(thrown[key]).toBe(made[key])
    expect(Object.keys(thrown).toSorted()).toEqual(Object.keys(made).toSorted())
    expect(new CircuitOpenError('orders', undefined, 'is shut').message).toBe('orders is shut')
  })

  it('has a stack that begins where the call was made', async () => {
    const breaker = new CircuitBreaker()
    breaker.isolate()
    const error = (await breaker.execute(succeed).catch((thrown: unknown) => thrown)) as Error
    expect(error.stack?.split('\n')[1]).toContain('CircuitBreaker.execute')
    expect(error.stack?.split('\n')[2]).toContain('circuit-breaker.test.ts')
  })
})

describe('a permit', () => {
  it('can be judged by a pipeline once, and settled by nobody after that', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 })
    const permit = breaker.tryAcquire() as Permit
    const failed = { ok: false, error: new Error('down') } as const
    for (let i = 0; i < 3; i += 1) breaker.judge(permit, failed, CallScope.idle)
    permit.failure()
    expect(breaker.metrics.failures).toBe(1)
  })

  it('is told of a success by that word, with or without a classifier', async () => {
    for (const classify of [undefined, () => 'success' as const]) {
      const breaker = new CircuitBreaker(classify === undefined ? {} : { classify })
      const settle = vi.spyOn(breaker, 'settle')
      await breaker.execute(succeed)
      breaker.tryAcquire()?.success()
      expect(settle.mock.calls.map(([pass, , verdict]) => [pass, verdict])).toEqual([
        [0, 'success'],
        [0, 'success'],
      ])
    }
  })

  it('that was settled asks nobody what an outcome means', () => {
    const classify = vi.fn(() => 'failure' as const)
    const breaker = new CircuitBreaker({ classify })
    const permit = breaker.tryAcquire() as BreakerPermit
    permit.success()
    permit.judge({ ok: true, value: 1 }, CallScope.idle)
    expect(classify).not.toHaveBeenCalled()
    expect(breaker.metrics.failures).toBe(0)
  })

  it('of somebody else, put around one of ours, is settled as the verdict says', () => {
    const breaker = new CircuitBreaker({ classify: ({ ok }) => (ok ? 'success' : 'ignore') })
    const seen: unknown[] = []
    const permit: Permit = {
      success: () => seen.push('success'),
      failure: (info) => seen.push(['failure', info]),
      ignore: () => seen.push('ignore'),
    }
    breaker.judge(permit, { ok: true, value: 1 }, CallScope.idle)
    breaker.judge(permit, { ok: false, error: new Error('down') }, CallScope.idle)
    breaker.configure({ classify: () => 'failure' })
    breaker.judge(permit, { ok: true, value: 503 }, CallScope.idle)
    const error = new Error('busy')
    breaker.judge(permit, { ok: false, error }, CallScope.idle)
    expect(seen).toEqual(['success', 'ignore', ['failure', undefined], ['failure', { ok: false, error }]])
  })
})

describe('attribution', () => {
  it('does not count what this process refused', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const refused = new GatelessError('ERR_GATELESS_BULKHEAD_FULL', 'full', { local: true })
    await expect(breaker.execute(() => Promise.reject(refused))).rejects.toBe(refused)
    expect(breaker.state).toBe('closed')
  })

  it('does not count a caller who gives up, whatever error the work makes of it', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const caller = new AbortController()
    const call = breaker.execute(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('socket closed')))
        }),
      { signal: caller.signal },
    )
    caller.abort()
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
    expect(breaker.state).toBe('closed')
  })

  it('counts an answer that came although the caller had left', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100, successThreshold: 1 })
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(100)
    const scope = new CallScope({})
    const probe = breaker.tryAcquire() as Permit
    scope.abort(new Error('gone'))
    breaker.judge(probe, { ok: true, value: 1 }, scope)
    expect(breaker.state).toBe('closed')
  })

  it('makes no outcome of an answer when nobody wants to classify it', async () => {
    const breaker = new CircuitBreaker()
    const classify = vi.spyOn(breaker, 'classify')
    await breaker.execute(succeed)
    expect(classify).not.toHaveBeenCalled()
  })

  it('hands the error to classify when the time of calls is taken as well', async () => {
    const classify = vi.fn(() => 'ignore' as const)
    const breaker = new CircuitBreaker({ classify, trip: slowCallRate({ thresholdMs: 10 }) })
    const error = new Error('mine')
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(classify.mock.calls).toEqual([[{ ok: false, error }]])
  })

  it('counts a call that was too slow for its own time limit', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const call = breaker.execute(() => new Promise(() => {}), { timeoutMs: 100 })
    const settled = expect(call).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', timeoutMs: 100, limit: 'total' })
    await vi.advanceTimersByTimeAsync(100)
    await settled
    expect(breaker.state).toBe('open')
  })

  it('asks classify about results and errors', async () => {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      classify: (outcome) => (outcome.ok && outcome.value === 503 ? 'failure' : 'ignore'),
    })
    await trip(breaker, 3)
    expect(breaker.state).toBe('closed')
    await breaker.execute(() => 503)
    expect(breaker.state).toBe('open')
  })

  it('does not ask classify about its own refusals', async () => {
    const asked: unknown[] = []
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      classify: (outcome) => {
        asked.push(outcome.ok || (outcome.error as Error).message)
        return 'failure'
      },
    })
    await trip(breaker, 3)
    expect(asked).toEqual(['down'])
  })

  it('reports a classify that throws, and decides as if there were none', async () => {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      classify: () => {
        throw new Error('bug')
      },
    })
    const faults: unknown[] = []
    breaker.on('error', (fault) => faults.push(fault))
    await expect(breaker.execute(() => 1)).resolves.toBe(1)
    expect(breaker.state).toBe('closed')
    await trip(breaker, 1)
    expect(breaker.state).toBe('open')
    expect(faults).toHaveLength(2)
    expect(faults[0]).toMatchObject({ event: 'classify', error: { message: 'bug' } })
  })
})

describe('modes', () => {
  it('refuses everything while isolated, however long, until it is reset', async () => {
    const breaker = new CircuitBreaker({ name: 'orders' })
    breaker.isolate()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(breaker.mode).toBe('isolated')
    expect(breaker.retryAfterMs).toBeUndefined()
    await expect(breaker.execute(succeed)).rejects.toThrow('orders is isolated')
    breaker.reset()
    await expect(breaker.execute(succeed)).resolves.toBe('up')
  })

  it('forgets everything on reset', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 })
    await trip(breaker, 1)
    breaker.reset()
    await trip(breaker, 1)
    expect(breaker.state).toBe('closed')
    await trip(breaker, 1)
    breaker.reset()
    expect(breaker.state).toBe('closed')
  })

  it('survives a listener that opens it again in the middle of a reset', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100, successThreshold: 1 })
    await trip(breaker, 1)
    const stop = breaker.on('transition', () => {
      stop()
      breaker.tryAcquire()?.failure()
    })
    breaker.reset()
    expect(breaker.snapshot()).toMatchObject({ state: 'open', openMs: null, trips: 0 })
    await vi.advanceTimersByTimeAsync(100)
    await breaker.execute(succeed)
    expect(breaker.state).toBe('closed')
  })
})

describe('snapshots', () => {
  it('carry the remaining open time, as JSON, into another process', async () => {
    const options = { failureThreshold: 1, recoveryTimeoutMs: 10_000 }
    const breaker = new CircuitBreaker(options)
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(4_000)
    const saved = JSON.stringify(breaker.snapshot())
    const restored = CircuitBreaker.restore(JSON.parse(saved), options)
    await vi.advanceTimersByTimeAsync(5_999)
    expect(restored.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(restored.state).toBe('half-open')
  })

  it('keep the failures counted so far, and the mode', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 3 })
    await trip(breaker, 2)
    const restored = CircuitBreaker.restore(breaker.snapshot(), { failureThreshold: 3 })
    await trip(restored, 1)
    expect(restored.state).toBe('open')
    breaker.isolate()
    const isolated = CircuitBreaker.restore(breaker.snapshot())
    expect(isolated.mode).toBe('isolated')
    isolated.reset()
    await expect(isolated.execute(succeed)).resolves.toBe('up')
  })

  it('of a half-open breaker probe at once, since its probes are gone', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100 })
    await trip(breaker, 1)
    await vi.advanceTimersByTimeAsync(100)
    expect(breaker.state).toBe('half-open')
    expect(CircuitBreaker.restore(breaker.snapshot()).state).toBe('half-open')
  })

  it('that say nothing but their version are those of a new breaker', () => {
    const restored = CircuitBreaker.restore({ version: 1 } as never)
    expect(restored.snapshot()).toEqual(new CircuitBreaker().snapshot())
  })

  it('hand a rule all that was counted', () => {
    const restore = vi.fn()
    const memory = {
      timed: false,
      record: () => false,
      reset: () => {},
      counts: () => ({ successes: 0, failures: 0 }),
      save: () => undefined,
      restore,
    }
    const saved = { ...new CircuitBreaker().snapshot(), counts: { successes: 5, failures: 2 } }
    CircuitBreaker.restore(saved, { trip: { name: 'mine', create: () => memory } })
    expect(restore.mock.calls).toEqual([[{ successes: 5, failures: 2 }]])
  })

  it('tell whoever owns the gate why it opened', () => {
    const moved = vi.fn()
    const { settings } = readBreakerOptions(undefined)
    const saved = { ...new CircuitBreaker().snapshot(), state: 'open', probeAt: Date.now() + 500 } as const
    reopen(new Gate(settings.gate, { moved, reopenMs: () => 0 }), settings, saved)
    expect(moved.mock.calls).toEqual([['closed', 'open', 'restored']])
  })

  it('that do not say for how long are open no longer than the breaker they are restored into', () => {
    const known = { version: 1, state: 'open', mode: 'normal', counts: null, openMs: null, trips: 1 } as const
    const far = { ...known, probeAt: Date.now() + 1e12 }
    expect(CircuitBreaker.restore(far, { recoveryTimeoutMs: 500 }).retryAfterMs).toBe(500)
  })

  it.each([
    [null, 'options must be an object'],
    [{ version: 2 }, 'version must be 1, got 2'],
    [{ version: 1, state: 'ajar', mode: 'normal' }, "state must be one of 'closed', 'open', 'half-open', got \"ajar\""],
    [{ version: 1, state: 'open', mode: 'off' }, "mode must be one of 'normal', 'isolated'"],
    [{ version: 1, state: 'open', mode: 'normal', probeAt: Number.NaN }, 'probeAt must be a finite number'],
    [
      { version: 1, state: 'closed', mode: 'normal', counts: { failures: -1 } },
      'breaker snapshot: counts: failures must be an integer from 0, got -1',
    ],
    [
      { version: 1, counts: { successes: -1 } },
      'breaker snapshot: counts: successes must be an integer from 0, got -1',
    ],
  ])('are refused when they are not what they should be: %j', (snapshot, message) => {
    expect(() => CircuitBreaker.restore(snapshot as never)).toThrow(message)
  })
})

describe('events', () => {
  it('tell of every transition once, with its reason and what the rule counted until then', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2, successThreshold: 1, recoveryTimeoutMs: 1_000 })
    const seen: unknown[] = []
    breaker.on('transition', ({ from, to, reason, metrics }) => seen.push([from, to, reason, metrics.failures]))
    await trip(breaker, 2)
    await vi.advanceTimersByTimeAsync(1_000)
    await breaker.execute(fail).catch(() => {})
    await vi.advanceTimersByTimeAsync(1_000)
    await breaker.execute(succeed)
    expect(seen).toEqual([
      ['closed', 'open', 'tripped', 2],
      ['open', 'half-open', 'waited', 2],
      ['half-open', 'open', 'probe-failed', 2],
      ['open', 'half-open', 'waited', 2],
      ['half-open', 'closed', 'probe-succeeded', 2],
    ])
  })

  it('tell of refusals in a pipeline, which are counted as well', async () => {
    const breaker = new CircuitBreaker()
    const seen: unknown[] = []
    breaker.on('rejected', (event) => seen.push(event))
    breaker.isolate()
    await expect(pipeline(breaker).execute(succeed)).rejects.toBeInstanceOf(CircuitOpenError)
    expect(seen).toEqual([{ state: 'closed', mode: 'isolated', retryAfterMs: undefined }])
    expect(breaker.metrics.rejected).toBe(1)
  })

  it('tell of refusals and modes', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 500 })
    const seen: unknown[] = []
    breaker.on('rejected', (event) => seen.push(event))
    breaker.on('mode', (event) => seen.push(event))
    await trip(breaker, 2)
    breaker.isolate()
    breaker.isolate()
    expect(seen).toEqual([
      { state: 'open', mode: 'normal', retryAfterMs: 500 },
      { from: 'normal', to: 'isolated' },
    ])
  })

  it('change no outcome when their listeners throw', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const faults: unknown[] = []
    breaker.on('error', ({ event }) => faults.push(event))
    breaker.on('transition', () => {
      throw new Error('listener')
    })
    const error = new Error('mine')
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(breaker.state).toBe('open')
    expect(faults).toEqual(['transition'])
  })

  it('run in the async context of the call that caused them', async () => {
    const storage = new AsyncLocalStorage<string>()
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    let seen: string | undefined
    breaker.on('transition', () => {
      seen = storage.getStore()
    })
    await storage.run('caller', () => breaker.execute(fail).catch(() => {}))
    expect(seen).toBe('caller')
  })
})

describe('abort', () => {
  it('runs nothing when the signal was aborted before', async () => {
    const breaker = new CircuitBreaker()
    const work = vi.fn(succeed)
    await expect(breaker.execute(work, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
    expect(work).not.toHaveBeenCalled()
  })

  it('leaves no listener on a signal that lives on', async () => {
    const breaker = new CircuitBreaker()
    const signal = new AbortController().signal
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    for (let i = 0; i < 100; i += 1) await breaker.execute(succeed, { signal })
    expect(removed.mock.calls.length).toBe(added.mock.calls.length)
  })
})

describe('options', () => {
  it('have a name by default', () => {
    expect(new CircuitBreaker().name).toBe('circuit breaker')
  })

  it.each([
    [{ failureThreshold: 0 }, RangeError, 'CircuitBreaker: failureThreshold must be an integer from 1, got 0'],
    [{ failureThreshold: 1.5 }, RangeError, 'an integer from 1, got 1.5'],
    [
      { recoveryTimeoutMs: -1 },
      RangeError,
      'recoveryTimeoutMs must be a finite number from 0 up to 2073600000 milliseconds',
    ],
    [{ recoveryTimeoutMs: Number.NaN }, RangeError, 'got NaN'],
    [{ recoveryTimeoutMs: Number.POSITIVE_INFINITY }, RangeError, 'got Infinity'],
    [{ recoveryTimeoutMs: '60' }, TypeError, 'got "60"'],
    [{ successThreshold: 0 }, RangeError, 'successThreshold must be an integer from 1, got 0'],
    [{ halfOpen: { probes: 0 } }, RangeError, 'CircuitBreaker: halfOpen: probes must be an integer from 1, got 0'],
    [{ halfOpen: { slots: 1 } }, TypeError, 'unknown option "slots"'],
    [{ failureTreshold: 3 }, TypeError, 'unknown option "failureTreshold"'],
    [{ trip: {} }, TypeError, 'trip must be an object with create()'],
    [{ trip: failureRate(), failureThreshold: 3 }, RangeError, 'left out when trip is given'],
    [{ classify: 'yes' }, TypeError, 'classify must be a function, got "yes"'],
    [{ name: '' }, TypeError, 'name must be a string that is not empty, got ""'],
  ])('%j are refused by name, value and range', (options, kind, message) => {
    const make = () => new CircuitBreaker(options as never)
    expect(make).toThrow(kind)
    expect(make).toThrow(message)
  })

  it('are copied: changing them later changes nothing', async () => {
    const options = { failureThreshold: 1 }
    const breaker = new CircuitBreaker(options)
    options.failureThreshold = 100
    await trip(breaker, 1)
    expect(breaker.state).toBe('open')
  })

  it('are read as own properties only', async () => {
    const prototype = Object.prototype as { failureThreshold?: number }
    prototype.failureThreshold = 1
    try {
      const breaker = new CircuitBreaker({})
      await trip(breaker, 1)
      expect(breaker.state).toBe('closed')
    } finally {
      delete prototype.failureThreshold
    }
  })
})

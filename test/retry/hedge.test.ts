import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CallContext, GatelessError, isGatelessError, pipeline, TimeoutError } from 'gateless'
import { CircuitBreaker } from 'gateless/breaker'
import { type Budget, Hedge, type HedgeOptions, RetryBudget, RetryPolicy, SupersededError } from 'gateless/retry'
import { CallScope } from '../../src/core/context.ts'
import { RollingQuantile } from '../../src/stats/quantile.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { StallingClock } from '../time/stalling-clock.ts'
import { decorated } from './decorated.ts'

const reset = (message = 'reset'): Error => decorated(new Error(message), { code: 'ECONNRESET' })
const local = (): GatelessError => new GatelessError('ERR_GATELESS_CLOSED', 'refused', { local: true })

interface Script {
  readonly ms: number
  readonly value?: unknown
  readonly error?: unknown
}

/** Work whose tries end as scripted, whether they are aborted or not. */
class Scripted {
  readonly contexts: CallContext[] = []
  readonly signals: AbortSignal[] = []
  readonly startedAt: number[] = []
  readonly #scripts: readonly Script[]

  constructor(...scripts: Script[]) {
    this.#scripts = scripts
  }

  get tries(): number {
    return this.contexts.length
  }

  readonly run = (context: CallContext): Promise<unknown> => {
    const script = this.#scripts[this.tries] ?? { ms: 1e6 }
    this.contexts.push(context)
    this.signals.push(context.signal)
    this.startedAt.push(Date.now() - epoch)
    return new Promise((resolve, reject) => {
      setTimeout(() => {
        if ('error' in script) reject(script.error)
        else resolve(script.value)
      }, script.ms)
    })
  }
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

/** What has come of it by now. */
async function settled(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([outcome(promise), vi.advanceTimersByTimeAsync(0).then(() => 'pending')])
}

const hedge = (options: HedgeOptions = {}): Hedge =>
  new Hedge({ budget: false, ...('delay' in options ? {} : { delayMs: 50 }), ...options })

let epoch = 0

beforeEach(() => {
  vi.useFakeTimers()
  epoch = Date.now()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('a hedge', () => {
  it('begins no second try when the first answers in time', async () => {
    const work = new Scripted({ ms: 49, value: 'first' })
    const policy = hedge()
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(49)
    await expect(settled(answer)).resolves.toEqual({ value: 'first' })
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(work.tries).toBe(1)
    expect(policy.metrics).toEqual({
      calls: 1,
      hedges: 0,
      won: 0,
      suppressed: 0,
      superseded: 0,
      inFlight: 0,
      delayMs: 50,
    })
  })

  it('begins one at the delay, and the first answer wins', async () => {
    const work = new Scripted({ ms: 1_000, value: 'first' }, { ms: 10, value: 'second' })
    const policy = hedge()
    const hedges: unknown[] = []
    const wins: unknown[] = []
    policy.on('hedge', (event) => hedges.push(event))
    policy.on('won', (event) => wins.push(event))
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(49)
    expect(work.tries).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(work.tries).toBe(2)
    expect(policy.metrics.inFlight).toBe(2)
    await vi.advanceTimersByTimeAsync(10)
    await expect(settled(answer)).resolves.toEqual({ value: 'second' })
    expect(hedges).toEqual([{ attempt: 2, cause: 'delay', elapsedMs: 50 }])
    expect(wins).toEqual([{ attempt: 2, attempts: 2, elapsedMs: 60 }])
    expect(policy.metrics).toMatchObject({ hedges: 1, won: 1, superseded: 1, inFlight: 1 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(policy.metrics.inFlight).toBe(0)
  })

  it('does not count a call that its first try answered after all as won', async () => {
    const work = new Scripted({ ms: 60, value: 'first' }, { ms: 100 })
    const policy = hedge()
    const wins: unknown[] = []
    policy.on('won', (event) => wins.push(event))
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(60)
    await expect(settled(answer)).resolves.toEqual({ value: 'first' })
    expect(wins).toEqual([])
    expect(policy.metrics).toMatchObject({ hedges: 1, won: 0, superseded: 1 })
  })

  it('aborts the losers with a reason of their own, once, and leaves the winner its signal', async () => {
    const work = new Scripted({ ms: 1_000 }, { ms: 10, value: 'second' })
    const answer = hedge({ name: 'reads' }).execute(work.run)
    const aborted = vi.fn()
    work.signals[0]?.addEventListener('abort', aborted)
    await vi.advanceTimersByTimeAsync(60)
    await answer
    expect(aborted).toHaveBeenCalledTimes(1)
    expect(work.signals[1]?.aborted).toBe(false)
    const reason: unknown = work.signals[0]?.reason
    expect(reason).toBeInstanceOf(SupersededError)
    expect(reason).toMatchObject({
      name: 'SupersededError',
      code: 'ERR_GATELESS_SUPERSEDED',
      local: true,
      message: 'reads: another try of the call settled it',
    })
  })

  it('numbers the tries and hands each what the caller said', async () => {
    const work = new Scripted({ ms: 1_000 }, { ms: 1, value: 1 })
    const answer = hedge().execute(work.run, { key: 'k', priority: 3, idempotent: true, timeoutMs: 900 })
    await vi.advanceTimersByTimeAsync(51)
    await answer
    expect(work.contexts.map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(work.contexts.map(({ key, priority, idempotent }) => ({ key, priority, idempotent }))).toEqual([
      { key: 'k', priority: 3, idempotent: true },
      { key: 'k', priority: 3, idempotent: true },
    ])
    expect(work.contexts[0]?.deadline).toBeDefined()
    expect(work.contexts[0]?.deadline).toBe(work.contexts[1]?.deadline)
  })

  it('begins up to maxHedges, one per delay, and never more', async () => {
    const work = new Scripted({ ms: 1_000 }, { ms: 1_000 }, { ms: 1_000 }, { ms: 1_000 }, { ms: 1_000 })
    const policy = hedge({ maxHedges: 3 })
    const answer = outcome(policy.execute(work.run))
    await vi.advanceTimersByTimeAsync(999)
    expect(work.startedAt).toEqual([0, 50, 100, 150])
    expect(policy.metrics.inFlight).toBe(4)
    await vi.advanceTimersByTimeAsync(1)
    await answer
    await vi.advanceTimersByTimeAsync(1_000)
    expect(work.tries).toBe(4)
    expect(policy.metrics.inFlight).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('takes a delay of 0 for: at once, but after what answers without waiting', async () => {
    const policy = hedge({ delayMs: 0 })
    await expect(policy.execute(() => 'at hand')).resolves.toBe('at hand')
    const work = new Scripted({ ms: 100 }, { ms: 1, value: 2 })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(1)
    expect(work.tries).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    await expect(answer).resolves.toBe(2)
  })

  it('never hedges work that must not be done twice', async () => {
    const work = new Scripted({ ms: 1_000, value: 'once' })
    const budget = new RetryBudget()
    const deposit = vi.spyOn(budget, 'deposit')
    const policy = hedge({ budget })
    const suppressed: unknown[] = []
    policy.on('suppressed', (event) => suppressed.push(event))
    const answer = policy.execute(work.run, { idempotent: false })
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(answer).resolves.toBe('once')
    expect(work.tries).toBe(1)
    expect(deposit).toHaveBeenCalledTimes(1)
    expect(policy.metrics).toMatchObject({ calls: 1, hedges: 0 })
    const failing = new Scripted({ ms: 1, error: reset() })
    const failed = outcome(policy.execute(failing.run, { idempotent: false }))
    await vi.advanceTimersByTimeAsync(1)
    await failed
    expect(failing.tries).toBe(1)
    expect(suppressed).toEqual([
      { attempts: 1, reason: 'not-idempotent' },
      { attempts: 1, reason: 'not-idempotent' },
    ])
    // Which counts what the budget refused.
    expect(policy.metrics.suppressed).toBe(0)
  })

  it('hedges work about which nobody said anything', async () => {
    const work = new Scripted({ ms: 1_000 }, { ms: 1, value: 1 })
    const answer = hedge().execute(work.run, { idempotent: undefined })
    await vi.advanceTimersByTimeAsync(51)
    await expect(answer).resolves.toBe(1)
  })

  it('wraps a function', async () => {
    const wrapped = hedge().wrap(async (a: number, b: number) => a + b)
    await expect(wrapped(2, 3)).resolves.toBe(5)
  })

  it('keeps the caller’s async context in every try, whoever turns the clock', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const policy = hedge({ delayMs: 10, maxHedges: 2 })
    const call = (name: string): Promise<unknown> =>
      storage.run(name, async () => {
        const answer = policy.execute(async ({ attempt }) => {
          seen.push(storage.getStore())
          if (attempt === 2) throw reset()
          return new Promise((resolve) => {
            setTimeout(resolve, attempt === 3 ? 1 : 1_000)
          })
        })
        await answer
        return storage.getStore()
      })
    const calls = [call('a'), call('b')]
    await vi.advanceTimersByTimeAsync(11)
    await expect(Promise.all(calls)).resolves.toEqual(['a', 'b'])
    expect(seen.map(String).toSorted()).toEqual(['a', 'a', 'a', 'b', 'b', 'b'])
  })

  it('keeps its timer through a blocked event loop: sockets get one turn before it calls a try late', () => {
    const clock = new StallingClock()
    const policy = hedge({ clock, delay: { minimumSamples: 1, minimumMs: 50 } })
    policy.record(1)
    let tries = 0
    outcome(
      policy.execute(() => {
        tries += 1
        return new Promise(() => {})
      }),
    ).catch(() => {})
    clock.stall(5_000)
    clock.fireDue()
    expect(tries).toBe(1)
    clock.fireDue()
    expect(tries).toBe(2)
  })

  it('composes in a pipeline, which refuses retries around it', async () => {
    expect(() => pipeline(new RetryPolicy(), hedge())).toThrow('retry retries around hedge: up to 6 attempts')
    const breaker = new CircuitBreaker()
    const composed = pipeline(hedge(), breaker)
    const work = new Scripted({ ms: 1_000 }, { ms: 1, value: 'second' })
    const answer = composed.execute(work.run)
    await vi.advanceTimersByTimeAsync(51)
    await expect(answer).resolves.toBe('second')
    // The loser says nothing about the remote.
    expect(breaker.metrics).toMatchObject({ successes: expect.any(Number) as number, failures: 0 })
  })

  it('gives a probe’s slot back when the probe loses, although its work is deaf', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 10, halfOpen: { probes: 2 } })
    await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
    await vi.advanceTimersByTimeAsync(10)
    const work = new Scripted({ ms: 1e6 }, { ms: 1, value: 'second' })
    const answer = hedge().execute((context) => breaker.execute(() => work.run(context), context as never))
    await vi.advanceTimersByTimeAsync(51)
    await answer
    expect(breaker.tryAcquire()).toBeDefined()
    expect(breaker.tryAcquire()).toBeDefined()
  })
})

describe('a try that fails', () => {
  it('and may be cured begins the next at once; the delay starts anew', async () => {
    const work = new Scripted({ ms: 20, error: reset() }, { ms: 1_000 }, { ms: 1, value: 'third' })
    const policy = hedge({ maxHedges: 2 })
    const causes: unknown[] = []
    policy.on('hedge', ({ cause, attempt, elapsedMs }) => causes.push({ cause, attempt, elapsedMs }))
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(71)
    await expect(answer).resolves.toBe('third')
    expect(work.startedAt).toEqual([0, 20, 70])
    expect(causes).toEqual([
      { cause: 'failure', attempt: 2, elapsedMs: 20 },
      { cause: 'delay', attempt: 3, elapsedMs: 70 },
    ])
  })

  it('leaves the others running when no further one may begin', async () => {
    const work = new Scripted({ ms: 100, value: 'first' }, { ms: 10, error: reset() })
    const answer = hedge().execute(work.run)
    await vi.advanceTimersByTimeAsync(99)
    await expect(settled(answer)).resolves.toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    await expect(settled(answer)).resolves.toEqual({ value: 'first' })
  })

  it('is what the caller gets when all failed: the last real error', async () => {
    const last = reset('last')
    const work = new Scripted({ ms: 10, error: reset('first') }, { ms: 10, error: last })
    const policy = hedge()
    const answer = outcome(policy.execute(work.run))
    await vi.advanceTimersByTimeAsync(20)
    expect(((await answer) as { error: unknown }).error).toBe(last)
    expect(vi.getTimerCount()).toBe(0)
    expect(policy.metrics.inFlight).toBe(0)
  })

  it('and cannot be cured settles the call and aborts the others', async () => {
    const fatal = new TypeError('a bug')
    const work = new Scripted({ ms: 1_000 }, { ms: 10, error: fatal })
    const policy = hedge({ maxHedges: 3 })
    const answer = outcome(policy.execute(work.run))
    await vi.advanceTimersByTimeAsync(60)
    await expect(settled(answer)).resolves.toEqual({ value: { error: fatal } })
    expect(work.signals[0]?.reason).toBeInstanceOf(SupersededError)
    expect(policy.metrics.superseded).toBe(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(work.tries).toBe(2)
  })

  it('may throw anything, undefined too, and before it returned a promise', async () => {
    await expect(
      outcome(
        hedge({ retryable: () => false }).execute(() => {
          throw undefined
        }),
      ),
    ).resolves.toEqual({ error: undefined })
    let tries = 0
    await expect(
      hedge().execute(() => {
        tries += 1
        if (tries === 1) throw reset()
        return tries
      }),
    ).resolves.toBe(2)
  })

  it('because this process refused begins no other, and waits for those under way', async () => {
    const work = new Scripted({ ms: 200, value: 'first' }, { ms: 1, error: local() })
    const policy = hedge({ maxHedges: 3 })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(199)
    await expect(settled(answer)).resolves.toBe('pending')
    expect(work.tries).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    await expect(settled(answer)).resolves.toEqual({ value: 'first' })
  })

  it('because this process refused does not hide what the remote did', async () => {
    const real = reset()
    const work = new Scripted({ ms: 10, error: real }, { ms: 10, error: local() })
    const answer = outcome(hedge().execute(work.run))
    await vi.advanceTimersByTimeAsync(20)
    await expect(answer).resolves.toEqual({ error: real })
  })

  it('because this process refused the first is the error when there is no other', async () => {
    const error = local()
    await expect(outcome(hedge().execute(() => Promise.reject(error)))).resolves.toEqual({ error })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('although this process refused begins another when retryable says so', async () => {
    const work = new Scripted({ ms: 1, error: local() }, { ms: 1, value: 'second' })
    const answer = hedge({ retryable: () => true }).execute(work.run)
    await vi.advanceTimersByTimeAsync(2)
    await expect(answer).resolves.toBe('second')
  })

  it('and asks to be left alone begins the next then, and the delay goes on from there', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 200 })
    const work = new Scripted({ ms: 10, error: busy }, { ms: 1_000 }, { ms: 1, value: 'third' })
    const answer = hedge({ maxHedges: 2 }).execute(work.run)
    await vi.advanceTimersByTimeAsync(300)
    await expect(settled(answer)).resolves.toEqual({ value: 'third' })
    expect(work.startedAt).toEqual([0, 210, 260])
  })

  it('does not take back that another one asked to be left alone', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 200 })
    const work = new Scripted({ ms: 70, error: busy }, { ms: 30, error: reset() }, { ms: 1, value: 'third' })
    const answer = hedge({ maxHedges: 2 }).execute(work.run)
    await vi.advanceTimersByTimeAsync(300)
    await expect(settled(answer)).resolves.toEqual({ value: 'third' })
    expect(work.startedAt).toEqual([0, 50, 270])
  })

  it('and asks for longer than 30 s ends the hedging', async () => {
    const busy = (retryAfterMs: number): GatelessError =>
      new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs })
    const long = busy(30_001)
    const longer = new Scripted({ ms: 10, error: long })
    const ended = outcome(hedge().execute(longer.run))
    await vi.advanceTimersByTimeAsync(10)
    await expect(ended).resolves.toEqual({ error: long })
    const bearable = new Scripted({ ms: 10, error: busy(30_000) }, { ms: 1, value: 'second' })
    const answer = hedge().execute(bearable.run)
    await vi.advanceTimersByTimeAsync(30_011)
    await expect(settled(answer)).resolves.toEqual({ value: 'second' })
  })

  it('and asks to be left alone is the error then, when no try may begin any more', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 200 })
    const work = new Scripted({ ms: 10, error: busy })
    const policy = hedge({ budget: { available: 0, suppressed: 0, deposit: () => {}, tryWithdraw: () => false } })
    const answer = outcome(policy.execute(work.run))
    await vi.advanceTimersByTimeAsync(209)
    await expect(settled(answer)).resolves.toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    await expect(settled(answer)).resolves.toEqual({ value: { error: busy } })
  })

  it('and asks to be left alone is the error now, when it was the last', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 200 })
    const work = new Scripted({ ms: 10, error: reset() }, { ms: 10, error: busy })
    const answer = outcome(hedge().execute(work.run))
    await vi.advanceTimersByTimeAsync(20)
    await expect(settled(answer)).resolves.toEqual({ value: { error: busy } })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('begins no other once this process has refused one', async () => {
    for (const retryAfterMs of [undefined, 100]) {
      const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs })
      const work = new Scripted({ ms: 100, error: busy }, { ms: 10, error: local() })
      const answer = outcome(hedge({ maxHedges: 3, retryable: (error) => error === busy }).execute(work.run))
      await vi.advanceTimersByTimeAsync(100)
      await expect(settled(answer)).resolves.toEqual({ value: { error: busy } })
      expect(work.tries).toBe(2)
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it('and asks for longer than the call has is the error now', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 90 })
    const work = new Scripted({ ms: 10, error: busy })
    const answer = outcome(hedge().execute(work.run, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(10)
    await expect(settled(answer)).resolves.toEqual({ value: { error: busy } })
    const fits = new Scripted({ ms: 10, error: busy }, { ms: 0, value: 'second' })
    const second = hedge().execute(fits.run, { timeoutMs: 102 })
    await vi.advanceTimersByTimeAsync(101)
    await expect(settled(second)).resolves.toEqual({ value: 'second' })
  })

  it('is judged by retryable, of which a fault is a no, and reported', async () => {
    const faults: unknown[] = []
    for (const retryable of [
      () => {
        throw new Error('hook')
      },
      (async () => true) as unknown as () => boolean,
    ]) {
      const policy = hedge({ retryable })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      const error = reset()
      await expect(outcome(policy.execute(() => Promise.reject(error)))).resolves.toEqual({ error })
    }
    expect(faults).toEqual([
      ['retryable', 'hook'],
      ['retryable', 'retryable must answer true or false, got object'],
    ])
  })

  it('of an attempt that ran out of time may be cured; the whole call’s time may not', async () => {
    const work = new Scripted({ ms: 1, error: new TimeoutError(1, 'attempt') }, { ms: 1, value: 2 })
    const answer = hedge().execute(work.run)
    await vi.advanceTimersByTimeAsync(2)
    await expect(answer).resolves.toBe(2)
    const total = new TimeoutError(1, 'total')
    await expect(outcome(hedge().execute(() => Promise.reject(total)))).resolves.toEqual({ error: total })
  })
})

describe('the end of a hedged call', () => {
  it('comes at once when the caller aborts, and leaves no timer and no listener', async () => {
    const controller = new AbortController()
    const work = new Scripted({ ms: 500 }, { ms: 500 })
    const policy = hedge({ maxHedges: 2 })
    const answer = outcome(policy.execute(work.run, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(60)
    controller.abort('enough')
    await expect(settled(answer)).resolves.toEqual({ value: { error: 'enough' } })
    expect(work.signals.map(({ reason }) => reason as unknown)).toEqual(['enough', 'enough'])
    expect(policy.metrics).toMatchObject({ superseded: 0, inFlight: 2 })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    // The two of the work itself.
    expect(vi.getTimerCount()).toBe(2)
    await vi.advanceTimersByTimeAsync(500)
    expect(policy.metrics.inFlight).toBe(0)
    expect(work.tries).toBe(2)
  })

  it('leaves no listener behind on a signal that outlives it', async () => {
    const controller = new AbortController()
    await hedge().execute(() => 1, { signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    const scope = new AbortController()
    const work = new Scripted({ ms: 100 }, { ms: 1, value: 1 })
    const answer = pipeline(hedge()).execute(work.run, { signal: scope.signal })
    await vi.advanceTimersByTimeAsync(51)
    await answer
    expect(getEventListeners(scope.signal, 'abort')).toHaveLength(0)
  })

  it('leaves no listener behind on a scope that outlives it, and the winner its signal for itself', async () => {
    const scope = new CallScope({ key: 'k', signal: new AbortController().signal })
    const takeBack = vi.fn()
    const onAbort = scope.onAbort.bind(scope)
    vi.spyOn(scope, 'onAbort').mockImplementation((listener) => {
      const stop = onAbort(listener)
      return () => {
        takeBack()
        stop()
      }
    })
    const work = new Scripted({ ms: 10, value: 'body' })
    const answer = hedge().execute(work.run, scope)
    await vi.advanceTimersByTimeAsync(10)
    await answer
    expect(takeBack).toHaveBeenCalledTimes(1)
    scope.abort('later')
    // What it answered may still be read by it.
    expect(work.signals[0]?.aborted).toBe(false)
  })

  it('shares one timer among calls with a fixed delay, and has one for each with a learnt one', async () => {
    const fixed = hedge({ delayMs: 77 })
    const learnt = hedge({ delay: { minimumSamples: 1 } })
    learnt.record(77)
    for (const [policy, timers] of [
      [fixed, 1],
      [learnt, 3],
    ] as const) {
      const answers = [1, 2, 3].map((value) => policy.execute(() => value))
      expect(vi.getTimerCount()).toBe(timers)
      await Promise.all(answers)
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it('shares no timer for what a remote asked for', async () => {
    const busy = new GatelessError('ERR_GATELESS_RESPONSE', 'busy', { retryAfterMs: 200 })
    const policy = hedge()
    const answers = [1, 2].map((value) =>
      policy.execute(({ attempt }) => (attempt === 1 ? Promise.reject(busy) : Promise.resolve(value))),
    )
    await vi.advanceTimersByTimeAsync(0)
    expect(vi.getTimerCount()).toBe(2)
    await vi.advanceTimersByTimeAsync(200)
    await expect(Promise.all(answers)).resolves.toEqual([1, 2])
  })

  it('comes before the work when the caller had aborted already', async () => {
    const work = new Scripted()
    const budget = new RetryBudget()
    const deposit = vi.spyOn(budget, 'deposit')
    const policy = hedge({ budget })
    const answer = outcome(policy.execute(work.run, { signal: AbortSignal.abort('before') }))
    await expect(answer).resolves.toEqual({ error: 'before' })
    expect(work.tries).toBe(0)
    expect(policy.metrics.calls).toBe(0)
    expect(deposit).not.toHaveBeenCalled()
  })

  it('comes at the deadline with a TimeoutError', async () => {
    const work = new Scripted({ ms: 500 }, { ms: 500 })
    const answer = outcome(hedge().execute(work.run, { timeoutMs: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    const { error } = (await answer) as { error: unknown }
    expect(isGatelessError(error, 'ERR_GATELESS_TIMEOUT')).toBe(true)
    expect(work.tries).toBe(2)
  })

  it('is foreseen: a hedge that would begin at the deadline or after is not begun, and has no timer', async () => {
    const work = new Scripted({ ms: 500 })
    const answer = outcome(hedge().execute(work.run, { timeoutMs: 50 }))
    // The deadline's and the work's own.
    expect(vi.getTimerCount()).toBe(2)
    await vi.advanceTimersByTimeAsync(50)
    await answer
    expect(work.tries).toBe(1)
    const within = new Scripted({ ms: 500 })
    const other = outcome(hedge().execute(within.run, { timeoutMs: 51 }))
    await vi.advanceTimersByTimeAsync(51)
    await other
    expect(within.tries).toBe(2)
  })

  it('hands what a loser answered all the same to discard, and nothing else', async () => {
    const discarded: unknown[] = []
    const work = new Scripted({ ms: 100, value: 'body' }, { ms: 10, value: 'winner' })
    const answer = hedge({ discard: (value) => discarded.push(value) }).execute(work.run)
    await vi.advanceTimersByTimeAsync(60)
    await answer
    expect(discarded).toEqual([])
    await vi.advanceTimersByTimeAsync(40)
    expect(discarded).toEqual(['body'])
  })

  it('hands what came after the caller left to discard too; late failures are nobody’s', async () => {
    const discarded: unknown[] = []
    const controller = new AbortController()
    const work = new Scripted({ ms: 100, value: 'body' }, { ms: 100, error: reset() })
    const policy = hedge({ discard: (value) => discarded.push(value) })
    const answer = outcome(policy.execute(work.run, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(60)
    controller.abort()
    await answer
    await vi.advanceTimersByTimeAsync(200)
    expect(discarded).toEqual(['body'])
    expect(work.tries).toBe(2)
  })

  it('is not changed by a discard that throws or rejects', async () => {
    for (const discard of [
      () => {
        throw new Error('drain')
      },
      () => Promise.reject(new Error('drain')),
    ]) {
      const faults: unknown[] = []
      const policy = hedge({ discard })
      policy.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
      const work = new Scripted({ ms: 100, value: 'body' }, { ms: 10, value: 'winner' })
      const answer = policy.execute(work.run)
      await vi.advanceTimersByTimeAsync(200)
      await expect(answer).resolves.toBe('winner')
      expect(faults).toEqual([['discard', 'drain']])
    }
  })

  it('is not changed by listeners that throw', async () => {
    const policy = hedge()
    for (const event of ['hedge', 'won', 'suppressed'] as const) {
      policy.on(event, () => {
        throw new Error(event)
      })
    }
    policy.on('error', () => {})
    const work = new Scripted({ ms: 1_000 }, { ms: 1, value: 'second' })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(51)
    await expect(answer).resolves.toBe('second')
  })

  it('may come while the work is being begun', async () => {
    const controller = new AbortController()
    const policy = hedge()
    const answer = outcome(
      policy.execute(
        () => {
          controller.abort('now')
          return new Promise(() => {})
        },
        { signal: controller.signal },
      ),
    )
    await expect(answer).resolves.toEqual({ error: 'now' })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the budget of a hedge', () => {
  const spent = (): Budget => ({ available: 0, suppressed: 0, deposit: () => {}, tryWithdraw: () => false })

  it('suppresses a hedge by delay: counted, told, and the first try goes on', async () => {
    const work = new Scripted({ ms: 200, value: 'first' })
    const policy = hedge({ budget: spent(), maxHedges: 2 })
    const suppressed: unknown[] = []
    policy.on('suppressed', (event) => suppressed.push(event))
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(200)
    await expect(answer).resolves.toBe('first')
    expect(suppressed).toEqual([{ attempts: 1, reason: 'budget' }])
    expect(policy.metrics).toMatchObject({ suppressed: 1, hedges: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('suppresses the try after a failure: the caller gets that failure', async () => {
    const error = reset()
    const policy = hedge({ budget: spent() })
    await expect(outcome(policy.execute(() => Promise.reject(error)))).resolves.toEqual({ error })
    expect(policy.metrics.suppressed).toBe(1)
  })

  it('is not asked when no try is left', async () => {
    const tryWithdraw = vi.fn(() => true)
    const work = new Scripted({ ms: 10, error: reset() }, { ms: 10, error: reset() })
    const policy = hedge({ budget: { ...spent(), tryWithdraw } })
    const suppressed: unknown[] = []
    policy.on('suppressed', (event) => suppressed.push(event))
    const answer = outcome(policy.execute(work.run))
    await vi.advanceTimersByTimeAsync(20)
    await answer
    const slow = new Scripted({ ms: 1_000, value: 1 }, { ms: 1_000 })
    const late = policy.execute(slow.run)
    await vi.advanceTimersByTimeAsync(1_000)
    await late
    expect(tryWithdraw).toHaveBeenCalledTimes(2)
    expect(suppressed).toEqual([])
  })

  it('is an own one unless given: a fifth of the calls and one per second', () => {
    const own = new Hedge()
    expect(own.budget?.available).toBe(10)
    expect(new Hedge({ budget: { ratio: 0.5, minPerSecond: 3 } }).budget?.available).toBe(30)
    expect(new Hedge({ budget: false }).budget).toBeUndefined()
    const shared = RetryBudget.shared('hedged')
    expect(new Hedge({ budget: shared }).budget).toBe(shared)
    for (const budget of [true, null, 5, 'shared']) {
      expect(() => new Hedge({ budget: budget as never })).toThrow(
        /^Hedge: budget must be a budget, the options of one, or false, got /,
      )
    }
  })

  it('measures an own budget by the policy’s clock', async () => {
    const clock = new FakeClock()
    const policy = new Hedge({ clock, budget: { minPerSecond: 1, windowMs: 1_000 } })
    expect(policy.decide({ attempts: 1 }).hedge).toBe(true)
    expect(policy.decide({ attempts: 1 }).hedge).toBe(false)
    await clock.advance(1_000)
    expect(policy.decide({ attempts: 1 }).hedge).toBe(true)
  })

  it('is shared with the retries', async () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, windowMs: 1_000 })
    const policy = hedge({ budget })
    const retry = new RetryPolicy({ budget })
    expect(retry.decide({ attempt: 1, error: reset() }).retry).toBe(true)
    expect(policy.decide({ attempts: 1 })).toEqual({ hedge: false, reason: 'budget' })
  })

  it('learns of failures, of successes, and of what a hedge made good', async () => {
    const news: unknown[] = []
    const budget: Budget = {
      available: 1,
      suppressed: 0,
      deposit: () => news.push('deposit'),
      tryWithdraw: (kind) => news.push(['withdraw', kind]) > 0,
      succeeded: (kind) => news.push(['succeeded', kind]),
      failed: (kind) => news.push(['failed', kind]),
    }
    const throttled = decorated(new Error('slow down'), { status: 429 })
    const work = new Scripted({ ms: 1, error: throttled }, { ms: 1, value: 2 })
    const answer = hedge({ budget }).execute(work.run)
    await vi.advanceTimersByTimeAsync(2)
    await answer
    expect(news).toEqual(['deposit', ['failed', 'throttling'], ['withdraw', 'throttling'], ['succeeded', 'throttling']])
    news.length = 0
    const late = new Scripted({ ms: 60, value: 1 }, { ms: 100 })
    const first = hedge({ budget }).execute(late.run)
    await vi.advanceTimersByTimeAsync(60)
    await first
    expect(news).toEqual(['deposit', ['withdraw', 'transient'], ['succeeded', undefined]])
  })

  it('that throws is reported, refuses, and hurts nobody', async () => {
    const broken = (): never => {
      throw new Error('broken')
    }
    const faults: unknown[] = []
    const budget: Budget = { ...spent(), deposit: broken, tryWithdraw: broken, succeeded: broken, failed: broken }
    const policy = hedge({ budget })
    policy.on('error', ({ event }) => faults.push(event))
    const work = new Scripted({ ms: 100, value: 'first' })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(100)
    await expect(answer).resolves.toBe('first')
    const error = reset()
    await expect(outcome(policy.execute(() => Promise.reject(error)))).resolves.toEqual({ error })
    expect(new Set(faults)).toEqual(new Set(['budget']))
    expect(faults).toHaveLength(6)
  })
})

describe('a decision', () => {
  it('names what stands against another try, in this order', () => {
    const clock = new FakeClock(1_000)
    const policy = new Hedge({ clock, maxHedges: 2, budget: { ratio: 0, minPerSecond: 0 } })
    const suppressed: unknown[] = []
    policy.on('suppressed', (event) => suppressed.push(event))
    const all = { attempts: 3, deadline: 1_000, idempotent: false, aborted: true }
    expect(policy.decide(all)).toEqual({ hedge: false, reason: 'aborted' })
    expect(policy.decide({ ...all, aborted: false })).toEqual({ hedge: false, reason: 'not-idempotent' })
    expect(policy.decide({ attempts: 3, deadline: 1_000 })).toEqual({ hedge: false, reason: 'exhausted' })
    expect(policy.decide({ attempts: 2, deadline: 1_000 })).toEqual({ hedge: false, reason: 'deadline' })
    expect(policy.decide({ attempts: 2, deadline: 1_001 })).toEqual({ hedge: false, reason: 'budget' })
    expect(policy.metrics.suppressed).toBe(1)
    expect(suppressed).toHaveLength(5)
    expect(suppressed[4]).toEqual({ attempts: 2, reason: 'budget' })
  })

  it('says yes where nothing does', () => {
    expect(hedge().decide({ attempts: 1 })).toEqual({ hedge: true })
    expect(hedge().decide({ attempts: 1, idempotent: true, deadline: Number.MAX_VALUE })).toEqual({ hedge: true })
  })

  it('hands the budget what the try is to make good', () => {
    const tryWithdraw = vi.fn(() => true)
    const policy = hedge({ budget: { available: 1, suppressed: 0, deposit: () => {}, tryWithdraw } })
    policy.decide({ attempts: 1, kind: 'throttling' })
    expect(tryWithdraw).toHaveBeenCalledWith('throttling')
  })
})

describe('a learnt delay', () => {
  const learnt = (delay: HedgeOptions['delay'] = {}): Hedge => hedge({ delay })

  it('is unknown until 20 latencies are, and nothing is hedged by time till then', async () => {
    const policy = learnt()
    expect(policy.delayMs()).toBeUndefined()
    for (let i = 0; i < 19; i += 1) policy.record(100)
    expect(policy.delayMs()).toBeUndefined()
    const work = new Scripted({ ms: 1e5, value: 'first' })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(20_000)
    policy.record(100)
    expect(policy.delayMs()).toBeDefined()
    expect(work.tries).toBe(1)
    await vi.advanceTimersByTimeAsync(1e5)
    await answer
  })

  it('is the default, at the 95th percentile of the last 30 s', async () => {
    const policy = new Hedge()
    for (let i = 0; i < 95; i += 1) policy.record(10)
    for (let i = 0; i < 5; i += 1) policy.record(1_000)
    expect(policy.delayMs()).toBeCloseTo(10, -0.5)
    expect(policy.metrics.delayMs).toBe(policy.delayMs())
    policy.record(1_000)
    expect(policy.delayMs()).toBeGreaterThan(900)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(policy.delayMs()).toBeDefined()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(policy.delayMs()).toBeUndefined()
  })

  it('stays within its bounds', () => {
    const policy = learnt({ minimumSamples: 1, minimumMs: 5, maximumMs: 50 })
    policy.record(0.1)
    expect(policy.delayMs()).toBe(5)
    policy.record(20)
    expect(policy.delayMs()).toBeGreaterThan(19)
    expect(policy.delayMs()).toBeLessThan(21)
    policy.record(1_000)
    expect(policy.delayMs()).toBe(50)
    const unbounded = learnt({ minimumSamples: 1 })
    unbounded.record(0)
    expect(unbounded.delayMs()).toBe(1)
    unbounded.record(60_000)
    expect(unbounded.delayMs()).toBeGreaterThan(57_000)
  })

  it('learns from the first tries that answered, by itself', async () => {
    const policy = learnt({ minimumSamples: 3 })
    for (let i = 0; i < 3; i += 1) {
      const answer = policy.execute(new Scripted({ ms: 40, value: i }).run)
      await vi.advanceTimersByTimeAsync(40)
      await answer
    }
    expect(policy.delayMs()).toBeGreaterThan(38)
    expect(policy.delayMs()).toBeLessThan(42)
    const work = new Scripted({ ms: 1_000 }, { ms: 1, value: 'hedge' })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(45)
    await expect(settled(answer)).resolves.toEqual({ value: 'hedge' })
  })

  it('learns nothing from a try that failed before the delay', async () => {
    const policy = learnt({ minimumSamples: 1, percentile: 1 })
    policy.record(100)
    const before = policy.delayMs()
    const failing = new Scripted({ ms: 1, error: new TypeError('a bug') })
    const answer = outcome(policy.execute(failing.run))
    await vi.advanceTimersByTimeAsync(1)
    await answer
    expect(policy.delayMs()).toBe(before)
    // A hedge that answered 500 ms after that must not be taken for a slow first try.
    const cured = new Scripted({ ms: 1, error: reset() }, { ms: 500, value: 2 })
    const cure = policy.execute(cured.run)
    await vi.advanceTimersByTimeAsync(501)
    await cure
    expect(policy.delayMs()).toBe(before)
  })

  it('takes how long a loser had lasted for its latency: slow tries that lost must not make the service look fast', async () => {
    const policy = learnt({ minimumSamples: 1, percentile: 1 })
    policy.record(100)
    const work = new Scripted({ ms: 5_000 }, { ms: 400, value: 'second' })
    const answer = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(510)
    await answer
    expect(policy.delayMs()).toBeGreaterThan(470)
    expect(policy.delayMs()).toBeLessThan(540)
    await vi.advanceTimersByTimeAsync(5_000)
    // Once: that it answered in the end changes nothing.
    expect(policy.delayMs()).toBeLessThan(540)
  })

  it('takes the same for a try that was given up or failed after the delay', async () => {
    const policy = learnt({ minimumSamples: 1, percentile: 1 })
    policy.record(100)
    const controller = new AbortController()
    const answer = outcome(policy.execute(new Scripted().run, { signal: controller.signal, timeoutMs: 5_000 }))
    await vi.advanceTimersByTimeAsync(300)
    controller.abort()
    await answer
    expect(policy.delayMs()).toBeGreaterThan(285)
    const failing = hedge({ delay: { minimumSamples: 1, percentile: 1 } })
    failing.record(100)
    const failed = outcome(failing.execute(new Scripted({ ms: 700, error: new TypeError('a bug') }).run))
    await vi.advanceTimersByTimeAsync(700)
    await failed
    expect(failing.delayMs()).toBeGreaterThan(665)
  })

  it('is told of one latency per call, and of a try without an answer only if it lasted as long as the delay', async () => {
    const add = vi.spyOn(RollingQuantile.prototype, 'add')
    const policy = learnt({ minimumSamples: 1, minimumMs: 100, maximumMs: 100 })
    policy.record(100)
    const latencies = async (work: Scripted): Promise<unknown[]> => {
      add.mockClear()
      const answer = outcome(policy.execute(work.run))
      await vi.advanceTimersByTimeAsync(1_000)
      await answer
      return add.mock.calls.map(([latency]) => latency)
    }
    const bug = new TypeError('a bug')
    expect(await latencies(new Scripted({ ms: 30, value: 1 }))).toEqual([30])
    expect(await latencies(new Scripted({ ms: 99, error: bug }))).toEqual([])
    expect(await latencies(new Scripted({ ms: 100, error: bug }))).toEqual([100])
    expect(await latencies(new Scripted({ ms: 500, value: 1 }, { ms: 20, value: 2 }))).toEqual([120])
    expect(await latencies(new Scripted({ ms: 500, value: 1 }, { ms: 20, error: bug }))).toEqual([120])
    expect(await latencies(new Scripted({ ms: 110, error: reset() }, { ms: 200, value: 2 }))).toEqual([110])
    expect(await latencies(new Scripted({ ms: 10, error: reset() }, { ms: 200, value: 2 }))).toEqual([])
    add.mockClear()
    await policy.execute(() => 1, { idempotent: false })
    expect(add).not.toHaveBeenCalled()
    add.mockRestore()
  })

  it('learns nothing from a first try that failed early, whatever came of its hedges', async () => {
    const policy = learnt({ minimumSamples: 1, percentile: 1 })
    policy.record(100)
    const before = policy.delayMs()
    const tried = hedge({ maxHedges: 2, delay: { minimumSamples: 1, percentile: 1 } })
    tried.record(100)
    const work = new Scripted({ ms: 1, error: reset() }, { ms: 1_000 }, { ms: 100, error: new TypeError('a bug') })
    const answer = outcome(tried.execute(work.run))
    await vi.advanceTimersByTimeAsync(1_000)
    await answer
    expect(work.tries).toBe(3)
    expect(tried.delayMs()).toBe(before)
  })

  it('learns nothing from who left before the delay', async () => {
    const policy = learnt({ minimumSamples: 1, percentile: 0.01 })
    policy.record(100)
    const before = policy.delayMs()
    const controller = new AbortController()
    const answer = outcome(policy.execute(new Scripted().run, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(5)
    controller.abort()
    await answer
    expect(policy.delayMs()).toBe(before)
  })
})

describe('the options of a hedge', () => {
  it('describe it', () => {
    expect(hedge({ delayMs: 100 }).info).toEqual({
      kind: 'hedge',
      name: 'hedge',
      summary: 'begins up to 1 more try, each after 100 ms',
      maxAttempts: 2,
      windowMs: undefined,
    })
    expect(new Hedge({ maxHedges: 2, name: 'reads', delay: { percentile: 0.999, windowMs: 5_000 } }).info).toEqual({
      kind: 'hedge',
      name: 'reads',
      summary: 'begins up to 2 more tries, each after the time that 99.9 % of the calls need',
      maxAttempts: 3,
      windowMs: 5_000,
    })
    expect(new Hedge().info).toMatchObject({
      maxAttempts: 2,
      windowMs: 30_000,
      summary: 'begins up to 1 more try, each after the time that 95 % of the calls need',
    })
  })

  it.each<[HedgeOptions, string]>([
    [{ maxHedges: 0 }, 'Hedge: maxHedges must be an integer from 1 up to 4, got 0'],
    [{ maxHedges: 5 }, 'Hedge: maxHedges must be an integer from 1 up to 4, got 5'],
    [{ delayMs: -1 }, 'Hedge: delayMs must be a finite number from 0 up to 2073600000 milliseconds, got -1'],
    [{ delayMs: 1, delay: {} }, 'Hedge: delayMs must be left out when delay is given, got 1'],
    [{ delay: 5 as never }, 'Hedge: delay: options must be an object, got 5'],
    [{ delay: { percentile: 0 } }, 'Hedge: delay: percentile must be a finite number above 0 up to 1, got 0'],
    [{ delay: { percentile: 1.1 } }, 'Hedge: delay: percentile must be a finite number above 0 up to 1, got 1.1'],
    [{ delay: { minimumMs: 10, maximumMs: 9 } }, 'Hedge: delay: maximumMs must be at least minimumMs (10), got 9'],
    [
      { delay: { windowMs: 999 } },
      'Hedge: delay: windowMs must be a finite number from 1000 up to 2073600000 milliseconds, got 999',
    ],
    [{ delay: { minimumSamples: 0 } }, 'Hedge: delay: minimumSamples must be an integer from 1, got 0'],
    [{ delay: { min: 1 } as never }, 'Hedge: delay: unknown option "min"'],
    [{ retryable: true as never }, 'Hedge: retryable must be a function, got true'],
    [{ discard: 1 as never }, 'Hedge: discard must be a function, got 1'],
    [{ name: '' }, 'Hedge: name must be a string that is not empty, got ""'],
    [{ max: 1 } as never, 'Hedge: unknown option "max"'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => new Hedge(options)).toThrow(message)
  })

  it('take bounds that meet', () => {
    const policy = new Hedge({ maxHedges: 4, delay: { minimumMs: 9, maximumMs: 9, minimumSamples: 1 } })
    policy.record(100)
    expect(policy.delayMs()).toBe(9)
    expect(policy.info.maxAttempts).toBe(5)
  })

  it('reject what is no signal', async () => {
    await expect(hedge().execute(() => 1, { signal: 'no' as never })).rejects.toThrow(TypeError)
  })
})

describe('a hedge of a call that ends meanwhile', () => {
  it.each(['delay', 'failure'] as const)('begins no try when a listener ends the call (%s)', async (cause) => {
    const policy = hedge()
    const controller = new AbortController()
    policy.on('hedge', () => controller.abort('left'))
    const work = new Scripted(cause === 'delay' ? { ms: 1_000 } : { ms: 10, error: reset() })
    const call = outcome(policy.execute(work.run, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(60)
    expect(await call).toEqual({ error: 'left' })
    expect(work.tries).toBe(1)
    expect(policy.metrics).toMatchObject({ hedges: 0, inFlight: cause === 'delay' ? 1 : 0 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(policy.metrics.inFlight).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('begins no try when the budget ends it', async () => {
    for (const method of ['deposit', 'tryWithdraw'] as const) {
      const controller = new AbortController()
      const budget = new RetryBudget()
      vi.spyOn(budget, method).mockImplementation(() => {
        controller.abort('left')
        return true
      })
      const policy = hedge({ budget })
      const work = new Scripted({ ms: 1_000 })
      const call = outcome(policy.execute(work.run, { signal: controller.signal }))
      await vi.advanceTimersByTimeAsync(60)
      expect(await call).toEqual({ error: 'left' })
      expect(work.tries).toBe(method === 'deposit' ? 0 : 1)
      expect(policy.metrics.hedges).toBe(0)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
  })
})

describe('what a hedge is told', () => {
  it('of latencies that are none is ignored', () => {
    const policy = hedge({ delay: { minimumSamples: 1, percentile: 1 } })
    for (const wrong of [Number.POSITIVE_INFINITY, Number.NaN, -1, '5' as never, undefined as never]) {
      policy.record(wrong)
      expect(policy.delayMs()).toBeUndefined()
    }
    policy.record(0)
    expect(policy.delayMs()).toBe(1)
  })

  it('of a wait by an error of another library is heeded', async () => {
    const policy = hedge()
    const work = new Scripted({ ms: 1, error: decorated(reset(), { retryAfterMs: 200 }) }, { ms: 1, value: 'ok' })
    const call = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(202)
    await expect(call).resolves.toBe('ok')
    expect(work.startedAt).toEqual([0, 201])
  })

  it('to run, when it is no function, is refused', async () => {
    const policy = hedge()
    await expect(policy.execute(5 as never)).rejects.toThrow(
      new TypeError('Hedge.execute: operation must be a function, got 5'),
    )
    expect(() => policy.wrap(null as never)).toThrow(
      new TypeError('Hedge.wrap: operation must be a function, got null'),
    )
    expect(policy.metrics.calls).toBe(0)
  })
})

describe('what the remote says about coming back', () => {
  const failing = (): Scripted =>
    new Scripted({ ms: 10, error: reset('first') }, { ms: 1, value: 'second' }, { ms: 1, value: 'third' })

  it('is read by a function of the user’s own', async () => {
    const work = failing()
    const asked: unknown[] = []
    const policy = hedge({
      retryAfterOf: (error) => {
        asked.push((error as Error).message)
        return 200
      },
    })
    const call = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(250)
    await expect(call).resolves.toBe('second')
    expect(work.startedAt).toEqual([0, 210])
    expect(asked).toEqual(['first'])
  })

  it('may be never: no try begins any more, and those under way go on', async () => {
    const work = new Scripted({ ms: 100, value: 'slow' }, { ms: 10, error: reset() })
    const policy = hedge({ maxHedges: 3, retryAfterOf: () => 'never' })
    const call = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(100)
    await expect(call).resolves.toBe('slow')
    expect(work.tries).toBe(2)
    const alone = failing()
    await Promise.all([expect(policy.execute(alone.run)).rejects.toThrow('first'), vi.advanceTimersByTimeAsync(10)])
    expect(alone.tries).toBe(1)
  })

  it.each([Number.NaN, -1, 0, undefined])('that is no wait (%s) begins the next try at once', async (advice) => {
    const work = failing()
    const call = hedge({ retryAfterOf: () => advice }).execute(work.run)
    await vi.advanceTimersByTimeAsync(20)
    await expect(call).resolves.toBe('second')
    expect(work.startedAt).toEqual([0, 10])
  })

  it('is nothing when that function throws, which is reported', async () => {
    const fault = new Error('hook')
    const policy = hedge({
      retryAfterOf: () => {
        throw fault
      },
    })
    const faults: unknown[] = []
    policy.on('error', (each) => faults.push(each))
    const work = failing()
    const call = policy.execute(work.run)
    await vi.advanceTimersByTimeAsync(20)
    await expect(call).resolves.toBe('second')
    expect(faults).toEqual([{ event: 'retryAfterOf', error: fault }])
  })
})

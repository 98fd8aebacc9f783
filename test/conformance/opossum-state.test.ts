import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, type CircuitBreakerOptions, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/index.ts'
import { after, failing, held, outcome, repeat, settled } from './support.ts'

/**
 * What opossum 10.0.0 promises of what surrounds its breaker (filter, signals, state, switch, options), retold:
 * nodeshift/opossum, test/. The remark above each test names the file and the behaviour there.
 */

const down = new Error('down')
const refused = { error: expect.objectContaining({ code: 'ERR_GATELESS_CIRCUIT_OPEN', local: true }) }

/** As their suite sets it up: the first failure opens, one probe closes. */
const circuit = (options: CircuitBreakerOptions = {}): CircuitBreaker =>
  new CircuitBreaker({
    recoveryTimeoutMs: 100,
    successThreshold: 1,
    trip: failureRate({ threshold: 0.01, minimumCalls: 1 }),
    ...options,
  })

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(60_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's error filter", () => {
  const coded = (statusCode: number): Error => Object.assign(new Error('failed'), { statusCode })
  const classify: CircuitBreakerOptions['classify'] = (result) =>
    result.ok || (result.error as { statusCode: number }).statusCode < 500 ? 'success' : 'failure'

  // error-filter-test.js: Bypasses failure stats if errorFilter returns true
  it('counts an error that is filtered out as a success, if told so, and still throws it', async () => {
    const breaker = circuit({ classify })
    const error = coded(400)
    expect(await outcome(breaker.execute(failing(error)))).toEqual({ error })
    expect(breaker.metrics).toMatchObject({ successes: 1, failures: 0 })
    expect(breaker.state).toBe('closed')
  })

  it('counts it for nothing, if told so', async () => {
    const breaker = circuit({ classify: (result) => (result.ok ? 'success' : 'ignore') })
    await repeat(1, () => breaker.execute(failing(coded(400))))
    expect(breaker.metrics).toMatchObject({ successes: 0, failures: 0 })
  })

  // error-filter-test.js: Increments failure stats if errorFilter returns false
  it('counts an error that it lets pass as a failure', async () => {
    const breaker = circuit({ classify })
    await repeat(1, () => breaker.execute(failing(coded(500))))
    expect(breaker.state).toBe('open')
  })

  // error-filter-test.js: Increments failure stats if no filter is provided
  it('counts every error as a failure when there is no filter', async () => {
    const breaker = circuit()
    await repeat(1, () => breaker.execute(failing(coded(400))))
    expect(breaker.state).toBe('open')
  })

  // error-filter-test.js: the filter is given the error
  it('is asked once per call, with what the call came to', async () => {
    const asked = vi.fn(() => 'success' as const)
    const breaker = circuit({ classify: asked })
    const error = coded(400)
    await repeat(1, () => breaker.execute(failing(error)))
    await repeat(1, () => breaker.execute(() => 7))
    expect(asked.mock.calls.map(([result]: unknown[]) => result)).toEqual([
      expect.objectContaining({ ok: false, error }),
      expect.objectContaining({ ok: true, value: 7 }),
    ])
  })
})

describe("opossum's abort controller", () => {
  // test.js: abortController is not aborted when the call succeeds
  it('leaves the signal alone when the call succeeds', async () => {
    let signal: AbortSignal | undefined
    await pipeline(circuit(), timeout({ timeoutMs: 10 })).execute((context) => {
      signal = context.signal
    })
    await vi.advanceTimersByTimeAsync(50)
    expect(signal?.aborted).toBe(false)
  })

  // test.js: abortController is aborted on timeout
  it('aborts the signal when time runs out', async () => {
    let signal: AbortSignal | undefined
    const end = pipeline(circuit(), timeout({ timeoutMs: 10 })).execute((context) => {
      signal = context.signal
      return after(1_000, 'slow')()
    })
    expect(await settled(end, 10)).toEqual({ error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' }) })
    expect(signal?.aborted).toBe(true)
  })

  // test.js: autoRenewAbortController renews when closed, and when half-open. Ours: each call has its own.
  it('gives the probe after an aborted call a fresh signal, and the call after that too', async () => {
    const policy = pipeline(circuit(), timeout({ timeoutMs: 10 }))
    const signals: AbortSignal[] = []
    const slow = held(
      policy.execute(({ signal }) => {
        signals.push(signal)
        return after(1_000, 'slow')()
      }),
    )
    await settled(slow, 10)
    await vi.advanceTimersByTimeAsync(100)
    for (let i = 0; i < 2; i += 1) {
      await policy.execute(({ signal }) => {
        signals.push(signal)
      })
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, false])
    expect(new Set(signals).size).toBe(3)
  })

  // test.js: throws a TypeError when the abort controller has no abort()
  it('refuses what is no signal', async () => {
    const end = circuit().execute(() => 1, { signal: {} as AbortSignal })
    await expect(end).rejects.toBeInstanceOf(TypeError)
  })
})

describe("opossum's state", () => {
  const options = {
    trip: failureRate({ threshold: 0.01, minimumCalls: 1 }),
    recoveryTimeoutMs: 100,
    successThreshold: 1,
  }
  const saved = (breaker: CircuitBreaker): never => JSON.parse(JSON.stringify(breaker.snapshot())) as never

  // state-test.js: export the state of a breaker instance
  it('can be written down as JSON', () => {
    expect(saved(circuit())).toMatchObject({ state: 'closed', mode: 'normal', probeAt: null })
  })

  // state-test.js: initialize the breaker as Closed
  it('restored as closed, opens as any other', async () => {
    const breaker = CircuitBreaker.restore(saved(circuit()), options)
    expect(breaker.state).toBe('closed')
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })

  // state-test.js: Pre-populate state as Open - Breaker resets after a configurable amount of time
  it('restored as open, lets a call through when its time is over', async () => {
    const first = circuit()
    await repeat(1, () => first.execute(failing(down)))
    const breaker = CircuitBreaker.restore(saved(first), options)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(125)
    expect(await outcome(breaker.execute(() => 100))).toEqual({ value: 100 })
  })

  // state-test.js: Enters halfOpen state if closed is false and more time has elapsed since resetTimeout
  it('restored as open after its time was over, is half-open', async () => {
    const first = circuit()
    await repeat(1, () => first.execute(failing(down)))
    const snapshot = saved(first)
    await vi.advanceTimersByTimeAsync(125)
    const breaker = CircuitBreaker.restore(snapshot, options)
    expect(breaker.state).toBe('half-open')
    expect(await outcome(breaker.execute(() => 100))).toEqual({ value: 100 })
    expect(breaker.state).toBe('closed')
  })

  // state-test.js: imports the state and status of a breaker instance
  it('goes through a copy unchanged', async () => {
    const first = circuit()
    await repeat(1, () => first.execute(failing(down)))
    first.isolate()
    expect(saved(CircuitBreaker.restore(saved(first), options))).toEqual(saved(first))
  })
})

describe("opossum's switch", () => {
  // enable-disable-test.js: defaults to enabled, accepts options.enabled
  it('is on unless told otherwise', () => {
    expect(circuit().mode).toBe('normal')
    expect(circuit({ mode: 'disabled' }).mode).toBe('disabled')
  })

  // enable-disable-test.js: When disabled the circuit should always be closed
  it('off: lets every call through, and works again when it is on', async () => {
    const breaker = circuit()
    breaker.setMode('disabled')
    for (let i = 0; i < 2; i += 1) {
      expect(await outcome(breaker.execute(failing(down)))).toEqual({ error: down })
      expect(breaker.state).toBe('closed')
    }
    breaker.reset()
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })
})

describe("opossum's shutdown", () => {
  // circuit-shutdown-test.js: EventEmitter max listeners
  it('is not needed: a hundred breakers leave no timer and warn of nothing', async () => {
    const warned = vi.spyOn(process, 'emitWarning')
    for (let i = 0; i < 100; i += 1) {
      const breaker = circuit()
      breaker.on('transition', () => {})
      await repeat(1, () => breaker.execute(failing(down)))
    }
    expect(vi.getTimerCount()).toBe(0)
    expect(warned).not.toHaveBeenCalled()
    warned.mockRestore()
  })

  // circuit-shutdown-test.js: Circuit shuts down properly. Ours: isolate().
  it('can be had: an isolated breaker rejects, and lets what is under way end', async () => {
    const breaker = circuit()
    const early = breaker.execute(after(10, 'done'))
    breaker.isolate()
    expect(await outcome(breaker.execute(() => 1))).toEqual(refused)
    expect(await settled(early, 10)).toEqual({ value: 'done' })
  })
})

describe("opossum's numeric options", () => {
  // numeric-options-test.js: reject NaN, Infinity, what is no number
  it.each([Number.NaN, Number.POSITIVE_INFINITY, '1000', {}])('refuse %o', (value) => {
    const bad = value as number
    expect(() => circuit({ recoveryTimeoutMs: bad })).toThrow(/recoveryTimeoutMs/)
    expect(() => circuit({ successThreshold: bad })).toThrow(/successThreshold/)
    expect(() => failureRate({ threshold: bad })).toThrow(/threshold/)
    expect(() => failureRate({ minimumCalls: bad })).toThrow(/minimumCalls/)
    expect(() => failureRate({ windowMs: bad })).toThrow(/windowMs/)
    expect(() => timeout({ timeoutMs: bad })).toThrow(/timeoutMs/)
  })

  // numeric-options-test.js: still accept 0 and valid numbers
  it('take 0 where it means something', async () => {
    const breaker = circuit({ recoveryTimeoutMs: 0 })
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('half-open')
  })
})

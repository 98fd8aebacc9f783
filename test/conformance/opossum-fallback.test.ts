import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fallback } from '../../src/answers/fallback.ts'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { after, failing, outcome, repeat, settled } from './support.ts'

/**
 * What opossum 10.0.0 promises of its fallback, retold: nodeshift/opossum, test/test.js and test/error-filter-test.js.
 * There it belongs to the breaker, here it stands around it.
 */

const down = new Error('down')

/** The first failure opens, one probe closes. */
const circuit = (): CircuitBreaker =>
  new CircuitBreaker({
    recoveryTimeoutMs: 100,
    successThreshold: 1,
    trip: failureRate({ threshold: 0.01, minimumCalls: 1 }),
  })

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's fallback", () => {
  // Executes fallback action, if one exists, when breaker is open
  it('answers while the breaker is open, without calling', async () => {
    const policy = pipeline(fallback({ value: 100 }), circuit())
    await policy.execute(failing(down))
    const work = vi.fn(() => 1)
    expect(await policy.execute(work)).toBe(100)
    expect(work).not.toHaveBeenCalled()
  })

  // Passes error as last argument to the fallback function
  it('is given the error', async () => {
    expect(await pipeline(fallback({ run: (error) => error }), circuit()).execute(failing(down))).toBe(down)
  })

  // Passes arguments to the fallback function. Ours: by closure.
  it('can use the arguments of the call', async () => {
    const policy = (x: number) => pipeline(fallback({ run: () => x * 2 }), circuit())
    expect(await policy(-1).execute(failing(down))).toBe(-2)
  })

  // CircuitBreaker executes fallback when an action throws
  it('answers for work that throws before there is a promise', async () => {
    const breaker = circuit()
    const policy = pipeline(fallback({ value: 'instead' }), breaker)
    const end = policy.execute(() => {
      throw down
    })
    expect(await end).toBe('instead')
    expect(breaker.state).toBe('open')
  })

  // CircuitBreaker emits failure when falling back
  it('does not hide the failure from the breaker', async () => {
    const breaker = circuit()
    expect(await pipeline(fallback({ value: 'instead' }), breaker).execute(failing(down))).toBe('instead')
    expect(breaker.state).toBe('open')
  })

  // CircuitBreaker fallback event
  it('says that it answered', async () => {
    const answers = fallback({ value: 'instead' })
    const told = vi.fn()
    answers.on('fallback', told)
    await pipeline(answers, circuit()).execute(failing(down))
    expect(told).toHaveBeenCalledTimes(1)
  })

  // Breaker resets for circuits with a fallback function
  it('does not keep the breaker from closing again', async () => {
    const breaker = circuit()
    const policy = pipeline(fallback({ value: 0 }), breaker)
    await repeat(1, () => policy.execute(failing(down)))
    await vi.advanceTimersByTimeAsync(125)
    expect(await policy.execute(() => 100)).toBe(100)
    expect(breaker.state).toBe('closed')
  })

  // Fallback is not called twice for the same execution when action fails after timing out
  it('is asked once for work that times out and then fails too', async () => {
    const run = vi.fn(() => 'instead')
    const policy = pipeline(fallback({ run }), circuit(), timeout({ timeoutMs: 100 }))
    expect(await settled(policy.execute(after(200, down)), 100)).toEqual({ value: 'instead' })
    await vi.advanceTimersByTimeAsync(200)
    expect(run).toHaveBeenCalledTimes(1)
  })

  // CircuitBreaker fallback as a rejected promise. Ours differs: its error is told together with the first one.
  it('that fails rejects, and tells both errors', async () => {
    const nope = new Error('nope')
    const end = await outcome(pipeline(fallback({ run: failing(nope) }), circuit()).execute(failing(down)))
    expect(end).toEqual({ error: expect.objectContaining({ cause: down, errors: [nope] }) })
  })

  // CircuitBreaker fallback as a CircuitBreaker
  it('can be work under another breaker', async () => {
    const other = circuit()
    const policy = pipeline(fallback({ run: () => other.execute(() => 'from the other') }), circuit())
    expect(await policy.execute(failing(down))).toBe('from the other')
  })

  // CircuitBreaker fallback as a CircuitBreaker that fails
  it('under another breaker that fails, rejects', async () => {
    const other = circuit()
    const policy = pipeline(fallback({ run: () => other.execute(failing(new Error('also down'))) }), circuit())
    expect(await outcome(policy.execute(failing(down)))).toEqual({ error: expect.objectContaining({ cause: down }) })
    expect(other.state).toBe('open')
  })

  // error-filter-test.js: Should not call fallback if errorFilter returns true. Ours: by its own rule.
  it('is not asked about an error that is nothing to answer', async () => {
    const run = vi.fn(() => 'instead')
    const notFound = Object.assign(new Error('not found'), { statusCode: 400 })
    const serious = (error: unknown): boolean => (error as typeof notFound).statusCode >= 500
    const policy = pipeline(fallback({ run, when: serious }), circuit())
    expect(await outcome(policy.execute(failing(notFound)))).toEqual({ error: notFound })
    expect(run).not.toHaveBeenCalled()
  })
})

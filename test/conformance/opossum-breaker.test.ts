import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, type CircuitBreakerOptions, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { timeout } from '../../src/limits/index.ts'
import { after, failing, held, outcome, repeat, settled } from './support.ts'

/**
 * What opossum 10.0.0 promises of its breaker, retold: nodeshift/opossum, test/. The remark above each test names the
 * file and the behaviour there. docs/conformance.md lists what differs, and why.
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

/** Fails below 0. */
async function passFail(x: number): Promise<number> {
  if (x < 0) throw down
  return x
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  await vi.advanceTimersByTimeAsync(60_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("opossum's circuit", () => {
  // test.js: api
  it('begins closed', () => {
    expect(circuit().state).toBe('closed')
  })

  // test.js: accepts a name as an option
  it('carries the name it was given, into its errors too', async () => {
    const breaker = circuit({ name: 'taco machine' })
    expect(breaker.name).toBe('taco machine')
    await repeat(1, () => breaker.execute(failing(down)))
    expect(await outcome(breaker.execute(() => 1))).toEqual({
      error: expect.objectContaining({ message: expect.stringContaining('taco machine'), breaker: 'taco machine' }),
    })
  })

  // test.js: Passes parameters to the circuit function
  it('hands all arguments to the function', async () => {
    const add = circuit().wrap((a: number, b: number, { c }: { c: number }) => a + b + c)
    await expect(add(1, 2, { c: 3 })).resolves.toBe(6)
  })

  // test.js: Fails when the circuit function fails
  it('fails with what the function failed with', async () => {
    await expect(circuit().wrap(passFail)(-1)).rejects.toBe(down)
  })

  // test.js: CircuitBreaker emits failure when action throws
  it('makes a rejection, and a failure, of what a function throws', async () => {
    const breaker = circuit({ trip: failureRate({ minimumCalls: 10 }) })
    const end = breaker.execute(() => {
      throw down
    })
    await expect(end).rejects.toBe(down)
    expect(breaker.metrics.failures).toBe(1)
  })

  // test.js: Fails when the circuit function times out
  it('fails, and counts a failure, when the function takes too long', async () => {
    const breaker = circuit()
    const end = settled(pipeline(breaker, timeout({ timeoutMs: 10 })).execute(after(1_000, 'slow')), 10)
    expect(await end).toEqual({ error: expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT', timeoutMs: 10 }) })
    expect(breaker.state).toBe('open')
  })

  // test.js: Works with functions that do not return a promise
  it('works with functions that return no promise', async () => {
    await expect(circuit().wrap(() => 'foo')()).resolves.toBe('foo')
  })

  // test.js: Works with callback functions. promisify is Node's own.
  it('works with any thenable', async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what this is about
    const thenable = { then: (resolve: (value: number) => void) => resolve(7) } as PromiseLike<number>
    await expect(circuit().execute(() => thenable)).resolves.toBe(7)
  })

  // context-test.js: Allows applying a "this" context
  it("keeps a method's own this", async () => {
    const diner = {
      lunch: 'sushi',
      order(extra: string): string {
        return `${this.lunch} and ${extra}`
      },
    }
    await expect(circuit().wrap((extra: string) => diner.order(extra))('tea')).resolves.toBe('sushi and tea')
  })
})

describe("opossum's opening and resetting", () => {
  // test.js: Breaker opens after a configurable number of failures
  it('opens at the configured share of failures, and then fails fast without calling', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.1, minimumCalls: 1 }) })
    const work = vi.fn(async () => 100)
    await repeat(1, () => breaker.execute(failing(down)))
    expect(await outcome(breaker.execute(work))).toEqual(refused)
    expect(work).not.toHaveBeenCalled()
  })

  // test.js: Breaker resets after a configurable amount of time
  it('lets a call through after the configured time', async () => {
    const breaker = circuit()
    await repeat(1, () => breaker.execute(failing(down)))
    await vi.advanceTimersByTimeAsync(99)
    expect(await outcome(breaker.execute(() => 100))).toEqual(refused)
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome(breaker.execute(() => 100))).toEqual({ value: 100 })
  })

  // open-test.js: when open() is called it cancels the resetTimeout. Ours: isolate().
  it('stays shut beyond that time when somebody shut it by hand', async () => {
    const breaker = circuit()
    await repeat(1, () => breaker.execute(failing(down)))
    breaker.isolate()
    await vi.advanceTimersByTimeAsync(150)
    expect(await outcome(breaker.execute(() => 1))).toEqual(refused)
  })

  // closed-test.js: When open, an existing request resolving does not close circuit
  it('does not close because a call from before it opened succeeds', async () => {
    const breaker = circuit({ recoveryTimeoutMs: 60_000 })
    const early = breaker.execute(after(100, 'success'))
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(100)
    expect(await early).toBe('success')
    expect(breaker.state).toBe('open')
  })

  // test.js: CircuitBreaker rolling counts
  it('forgets what happened before its window', async () => {
    const breaker = circuit({ trip: failureRate({ windowMs: 200, minimumCalls: 10 }) })
    await repeat(3, () => breaker.execute(() => 1))
    expect(breaker.metrics.successes).toBe(3)
    await vi.advanceTimersByTimeAsync(300)
    expect(breaker.metrics.successes).toBe(0)
  })

  // test.js: CircuitBreaker status
  it('counts what succeeded, what failed and what it rejected', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.25, minimumCalls: 4 }) })
    let left: unknown
    breaker.on('transition', ({ metrics }) => {
      left = metrics
    })
    await repeat(3, () => breaker.execute(() => 1))
    await repeat(1, () => breaker.execute(failing(down)))
    expect(left).toMatchObject({ successes: 3, failures: 1, rejected: 0 })
    await repeat(1, () => breaker.execute(() => 1))
    expect(breaker.metrics.rejected).toBe(1)
  })

  // test.js: CircuitBreaker events
  it('tells of opening, rejecting, half-open and closing, each once, when it happens', async () => {
    const breaker = circuit({ recoveryTimeoutMs: 500 })
    const told: string[] = []
    breaker.on('transition', ({ to }) => told.push(to))
    breaker.on('rejected', () => told.push('rejected'))
    await repeat(1, () => breaker.execute(() => 10))
    expect(told.splice(0)).toEqual([])
    await repeat(1, () => breaker.execute(failing(down)))
    expect(told.splice(0)).toEqual(['open'])
    await repeat(1, () => breaker.execute(() => 10))
    expect(told.splice(0)).toEqual(['rejected'])
    await vi.advanceTimersByTimeAsync(500)
    await repeat(1, () => breaker.execute(() => 10))
    expect(told.splice(0)).toEqual(['half-open', 'closed'])
  })
})

describe("opossum's half-open", () => {
  // test.js: circuit halfOpen
  it('opens again when the probe fails, and closes when the next one succeeds', async () => {
    const breaker = circuit()
    const fire = breaker.wrap(passFail)
    await repeat(1, () => fire(-1))
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(130)
    expect(breaker.state).toBe('half-open')
    await expect(fire(-1)).rejects.toBe(down)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(130)
    expect(breaker.state).toBe('half-open')
    await expect(fire(1)).resolves.toBe(1)
    expect(breaker.state).toBe('closed')
  })

  // half-open-test.js, state-test.js: When half-open, the circuit only allows one request through
  it('lets one call through and rejects the others at once', async () => {
    const breaker = circuit({ halfOpen: { probes: 1 } })
    await repeat(1, () => breaker.execute(failing(down)))
    await vi.advanceTimersByTimeAsync(150)
    const probe = held(breaker.execute(after(500, down)))
    const work = vi.fn()
    expect(await settled(breaker.execute(work))).toEqual(refused)
    expect(await settled(probe, 500)).toEqual({ error: down })
    expect(breaker.state).toBe('open')
    expect(await settled(breaker.execute(work))).toEqual(refused)
    expect(work).not.toHaveBeenCalled()
  })
})

describe("opossum's volume threshold and warm-up", () => {
  // volume-threshold-test.js, warmup-test.js: by default there is none. Ours differs: 20 calls, unless told otherwise.
  it('opens at the first failure when told that one call is enough', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.01, minimumCalls: 1 }) })
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })

  // volume-threshold-test.js: Has a volume threshold before tripping when option is provided
  it('opens at the call that fills the volume, not before', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.01, minimumCalls: 3 }) })
    await repeat(2, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('closed')
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })

  // volume-threshold-test.js: volume threshold does not affect halfOpen state
  it('asks for no volume while half-open', async () => {
    const breaker = circuit({
      recoveryTimeoutMs: 300,
      trip: failureRate({ threshold: 0.01, windowMs: 300, minimumCalls: 2 }),
    })
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('closed')
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(450)
    expect(breaker.state).toBe('half-open')
    expect(breaker.metrics.failures).toBe(0)
    await repeat(1, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })

  // warmup-test.js: Allows for warmup when option is provided. Ours: the minimum of calls.
  it('does not open while it is too young to judge', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.01 }) })
    await repeat(19, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('closed')
  })

  // warmup-test.js: Only warms up for rollingCountTimeout
  it('is old enough as soon as there were calls enough', async () => {
    const breaker = circuit({ trip: failureRate({ threshold: 0.01 }) })
    await repeat(20, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
  })
})

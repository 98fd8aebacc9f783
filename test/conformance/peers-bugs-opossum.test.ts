import Opossum from 'opossum'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cache } from '../../src/answers/cache.ts'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { Bulkhead } from '../../src/limits/bulkhead.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { after, failing, outcome, repeat } from './support.ts'

/** What opossum 10.0.0 does that nobody asked for, and what is done here instead: both are asserted. */

const down = new Error('down')

/** What the tests here say to opossum; its own types are two versions behind. */
type Options = Record<string, unknown>
type Work = (...args: never[]) => unknown
const made: Opossum[] = []
const opossum = (work: Work, options: Options = {}): Opossum => {
  const breaker = new Opossum(work as never, options)
  made.push(breaker)
  return breaker
}

/** Fails below 0. */
const passFail = async (x: number): Promise<number> => {
  if (x < 0) throw down
  return x
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  for (const breaker of made.splice(0)) breaker.shutdown()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('opossum 10.0.0 against ours', () => {
  it('counts a call for which there was no room as a failure, and opens on a healthy service; ours does not', async () => {
    const theirs = opossum((ms: number) => after(ms, 'healthy')(), { capacity: 1 })
    const ours = new CircuitBreaker({ trip: failureRate({ minimumCalls: 1 }) })
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const policy = pipeline(ours, bulkhead)
    const theirEnds = Array.from({ length: 10 }, () => outcome(theirs.fire(10)))
    const ourEnds = Array.from({ length: 10 }, () => outcome(policy.execute(after(10, 'healthy'))))
    await vi.advanceTimersByTimeAsync(10)
    expect((await Promise.all(theirEnds)).filter((end) => 'error' in end)).toHaveLength(9)
    expect((await Promise.all(ourEnds)).filter((end) => 'error' in end)).toHaveLength(9)

    expect(theirs.opened).toBe(true)
    expect(ours.state).toBe('closed')
    expect(ours.metrics).toMatchObject({ successes: 1, failures: 0 })

    // Nor where the bulkhead stands somewhere inside the work.
    const nested = [1, 2].map(() => outcome(ours.execute(() => bulkhead.execute(after(10, 'healthy')))))
    await vi.advanceTimersByTimeAsync(10)
    expect((await Promise.all(nested)).filter((end) => 'error' in end)).toHaveLength(1)
    expect(ours.metrics).toMatchObject({ successes: 2, failures: 0 })
  })

  it('takes cache hits for calls, so that 60 failures out of 60 calls leave it closed; ours counts calls', async () => {
    const theirs = opossum(passFail, { cache: true, volumeThreshold: 20, rollingCountTimeout: 60_000 })
    const breaker = new CircuitBreaker({ trip: failureRate({ minimumCalls: 20, windowMs: 60_000 }) })
    const ours = pipeline(cache({ ttlMs: 60_000 }), breaker)
    for (let i = 0; i < 101; i += 1) {
      await theirs.fire(1)
      await ours.execute(async () => 1, { key: '1' })
    }
    await repeat(60, () => theirs.fire(-1))
    await repeat(60, () => ours.execute(failing(down), { key: '-1' }))

    expect(theirs.stats).toMatchObject({ cacheHits: 100, failures: 60, successes: 1 })
    expect(theirs.closed).toBe(true)
    expect(breaker.state).toBe('open')
  })

  it('takes its own rejections for calls, so that 60 failures out of 61 leave it closed; ours counts calls', async () => {
    const theirs = opossum(passFail, { resetTimeout: 1_000 })
    const ours = new CircuitBreaker({
      recoveryTimeoutMs: 1_000,
      successThreshold: 1,
      trip: failureRate({ minimumCalls: 1 }),
    })
    await repeat(1, () => theirs.fire(-1))
    await repeat(1, () => ours.execute(failing(down)))
    await repeat(100, () => theirs.fire(1))
    await repeat(100, () => ours.execute(async () => 1))
    await vi.advanceTimersByTimeAsync(1_000)
    await repeat(1, () => theirs.fire(1))
    await repeat(1, () => ours.execute(async () => 1))
    // Both closed again. Since the window began there were one success and 100 rejections; now all calls fail.
    expect([theirs.closed, ours.state]).toEqual([true, 'closed'])
    await repeat(60, () => theirs.fire(-1))
    await repeat(60, () => ours.execute(failing(down)))

    expect(theirs.closed).toBe(true)
    expect(ours.state).toBe('open')
  })

  it('aborts unrelated calls when one times out; ours aborts that one', async () => {
    const theirs = opossum((ms: number, signal: AbortSignal) => whole(ms, signal), {
      timeout: 100,
      abortController: new AbortController(),
    })
    const ours = timeout({ timeoutMs: 100 })
    const signal = (theirs as unknown as { getSignal(): AbortSignal }).getSignal()
    const theirEnds = [outcome(theirs.fire(1_000, signal))]
    const ourEnds = [outcome(ours.execute((context) => whole(1_000, context.signal)))]
    await vi.advanceTimersByTimeAsync(50)
    theirEnds.push(outcome(theirs.fire(60, signal)))
    ourEnds.push(outcome(ours.execute((context) => whole(60, context.signal))))
    await vi.advanceTimersByTimeAsync(60)

    expect(await theirEnds[1]).toEqual({ error: expect.objectContaining({ name: 'AbortError' }) })
    expect(await ourEnds[1]).toEqual({ value: 'whole' })
    await Promise.all([...theirEnds, ...ourEnds])
  })

  it('goes half-open at once when an open breaker is restored; ours waits for what remained', async () => {
    const options = { errorThresholdPercentage: 1, resetTimeout: 30_000 }
    const first = opossum(passFail, options)
    const firstOfOurs = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 30_000 })
    // Long up before it opens: it is the time of its making that opossum writes down.
    await vi.advanceTimersByTimeAsync(60_000)
    await repeat(1, () => first.fire(-1))
    await repeat(1, () => firstOfOurs.execute(failing(down)))
    const { state } = JSON.parse(JSON.stringify(first)) as { state: object }
    const theirs = opossum(passFail, { ...options, state })
    const snapshot = JSON.parse(JSON.stringify(firstOfOurs.snapshot()))
    const ours = CircuitBreaker.restore(snapshot, { failureThreshold: 1, recoveryTimeoutMs: 30_000 })

    expect(first.opened).toBe(true)
    expect(theirs.halfOpen).toBe(true)
    expect(ours.state).toBe('open')
    expect(ours.retryAfterMs).toBe(30_000)
  })

  it('closes on the late success of a call from before it opened; ours wants a probe', async () => {
    const theirs = opossum((ms: number, end: string | Error) => after(ms, end)(), {
      errorThresholdPercentage: 1,
      resetTimeout: 1_000,
    })
    const ours = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 1_000, successThreshold: 1 })
    const late = [theirs.fire(1_500, 'old'), ours.execute(after(1_500, 'old'))]
    const failed = [outcome(theirs.fire(1, down)), outcome(ours.execute(after(1, down)))]
    await vi.advanceTimersByTimeAsync(1)
    await Promise.all(failed)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(theirs.halfOpen).toBe(true)
    expect(ours.state).toBe('half-open')
    await vi.advanceTimersByTimeAsync(500)
    await Promise.all(late)

    expect(theirs.closed).toBe(true)
    expect(ours.state).toBe('half-open')
  })

  it('counts a filtered error as a success; ours can leave it out', async () => {
    const theirs = opossum(passFail, { errorFilter: () => true })
    const ours = new CircuitBreaker({
      trip: failureRate({ minimumCalls: 2 }),
      classify: ({ ok }) => (ok ? 'success' : 'ignore'),
    })
    await repeat(3, () => theirs.fire(-1))
    await repeat(3, () => ours.execute(failing(down)))

    expect(theirs.stats).toMatchObject({ successes: 3, failures: 0 })
    expect(ours.metrics).toMatchObject({ successes: 0, failures: 0 })
  })

  it('goes on checking health after its shutdown; ours has no timer to forget', async () => {
    const theirs = opossum(passFail)
    const check = vi.fn(async () => {})
    theirs.healthCheck(check, 1_000)
    theirs.shutdown()
    await vi.advanceTimersByTimeAsync(3_000)
    expect(check).toHaveBeenCalledTimes(4)
    vi.clearAllTimers()

    const ours = new CircuitBreaker({ failureThreshold: 1 })
    await repeat(1, () => ours.execute(failing(down)))
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sorts every latency of its window at each failure; ours looks at two sums', async () => {
    const theirs = opossum(passFail, { rollingCountTimeout: 60_000 })
    const ours = new CircuitBreaker({ trip: failureRate({ windowMs: 60_000 }) })
    await repeat(5_000, () => theirs.fire(1))
    await repeat(5_000, () => ours.execute(async () => 1))
    const sorted: number[] = []
    const { sort } = Array.prototype
    vi.spyOn(Array.prototype, 'sort').mockImplementation(function (this: unknown[], ...args) {
      // The test runner sorts things too.
      if (this.length > 1_000) sorted.push(this.length)
      return sort.apply(this, args)
    })
    await repeat(1, () => theirs.fire(-1))
    expect(sorted).toEqual([5_001])
    await repeat(1, () => ours.execute(failing(down)))
    expect(ours.metrics.failures).toBe(1)
    expect(sorted).toEqual([5_001])
  })

  it('stores every latency although percentiles are off; ours stores none', async () => {
    const theirs = opossum(passFail, { rollingPercentilesEnabled: false })
    await repeat(1_000, () => theirs.fire(1))
    const window = (theirs.status as unknown as { window: { latencyTimes: number[] }[] }).window
    expect(window[0]?.latencyTimes).toHaveLength(1_000)

    const ours = new CircuitBreaker({ trip: failureRate() })
    await repeat(1_000, () => ours.execute(async () => 1))
    const [few, many] = [new CircuitBreaker({ trip: failureRate() }), ours].map((one) => JSON.stringify(one.snapshot()))
    expect(many?.length).toBeLessThanOrEqual((few?.length ?? 0) + 10)
  })

  it("changes the caller's options; ours can be given frozen ones", () => {
    const options = { autoRenewAbortController: true }
    opossum(passFail, options)
    expect(Object.keys(options)).not.toEqual(['autoRenewAbortController'])

    const ours = Object.freeze({ failureThreshold: 3, halfOpen: Object.freeze({ probes: 2 }) })
    expect(new CircuitBreaker(ours).state).toBe('closed')
    expect(ours).toEqual({ failureThreshold: 3, halfOpen: { probes: 2 } })
  })
})

/** A body that is read for `ms`, and breaks when the signal aborts, as that of a `fetch` does. */
function whole(ms: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    setTimeout(() => resolve('whole'), ms)
  })
}

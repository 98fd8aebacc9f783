import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CircuitBreaker, type CircuitBreakerOptions } from '../../src/breaker/index.ts'
import { type Backoff, linearBackoff } from '../../src/time/backoff.ts'
import { after, failing, held, outcome, repeat, settled } from './support.ts'

/**
 * What cockatiel 4.0.0 promises of its breaker, retold: connor4312/cockatiel, src/CircuitBreakerPolicy.test.ts. The
 * remark behind each test names the behaviour there. docs/conformance.md lists what differs, and why.
 */

const down = new Error('down')
const refused = { error: expect.objectContaining({ code: 'ERR_GATELESS_CIRCUIT_OPEN', local: true }) }

/** As their suite sets it up: two failures in a row, one second, one probe. */
const circuit = ({ recoveryBackoff, ...options }: CircuitBreakerOptions = {}): CircuitBreaker =>
  new CircuitBreaker({
    failureThreshold: 2,
    ...(recoveryBackoff === undefined ? { recoveryTimeoutMs: 1_000 } : { recoveryBackoff }),
    ...(options.halfOpen?.sampleSize === undefined ? { successThreshold: 1 } : {}),
    ...options,
  })

async function opened(options: CircuitBreakerOptions = {}): Promise<CircuitBreaker> {
  const breaker = circuit(options)
  await repeat(2, () => breaker.execute(failing(down)))
  expect(breaker.state).toBe('open')
  return breaker
}

/** The states it moved to since. */
function moves(breaker: CircuitBreaker): string[] {
  const seen: string[] = []
  breaker.on('transition', ({ to }) => seen.push(to))
  return seen
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("cockatiel's circuit breaker", () => {
  // allows calls when closed
  it('lets calls through while it is closed', async () => {
    await expect(circuit().execute(() => 42)).resolves.toBe(42)
  })

  // opens after failing calls
  it('opens at the threshold, says so once, and rejects from then on without calling', async () => {
    const breaker = circuit()
    const seen = moves(breaker)
    const work = vi.fn(failing(down))
    expect(await outcome(breaker.execute(work))).toEqual({ error: down })
    expect(breaker.state).toBe('closed')
    expect(seen).toEqual([])
    expect(await outcome(breaker.execute(work))).toEqual({ error: down })
    expect(breaker.state).toBe('open')
    expect(await outcome(breaker.execute(work))).toEqual(refused)
    expect(breaker.state).toBe('open')
    expect(seen).toEqual(['open'])
    expect(work).toHaveBeenCalledTimes(2)
  })

  // an error that the policy does not handle is no failure
  it('stays closed for errors that it is told to leave out', async () => {
    class Mine extends Error {}
    const breaker = circuit({
      classify: ({ ok, ...rest }) => (ok || !('error' in rest && rest.error instanceof Mine) ? 'success' : 'failure'),
    })
    await repeat(5, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('closed')
    await repeat(2, () => breaker.execute(failing(new Mine())))
    expect(breaker.state).toBe('open')
  })

  // closes if the half open test succeeds
  it('is half-open while its probe runs, and closes when that succeeds', async () => {
    const breaker = await opened()
    const seen = moves(breaker)
    await vi.advanceTimersByTimeAsync(1_000)
    const probe = breaker.execute(async () => 42)
    expect(breaker.state).toBe('half-open')
    expect(seen).toEqual(['half-open'])
    expect(await probe).toBe(42)
    expect(breaker.state).toBe('closed')
    expect(seen).toEqual(['half-open', 'closed'])
  })

  // dedupes half-open tests. cockatiel's only way, and here by option.
  it('asked to queue: makes others wait for the probe, and lets them go when it succeeds', async () => {
    const breaker = await opened({ halfOpen: { whenBusy: 'queue' } })
    await vi.advanceTimersByTimeAsync(1_000)
    const order: string[] = []
    const first = breaker.execute(async () => {
      await after(10, '')()
      order.push('first')
      return 1
    })
    const second = breaker.execute(() => {
      order.push('second')
      return 2
    })
    await vi.advanceTimersByTimeAsync(10)
    expect(await Promise.all([first, second])).toEqual([1, 2])
    expect(order).toEqual(['first', 'second'])
    expect(breaker.state).toBe('closed')
  })

  // stops deduped half-open tests if the circuit reopens
  it('asked to queue: rejects those who wait, without calling, when the probe fails', async () => {
    const breaker = await opened({ halfOpen: { whenBusy: 'queue' } })
    await vi.advanceTimersByTimeAsync(1_000)
    const first = outcome(breaker.execute(after(10, down)))
    const work = vi.fn()
    const second = outcome(breaker.execute(work))
    await vi.advanceTimersByTimeAsync(10)
    expect(await first).toEqual({ error: down })
    expect(await second).toEqual(refused)
    expect(work).not.toHaveBeenCalled()
  })

  // aborts function execution if half open test succeeds. Ours: at once, and not when the probe is over.
  it('asked to queue: lets go of a caller who gave up, at once and without calling', async () => {
    const breaker = await opened({ halfOpen: { whenBusy: 'queue' } })
    await vi.advanceTimersByTimeAsync(1_000)
    const probe = breaker.execute(after(10, 42))
    const reason = new Error('left')
    const work = vi.fn()
    const early = breaker.execute(work, { signal: AbortSignal.abort(reason) })
    expect(await settled(early)).toEqual({ error: reason })
    const caller = new AbortController()
    const waiting = held(breaker.execute(work, { signal: caller.signal }))
    expect(await settled(waiting, 5)).toBe('pending')
    caller.abort(reason)
    expect(await settled(waiting)).toEqual({ error: reason })
    expect(getEventListeners(caller.signal, 'abort')).toEqual([])
    expect(await settled(probe, 5)).toEqual({ value: 42 })
    expect(breaker.state).toBe('closed')
    expect(work).not.toHaveBeenCalled()
  })

  // uses the given backoff factory to decide whether to enter the half open state
  it('stays open as long as its backoff says, and longer the second time in a row', async () => {
    const breaker = await opened({ recoveryBackoff: linearBackoff({ stepMs: 1_000 }) })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(breaker.execute(failing(down)))).toEqual({ error: down })
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1_999)
    expect(await outcome(breaker.execute(failing(down)))).toEqual(refused)
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
    expect(await outcome(breaker.execute(() => 42))).toEqual({ value: 42 })
    expect(breaker.state).toBe('closed')
  })

  // resets the backoff when closing the circuit. Ours differs: after having been closed for forgetTripsAfterMs.
  it('begins its backoff anew after it was closed for a while', async () => {
    const attempts: number[] = []
    const recoveryBackoff: Backoff = {
      name: 'counted',
      delayMs: ({ attempt }) => {
        attempts.push(attempt)
        return attempt
      },
    }
    const breaker = await opened({ recoveryBackoff, forgetTripsAfterMs: 5_000 })
    await vi.advanceTimersByTimeAsync(1)
    await repeat(1, () => breaker.execute(failing(down)))
    await vi.advanceTimersByTimeAsync(2)
    await repeat(1, () => breaker.execute(() => 42))
    expect(breaker.state).toBe('closed')
    expect(attempts).toEqual([1, 2])
    await vi.advanceTimersByTimeAsync(5_000)
    await repeat(2, () => breaker.execute(failing(down)))
    expect(breaker.state).toBe('open')
    expect(attempts).toEqual([1, 2, 1])
  })

  // re-opens if the half open fails
  it('opens again when its probe fails', async () => {
    const breaker = await opened()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(breaker.execute(failing(down)))).toEqual({ error: down })
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(999)
    expect(await outcome(breaker.execute(() => 42))).toEqual(refused)
  })

  // an unhandled error of the probe closes
  it('closes when its probe fails in a way that it is told to take for a success', async () => {
    const other = new Error('not found')
    const breaker = await opened({
      classify: (result) => (result.ok || result.error === other ? 'success' : 'failure'),
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(breaker.execute(failing(other)))).toEqual({ error: other })
    expect(breaker.state).toBe('closed')
  })

  // halfOpenSampling: calls
  it('closes after as many successful probes as it was asked for, and not before', async () => {
    const breaker = await opened({ successThreshold: 3, halfOpen: { probes: 3 } })
    await vi.advanceTimersByTimeAsync(1_000)
    const probes = [10, 20, 30].map((ms) => breaker.execute(after(ms, 'up')))
    expect(await outcome(breaker.execute(() => 42))).toEqual(refused)
    await vi.advanceTimersByTimeAsync(20)
    expect(breaker.state).toBe('half-open')
    await vi.advanceTimersByTimeAsync(10)
    expect(breaker.state).toBe('closed')
    await Promise.all(probes)
  })

  // halfOpenSampling: threshold
  it('closes although a probe failed, when it was told that some may', async () => {
    const breaker = await opened({ halfOpen: { probes: 3, sampleSize: 3, failureRatio: 0.5 } })
    await vi.advanceTimersByTimeAsync(1_000)
    const probes = [after(10, 'up'), after(20, down), after(30, 'up')].map((work) => outcome(breaker.execute(work)))
    await vi.advanceTimersByTimeAsync(20)
    expect(breaker.state).toBe('half-open')
    await vi.advanceTimersByTimeAsync(10)
    expect(breaker.state).toBe('closed')
    await Promise.all(probes)
  })

  // halfOpenSampling: threshold surpassed
  it('opens as soon as too many probes failed, whatever the others say', async () => {
    const breaker = await opened({ halfOpen: { probes: 3, sampleSize: 3, failureRatio: 0.5 } })
    await vi.advanceTimersByTimeAsync(1_000)
    const probes = [after(10, down), after(20, down), after(30, 'up')].map((work) => outcome(breaker.execute(work)))
    await vi.advanceTimersByTimeAsync(10)
    expect(breaker.state).toBe('half-open')
    await vi.advanceTimersByTimeAsync(10)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(10)
    await Promise.all(probes)
    expect(breaker.state).toBe('open')
  })

  // halfOpenSampling is validated
  it.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d probes', (probes) => {
    expect(() => circuit({ halfOpen: { probes } })).toThrow(RangeError)
    expect(() => circuit({ halfOpen: { sampleSize: probes } })).toThrow(RangeError)
    expect(() => circuit({ successThreshold: probes })).toThrow(RangeError)
  })

  // handles isolation correctly. Ours differs: one switch, no count of handles.
  it('rejects everything while isolated, and says once that it is and once that it no longer is', async () => {
    const breaker = circuit()
    const modes: string[] = []
    breaker.on('mode', ({ to }) => modes.push(to))
    breaker.isolate()
    breaker.isolate()
    expect(modes).toEqual(['isolated'])
    expect(await outcome(breaker.execute(() => 42))).toEqual(refused)
    breaker.reset()
    expect(modes).toEqual(['isolated', 'normal'])
    expect(breaker.state).toBe('closed')
    await expect(breaker.execute(() => 42)).resolves.toBe(42)
  })

  // links parent cancellation token
  it("aborts the work's signal with the caller's, while the work runs", async () => {
    const caller = new AbortController()
    const seen: boolean[] = []
    await outcome(
      circuit({ failureThreshold: 3 }).execute(
        ({ signal }) => {
          seen.push(signal.aborted)
          caller.abort()
          seen.push(signal.aborted)
        },
        { signal: caller.signal },
      ),
    )
    expect(seen).toEqual([false, true])
  })

  // issue 69: listeners on a long-lived signal
  it("leaves no listener on the caller's signal, however many calls share it", async () => {
    const { signal } = new AbortController()
    const breaker = circuit({ failureThreshold: 1_000 })
    for (let i = 0; i < 100; i += 1) {
      await breaker.execute(({ signal: mine }) => mine.aborted, { signal })
      await outcome(breaker.execute(failing(down), { signal }))
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  // serializes and deserializes: open
  it('is still open when it was restored, for what remained of its time', async () => {
    const breaker = await opened()
    await vi.advanceTimersByTimeAsync(400)
    const restored = CircuitBreaker.restore(JSON.parse(JSON.stringify(breaker.snapshot())), {
      failureThreshold: 2,
      recoveryTimeoutMs: 1_000,
      successThreshold: 1,
    })
    expect(restored.state).toBe('open')
    await vi.advanceTimersByTimeAsync(599)
    expect(await outcome(restored.execute(() => 42))).toEqual(refused)
    await vi.advanceTimersByTimeAsync(1)
    await expect(restored.execute(() => 42)).resolves.toBe(42)
    expect(restored.state).toBe('closed')
  })

  // serializes and deserializes: half-open becomes open since the beginning of time
  it('probes at once when it was saved in the middle of a probe', async () => {
    const breaker = await opened()
    await vi.advanceTimersByTimeAsync(1_000)
    const probe = breaker.execute(after(10, 'up'))
    const restored = CircuitBreaker.restore(JSON.parse(JSON.stringify(breaker.snapshot())), { successThreshold: 1 })
    expect(await outcome(restored.execute(() => 42))).toEqual({ value: 42 })
    expect(restored.state).toBe('closed')
    await vi.advanceTimersByTimeAsync(10)
    await probe
  })

  // serializes and deserializes: isolated
  it('is still isolated when it was restored', async () => {
    const breaker = circuit()
    breaker.isolate()
    const restored = CircuitBreaker.restore(JSON.parse(JSON.stringify(breaker.snapshot())))
    expect(restored.mode).toBe('isolated')
    expect(await outcome(restored.execute(() => 42))).toEqual(refused)
  })
})

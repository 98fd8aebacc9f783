import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GatelessError, TimeoutError } from '../../src/core/errors.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { AdaptiveThrottle, type AdaptiveThrottleOptions, Bulkhead, ThrottledError } from '../../src/limits/index.ts'
import { seededRandom } from '../../src/time/random.ts'
import { outcome } from './support.ts'

/** A throttle by the book: no minimum, no cap; chance always decides against the call unless told otherwise. */
const make = (options: AdaptiveThrottleOptions = {}): AdaptiveThrottle =>
  new AdaptiveThrottle({ minimumCalls: 0, maxRejection: 1, random: () => 0, ...options })

/** So many calls that were accepted, and so many that were not. Chance lets them all through. */
function after(accepted: number, failed: number, options: AdaptiveThrottleOptions = {}): AdaptiveThrottle {
  let chance = 1
  const throttle = make({ random: () => chance, ...options })
  for (let call = 0; call < accepted; call += 1) throttle.tryAcquire()?.success()
  for (let call = 0; call < failed; call += 1) throttle.tryAcquire()?.failure()
  chance = 0
  return throttle
}

const fail = (): Promise<never> => Promise.reject(new Error('down'))

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('an adaptive throttle', () => {
  it.each([
    [0, 0, 0],
    [10, 0, 0],
    [10, 10, 0],
    [10, 11, 1 / 22],
    [10, 30, 20 / 41],
    [0, 1, 1 / 2],
    [0, 99, 99 / 100],
  ])('refuses by the formula: %i accepted, %i not', (accepted, failed, probability) => {
    expect(after(accepted, failed).probability).toBeCloseTo(probability, 12)
  })

  it.each([
    [1, 10, 1, 1 / 12],
    [1.1, 10, 1, 0],
    [4, 10, 31, 1 / 42],
  ])('refuses the sooner the lower k is (%f)', (k, accepted, failed, probability) => {
    expect(after(accepted, failed, { k }).probability).toBeCloseTo(probability, 12)
  })

  it('lets chance choose, below the probability', () => {
    let chance = 0
    const unlucky = make({ random: () => chance })
    unlucky.tryAcquire()?.failure()
    chance = 0.5
    expect(unlucky.probability).toBe(0.5)
    expect(unlucky.tryAcquire()).toBeDefined()
    chance = 0.66
    expect(unlucky.probability).toBeCloseTo(2 / 3, 12)
    expect(unlucky.tryAcquire()).toBeUndefined()
  })

  it('leaves chance alone while there is nothing to refuse', () => {
    const random = vi.fn(() => 0)
    const throttle = make({ random })
    throttle.tryAcquire()?.success()
    throttle.tryAcquire()?.success()
    expect(random).not.toHaveBeenCalled()
  })

  it('counts what it refuses as requests', () => {
    const throttle = after(0, 3)
    expect(throttle.tryAcquire()).toBeUndefined()
    expect(throttle.metrics).toEqual({ requests: 4, accepts: 0, probability: 4 / 5, rejected: 1 })
  })

  it('counts a call from its beginning: what hangs is not accepted yet', () => {
    const throttle = make()
    throttle.tryAcquire()
    expect(throttle.metrics).toEqual({ requests: 1, accepts: 0, probability: 0.5, rejected: 0 })
  })

  it('says what it refuses with', async () => {
    const throttle = after(0, 3, { name: 'search' })
    const { error } = (await outcome(throttle.execute(() => 1))) as { error: ThrottledError }
    expect(error).toBeInstanceOf(ThrottledError)
    expect(error).toMatchObject({
      name: 'ThrottledError',
      code: 'ERR_GATELESS_THROTTLED',
      message: 'search refuses 75 % of the calls now',
      throttle: 'search',
      probability: 0.75,
      local: true,
      retryAfterMs: undefined,
    })
  })

  it('refuses nothing below the minimum of calls', () => {
    const throttle = after(0, 19, { minimumCalls: 20 })
    expect(throttle.probability).toBe(0)
    throttle.tryAcquire()?.failure()
    expect(throttle.probability).toBeCloseTo(20 / 21, 12)
  })

  it('refuses no larger share than it may', () => {
    expect(after(0, 100, { maxRejection: 0.9 }).probability).toBe(0.9)
    expect(after(10, 30, { maxRejection: 0.9 }).probability).toBeCloseTo(20 / 41, 12)
  })

  it('has the minimum of 20, the cap of 0.9, k 2 and two minutes unless told otherwise', async () => {
    const throttle = new AdaptiveThrottle({ random: () => 0.95 })
    for (let call = 0; call < 19; call += 1) throttle.tryAcquire()?.failure()
    expect(throttle.probability).toBe(0)
    throttle.tryAcquire()?.failure()
    expect(throttle.probability).toBe(0.9)
    expect(throttle.info).toEqual({
      kind: 'throttle',
      name: 'adaptive throttle',
      summary: 'refuses a share of the calls when fewer than 1 in 2 were accepted over 120000 ms',
      windowMs: 120_000,
    })
    await vi.advanceTimersByTimeAsync(108_000)
    expect(throttle.metrics.requests).toBe(20)
    await vi.advanceTimersByTimeAsync(12_000)
    expect(throttle.metrics.requests).toBe(0)
  })

  it('forgets with the window', async () => {
    const throttle = after(0, 5, { windowMs: 1_000 })
    expect(throttle.probability).toBeGreaterThan(0)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(throttle.metrics).toEqual({ requests: 0, accepts: 0, probability: 0, rejected: 0 })
    expect(throttle.tryAcquire()).toBeDefined()
  })

  it('begins anew when the clock goes backwards', () => {
    let now = 1_000_000
    const throttle = make({ clock: { now: () => now } })
    throttle.tryAcquire()?.failure()
    now = 5
    expect(throttle.probability).toBe(0)
  })

  it('is never asked twice about one call', () => {
    const throttle = make()
    const permit = throttle.tryAcquire()
    permit?.success()
    permit?.success()
    permit?.ignore()
    permit?.failure()
    expect(throttle.metrics).toMatchObject({ requests: 1, accepts: 1 })
  })

  it.each([
    [{ k: 0.9 }, 'AdaptiveThrottle: k must be a finite number from 1, got 0.9'],
    [{ windowMs: 99 }, 'AdaptiveThrottle: windowMs must be a finite number from 100 up to'],
    [{ minimumCalls: -1 }, 'AdaptiveThrottle: minimumCalls must be an integer from 0, got -1'],
    [{ minimumCalls: 0.5 }, 'AdaptiveThrottle: minimumCalls must be an integer from 0, got 0.5'],
    [{ maxRejection: 0 }, 'AdaptiveThrottle: maxRejection must be a finite number above 0 up to 1, got 0'],
    [{ maxRejection: 1.1 }, 'AdaptiveThrottle: maxRejection must be a finite number above 0 up to 1, got 1.1'],
    [{ classify: {} }, 'AdaptiveThrottle: classify must be a function, got an object'],
    [{ dryRun: 1 }, 'AdaptiveThrottle: dryRun must be true or false, got 1'],
    [{ name: '' }, 'AdaptiveThrottle: name must be a string that is not empty, got ""'],
    [{ random: 1 }, 'AdaptiveThrottle: random must be a function, got 1'],
    [
      { ratio: 1 },
      'AdaptiveThrottle: unknown option "ratio"; known are k, windowMs, minimumCalls, maxRejection, classify, dryRun, name, clock, random',
    ],
  ])('refuses the options %j: %s', (options, message) => {
    expect(() => new AdaptiveThrottle(options as AdaptiveThrottleOptions)).toThrow(message)
  })

  it('has a probability from nothing to its cap, whatever happens (property)', () => {
    const step = fc.constantFrom('success', 'failure', 'ignore', 'hang', 'pass')
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
        let now = 0
        const throttle = make({
          clock: { now: () => now },
          windowMs: 1_000,
          random: seededRandom(seed),
          maxRejection: 0.9,
        })
        for (const each of steps) {
          if (each === 'pass') now += 130
          else {
            const permit = throttle.tryAcquire()
            if (each === 'success') permit?.success()
            if (each === 'failure') permit?.failure()
            if (each === 'ignore') permit?.ignore()
          }
          const { requests, probability } = throttle.metrics
          expect(requests).toBeGreaterThanOrEqual(0)
          expect(probability).toBeGreaterThanOrEqual(0)
          expect(probability).toBeLessThanOrEqual(0.9)
        }
      }),
    )
  })

  it.each([1, 2, 3])(
    'sends a service that can do a tenth of what is wanted about k times what it accepts (seed %i)',
    (seed) => {
      let now = 0
      const throttle = make({ clock: { now: () => now }, random: seededRandom(seed) })
      let room = 0
      let sent = 0
      let accepted = 0
      for (let call = 0; call < 60_000; call += 1) {
        now += 10
        room = Math.min(1, room + 0.1)
        const permit = throttle.tryAcquire()
        if (permit === undefined) continue
        const measured = call >= 30_000
        if (measured) sent += 1
        if (room >= 1) {
          room -= 1
          permit.success()
          if (measured) accepted += 1
        } else permit.failure()
      }
      expect(sent / accepted).toBeGreaterThan(1.8)
      expect(sent / accepted).toBeLessThan(2.2)
    },
  )
})

describe('what counts for a throttle', () => {
  it('is what the remote did', async () => {
    const throttle = make({ random: () => 1 })
    await throttle.execute(() => 'fine')
    await outcome(throttle.execute(fail))
    await outcome(throttle.execute(() => Promise.reject(new TimeoutError(5, 'attempt'))))
    expect(throttle.metrics).toMatchObject({ requests: 3, accepts: 1 })
  })

  it('is not what this process refused, nor what the caller left', async () => {
    const throttle = make()
    const inner = new Bulkhead({ maxConcurrent: 1 })
    inner.tryAcquire()
    await outcome(pipeline(throttle, inner).execute(() => 1))
    await outcome(throttle.execute(() => inner.execute(() => 1)))
    const controller = new AbortController()
    const call = outcome(throttle.execute(() => new Promise(() => {}), { signal: controller.signal }))
    controller.abort('enough')
    await call
    await outcome(
      throttle.execute(
        () => {
          throw new Error('made of the abort')
        },
        { signal: AbortSignal.abort() },
      ),
    )
    expect(throttle.metrics).toEqual({ requests: 0, accepts: 0, probability: 0, rejected: 0 })
  })

  it('is not an error that the work made of the caller’s abort', async () => {
    const throttle = make()
    const controller = new AbortController()
    await outcome(
      throttle.execute(
        () => {
          controller.abort()
          throw new Error('made of the abort')
        },
        { signal: controller.signal },
      ),
    )
    expect(throttle.metrics.requests).toBe(0)
  })

  it('never drops below nothing when what was ignored outlives its requests', async () => {
    const throttle = make({ windowMs: 1_000 })
    const permits = [throttle.tryAcquire()]
    await vi.advanceTimersByTimeAsync(900)
    permits[0]?.ignore()
    await vi.advanceTimersByTimeAsync(200)
    expect(throttle.metrics.requests).toBe(0)
  })

  it('is decided by the caller’s own rule where there is one', async () => {
    const throttle = make({ classify: (given) => (given.ok && given.value === 'busy' ? 'failure' : 'success') })
    await throttle.execute(() => 'fine')
    await outcome(throttle.execute(fail))
    await throttle.execute(() => 'busy')
    expect(throttle.metrics).toMatchObject({ requests: 3, accepts: 2 })
  })

  it('is never asked about what this process refused', async () => {
    const classify = vi.fn((): 'failure' => 'failure')
    const throttle = make({ classify })
    const refusal = new GatelessError('ERR_GATELESS_BULKHEAD_FULL', 'full', { local: true })
    await outcome(throttle.execute(() => Promise.reject(refusal)))
    expect(classify).not.toHaveBeenCalled()
    expect(throttle.metrics).toMatchObject({ requests: 0, accepts: 0 })
  })

  it.each([
    [() => 'Failure', '"Failure"'],
    [() => undefined, 'undefined'],
    [() => Promise.reject(new Error('async')), 'an object'],
  ])('is decided by the default when that rule answers nonsense, which is reported (%#)', async (answer, shown) => {
    const throttle = make({ classify: answer as never })
    const faults: unknown[] = []
    throttle.on('error', (fault) => faults.push(fault))
    await throttle.execute(() => 'ran')
    expect(throttle.metrics).toMatchObject({ requests: 1, accepts: 1 })
    const error = new TypeError(`classify must answer 'success', 'failure' or 'ignore', got ${shown}`)
    expect(faults).toEqual([{ event: 'classify', error }])
  })

  it('is decided by the default when that rule throws, which is reported', async () => {
    const throttle = make({
      classify: () => {
        throw new Error('broken')
      },
    })
    const faults: unknown[] = []
    throttle.on('error', (fault) => faults.push(fault))
    await expect(throttle.execute(() => 'ran')).resolves.toBe('ran')
    expect(throttle.metrics).toMatchObject({ requests: 1, accepts: 1 })
    expect(faults).toEqual([{ event: 'classify', error: new Error('broken') }])
  })
})

describe('a throttle in use', () => {
  it('refuses in a pipeline, and wraps', async () => {
    const throttle = after(0, 3)
    await expect(pipeline(throttle).execute(() => 1)).rejects.toBeInstanceOf(ThrottledError)
    await expect(throttle.wrap(() => 1)()).rejects.toBeInstanceOf(ThrottledError)
    await expect(make().wrap((a: number, b: number) => a + b)(2, 3)).resolves.toBe(5)
  })

  it('tells who is refused, and survives a listener that throws', async () => {
    const throttle = after(0, 3)
    const told = vi.fn()
    throttle.on('rejected', told)
    throttle.on('rejected', () => {
      throw new Error('listener')
    })
    throttle.on('error', () => {})
    await expect(throttle.execute(() => 1)).rejects.toBeInstanceOf(ThrottledError)
    expect(told.mock.calls).toEqual([[{ probability: 0.75, dryRun: false }]])
  })

  it('lets everything through in a dry run, and says what it would have refused', async () => {
    const throttle = after(0, 3, { dryRun: true })
    const told = vi.fn()
    throttle.on('rejected', told)
    await expect(throttle.execute(() => 'ran')).resolves.toBe('ran')
    expect(told.mock.calls).toEqual([[{ probability: 0.75, dryRun: true }]])
    expect(throttle.metrics).toMatchObject({ requests: 4, accepts: 1, rejected: 1 })
  })

  it('leaves no listener on a signal that lives long: 100,000 calls', async () => {
    const throttle = make()
    const { signal } = new AbortController()
    for (let round = 0; round < 1_000; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => outcome(throttle.execute(() => 1, { signal }))))
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
  }, 20_000)
})

describe('configuring a throttle', () => {
  it('keeps what was counted', () => {
    const throttle = after(10, 30)
    throttle.configure({ k: 1 })
    expect(throttle.probability).toBeCloseTo(30 / 41, 12)
    throttle.configure({ maxRejection: 0.5 })
    expect(throttle.probability).toBe(0.5)
    expect(throttle.info.summary).toBe(
      'refuses a share of the calls when fewer than 1 in 1 were accepted over 120000 ms',
    )
    throttle.configure({ windowMs: 120_000 })
    expect(throttle.metrics.requests).toBe(40)
  })

  it('begins a window of another length empty', () => {
    const throttle = after(10, 30)
    throttle.configure({ windowMs: 60_000 })
    expect(throttle.metrics.requests).toBe(0)
    expect(throttle.info.windowMs).toBe(60_000)
  })

  it.each([
    [{ name: 'x' }, 'AdaptiveThrottle.configure: name cannot change, got "x"'],
    [{ clock: {} }, 'AdaptiveThrottle.configure: clock cannot change, got an object'],
    [{ random: () => 0 }, 'AdaptiveThrottle.configure: random cannot change, got a function'],
    [{ k: 0 }, 'AdaptiveThrottle: k must be a finite number from 1, got 0'],
  ])('refuses %j, and changes nothing: %s', (patch, message) => {
    const throttle = after(10, 30)
    const before = throttle.metrics
    expect(() => throttle.configure(patch as object)).toThrow(message)
    expect(throttle.metrics).toEqual(before)
  })
})

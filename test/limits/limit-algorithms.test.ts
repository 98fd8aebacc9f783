import { describe, expect, it } from 'vitest'
import {
  aimd,
  type AimdOptions,
  gradient2,
  type Gradient2Options,
  type LimitAlgorithm,
  type LimitSample,
  vegas,
  type VegasOptions,
} from '../../src/limits/index.ts'

/** One limiter's estimator, fed by hand. */
class Fed {
  limit: number
  now = 0
  readonly #next: (sample: LimitSample, limit: number) => number

  constructor(algorithm: LimitAlgorithm, limit: number, random = 0) {
    this.limit = limit
    const estimator = algorithm.create({ random: () => random })
    this.#next = (sample, from) => estimator.next(sample, from)
  }

  /** A call that took `latencyMs`, ends now, and saw the limit used up unless told otherwise. */
  call(latencyMs: number, rest: Partial<LimitSample> = {}): number {
    const sample = {
      startedAt: this.now - latencyMs,
      endedAt: this.now,
      latencyMs,
      inFlight: Math.ceil(this.limit),
      dropped: false,
      ...rest,
    }
    this.limit = this.#next(sample, this.limit)
    return this.limit
  }

  /** One whole window of two alike calls, of an algorithm that was told so (1 s, two samples). */
  window(latencyMs: number, rest: Partial<LimitSample> = {}): number {
    this.now += 1
    this.call(latencyMs, rest)
    // Also as long as two round trips of the window before.
    this.now += 10_000
    return this.call(latencyMs, rest)
  }

  windows(times: number, latencyMs: number): number {
    for (let time = 0; time < times; time += 1) this.window(latencyMs)
    return this.limit
  }
}

describe('aimd', () => {
  const fed = (limit: number, options?: AimdOptions): Fed => new Fed(aimd(options), limit)

  it('adds one per round trip: a limit’s worth of answers', () => {
    const limiter = fed(10)
    expect(limiter.call(20)).toBe(10.1)
    for (let answers = 1; answers < 10; answers += 1) limiter.call(20)
    expect(limiter.limit).toBeCloseTo(11, 0)
    expect(limiter.limit).toBeLessThanOrEqual(11)
  })

  it('does not grow for callers who want no more', () => {
    const limiter = fed(10)
    expect(limiter.call(20, { inFlight: 4 })).toBe(10)
    expect(limiter.call(20, { inFlight: 5 })).toBe(10.1)
  })

  it('takes a tenth off after a drop, and at least one', () => {
    expect(fed(100).call(20, { dropped: true })).toBe(90)
    expect(fed(100, { backoffRatio: 0.5 }).call(20, { dropped: true })).toBe(50)
    expect(fed(5).call(20, { dropped: true })).toBe(4)
  })

  it('takes an answer that is too late for a drop', () => {
    expect(fed(100).call(5_000)).toBe(100.01)
    expect(fed(100).call(5_001)).toBe(90)
    expect(fed(100, { maxLatencyMs: 10 }).call(11)).toBe(90)
  })

  it('shrinks also when it was not used up: the service has less room than before', () => {
    expect(fed(100).call(20, { dropped: true, inFlight: 1 })).toBe(90)
  })

  it('cuts once for all that began before the cut', () => {
    const limiter = fed(100)
    limiter.now = 100
    for (let drops = 0; drops < 20; drops += 1) limiter.call(50, { dropped: true })
    expect(limiter.limit).toBe(90)
    limiter.now = 149
    limiter.call(50, { dropped: true })
    expect(limiter.limit).toBe(90)
    limiter.now = 150
    limiter.call(50, { dropped: true })
    expect(limiter.limit).toBe(81)
  })

  it('cuts on when the clock went backwards', () => {
    const limiter = fed(100)
    limiter.now = 1_000_000
    limiter.call(50, { dropped: true })
    limiter.now = 60
    expect(limiter.call(50, { dropped: true })).toBe(81)
  })

  it.each([
    [{ backoffRatio: 0.4 }, 'aimd: backoffRatio must be a finite number from 0.5 up to 1, got 0.4'],
    [{ backoffRatio: 1 }, 'aimd: backoffRatio must be below 1, got 1'],
    [{ maxLatencyMs: 0 }, 'aimd: maxLatencyMs must be a finite number from 1 up to'],
    [{ ratio: 1 }, 'aimd: unknown option "ratio"; known are backoffRatio, maxLatencyMs'],
  ])('refuses %j: %s', (options, message) => {
    expect(() => aimd(options as AimdOptions)).toThrow(message)
  })
})

describe('vegas', () => {
  const fed = (limit: number, options: VegasOptions = {}): Fed => new Fed(vegas({ minSamples: 2, ...options }), limit)

  /** One that has seen 100 ms without a queue, at this limit. */
  const knowing = (limit: number, options?: VegasOptions): Fed => {
    const limiter = fed(limit, options)
    limiter.window(100)
    limiter.limit = limit
    return limiter
  }

  it('grows fast while nothing queues', () => {
    expect(fed(20).window(100)).toBe(26)
    expect(knowing(20).window(100)).toBe(26)
    expect(knowing(20).window(105)).toBe(26)
    expect(knowing(200).window(101)).toBe(212)
  })

  it('grows slowly while little queues, rests when a few do, and shrinks when too many', () => {
    // ceil(50 × (1 - 100 / latency)): 2, 3, 6, 7.
    expect(knowing(50).window(103)).toBe(51)
    expect(knowing(50).window(106)).toBe(50)
    expect(knowing(50).window(113)).toBe(50)
    expect(knowing(50).window(115)).toBe(49)
  })

  it('takes bigger steps at bigger limits', () => {
    // log10 of 400 is 2: ceil(400 × (1 - 100 / latency)) is 4, 6, 12 and 13.
    expect(knowing(400).window(101)).toBe(402)
    expect(knowing(400).window(101.5)).toBe(400)
    expect(knowing(400).window(103)).toBe(400)
    expect(knowing(400).window(103.2)).toBe(398)
  })

  it('does not grow for callers who want no more, but learns from them', () => {
    expect(knowing(50).window(100, { inFlight: 24 })).toBe(50)
    expect(knowing(50).window(100, { inFlight: 25 })).toBe(56)
    const limiter = knowing(50)
    expect(limiter.window(50, { inFlight: 1 })).toBe(50)
    expect(limiter.window(50, { inFlight: 1 })).toBe(50)
    // Unloaded is 82 ms by now: of 100 ms that is a queue of nine.
    expect(limiter.window(100)).toBe(49)
  })

  it('averages the windows without a queue into the latency without one', () => {
    const limiter = knowing(50)
    limiter.window(50)
    limiter.limit = 50
    // A fifth of the way from 100 to 50 is 90 ms, and against that 100 ms is a queue of five.
    expect(limiter.window(100)).toBe(50)
    limiter.window(50)
    limiter.limit = 50
    // 82 ms, and a queue of nine.
    expect(limiter.window(100)).toBe(49)
  })

  it('averages those with hardly a queue in as well', () => {
    const limiter = knowing(50)
    for (let window = 0; window < 7; window += 1) {
      limiter.limit = 50
      // A queue of one.
      limiter.window(101.5)
    }
    limiter.limit = 50
    // Against 100 ms, 114.9 ms would be a queue of seven; it is 101.2 ms by now.
    expect(limiter.window(114.9)).toBe(50)
  })

  it('shrinks by a step after a drop', () => {
    expect(knowing(50).window(100, { dropped: true })).toBe(49)
    expect(knowing(200).window(100, { dropped: true })).toBe(198)
    expect(fed(50).window(100, { dropped: true })).toBe(49)
    const limiter = knowing(50)
    limiter.now += 1
    limiter.call(100, { dropped: true })
    limiter.now += 10_000
    expect(limiter.call(100)).toBe(49)
  })

  it('copes with answers in no time', () => {
    const limiter = fed(20)
    expect(limiter.window(0)).toBe(26)
    expect(limiter.window(0)).toBe(32)
  })

  it('waits a second and ten samples for each step, unless told otherwise', () => {
    const limiter = new Fed(vegas(), 20)
    for (let call = 0; call < 10; call += 1) limiter.call(10)
    expect(limiter.limit).toBe(20)
    limiter.now = 999
    expect(limiter.call(10)).toBe(20)
    limiter.now = 1_000
    expect(limiter.call(10)).toBe(26)
    limiter.now = 10_000
    for (let call = 1; call < 10; call += 1) expect(limiter.call(10)).toBe(26)
    expect(limiter.call(10)).toBe(32)
  })

  it('halves the limit for two windows after ten, to see the latency without a queue', () => {
    const limiter = fed(40)
    limiter.windows(9, 100)
    limiter.limit = 40
    expect(limiter.window(100)).toBe(20)
    // Calls from before may still be in the first; the second counts.
    expect(limiter.window(90)).toBe(20)
    expect(limiter.window(50)).toBe(40)
    // Against 50 ms, 100 ms is a queue of twenty.
    expect(limiter.window(100)).toBe(39)
  })

  it('learns nothing from a probe in which everything was dropped', () => {
    const limiter = fed(40)
    limiter.windows(10, 100)
    limiter.window(90)
    const resumed = limiter.window(1, { dropped: true })
    expect(limiter.window(100)).toBe(resumed + 6)
  })

  it.each([
    [0, 15],
    [0.5, 22.5],
    [0.999_999, 30],
  ])('probes again after 30 windows per call of the limit, less up to half by chance (%s)', (random, times) => {
    const limiter = new Fed(vegas({ minSamples: 2 }), 2, random)
    limiter.windows(10, 100)
    limiter.windows(2, 100)
    let windows = 0
    for (;;) {
      limiter.limit = 2
      windows += 1
      if (limiter.window(100) === 1) break
    }
    expect(windows).toBe(Math.ceil(times * 2))
  })

  it.each([
    [{ windowMs: 0 }, 'vegas: windowMs must be a finite number from 1 up to'],
    [{ minSamples: 0 }, 'vegas: minSamples must be an integer from 1, got 0'],
    [{ minSamples: 1.5 }, 'vegas: minSamples must be an integer from 1, got 1.5'],
    [{ probeMultiplier: 0.5 }, 'vegas: probeMultiplier must be a finite number from 1, got 0.5'],
    [{ alpha: 3 }, 'vegas: unknown option "alpha"; known are windowMs, minSamples, probeMultiplier'],
  ])('refuses %j: %s', (options, message) => {
    expect(() => vegas(options as VegasOptions)).toThrow(message)
  })
})

describe('gradient2', () => {
  const fed = (limit: number, options: Gradient2Options = {}): Fed =>
    new Fed(gradient2({ minSamples: 2, ...options }), limit)

  /** One that has seen 100 ms so long that it is normal. */
  const knowing = (limit: number, options?: Gradient2Options): Fed => {
    const limiter = fed(limit, options)
    limiter.windows(12, 100)
    limiter.limit = limit
    return limiter
  }

  it('grows by a part of the queue it allows while latency is normal', () => {
    expect(fed(50).window(100)).toBeCloseTo(50.8, 9)
    expect(knowing(50).window(100)).toBeCloseTo(50.8, 9)
    expect(knowing(50, { queueSize: 10 }).window(100)).toBeCloseTo(52, 9)
    expect(knowing(50, { smoothing: 1 }).window(100)).toBe(54)
  })

  it('still calls 1.5 times the normal latency normal', () => {
    expect(knowing(50).window(149)).toBeCloseTo(50.8, 9)
    expect(knowing(50, { tolerance: 1 }).window(149)).toBeLessThan(50)
  })

  it('shrinks as the latency parts from normal, but by no more than half, smoothed', () => {
    // The long average has moved by 2 / 601 of the difference; the gradient is 1.5 × that over 200.
    const long = 100 + (2 / 601) * 100
    expect(knowing(50).window(200)).toBeCloseTo(0.8 * 50 + 0.2 * (((1.5 * long) / 200) * 50 + 4), 9)
    expect(knowing(50).window(10_000)).toBeCloseTo(0.8 * 50 + 0.2 * (0.5 * 50 + 4), 9)
  })

  it('learns no latency from a window in which everything was dropped', () => {
    const limiter = knowing(50)
    limiter.window(1, { dropped: true })
    limiter.limit = 50
    expect(limiter.window(100)).toBeCloseTo(50.8, 9)
  })

  it('takes a drop for the steepest of all, and allows no queue then', () => {
    expect(knowing(50).window(100, { dropped: true })).toBe(45)
    expect(knowing(50).window(100, { dropped: true, inFlight: 1 })).toBe(45)
    const limiter = knowing(50)
    limiter.now += 1
    limiter.call(100, { dropped: true })
    limiter.now += 10_000
    expect(limiter.call(100)).toBe(45)
  })

  it('does not grow for callers who want no more', () => {
    expect(knowing(50).window(100, { inFlight: 24 })).toBe(50)
    expect(knowing(50).window(100, { inFlight: 25 })).toBeCloseTo(50.8, 9)
  })

  it('forgets an overload faster than it learned it: 5 % per window while normal is above twice of now', () => {
    const shrunk = knowing(50, { tolerance: 1, smoothing: 1, queueSize: 1 })
    shrunk.window(40)
    shrunk.window(40)
    // Twice 5 % off the long average, and a little of 40 in: 89.9; against 95 ms that is a gradient of 0.946.
    shrunk.limit = 100
    const gradient = (shrunk.window(95) - 1) / 100
    expect(gradient).toBeCloseTo(0.9465, 4)
  })

  it('copes with answers in no time', () => {
    expect(fed(20).window(0)).toBeCloseTo(20.8, 9)
  })

  it('waits a second and ten samples for each step, unless told otherwise', () => {
    const limiter = new Fed(gradient2(), 20)
    for (let call = 0; call < 10; call += 1) limiter.call(10)
    limiter.now = 999
    expect(limiter.call(10)).toBe(20)
    limiter.now = 1_000
    expect(limiter.call(10)).toBeCloseTo(20.8, 9)
  })

  it.each([
    [{ windowMs: 0 }, 'gradient2: windowMs must be a finite number from 1 up to'],
    [{ minSamples: 0 }, 'gradient2: minSamples must be an integer from 1, got 0'],
    [{ minSamples: 1.5 }, 'gradient2: minSamples must be an integer from 1, got 1.5'],
    [{ longWindow: 0 }, 'gradient2: longWindow must be an integer from 1, got 0'],
    [{ longWindow: 1.5 }, 'gradient2: longWindow must be an integer from 1, got 1.5'],
    [{ tolerance: 0.9 }, 'gradient2: tolerance must be a finite number from 1, got 0.9'],
    [{ queueSize: 0 }, 'gradient2: queueSize must be a finite number from 1, got 0'],
    [{ smoothing: 0 }, 'gradient2: smoothing must be a finite number above 0 up to 1, got 0'],
    [{ smoothing: 1.1 }, 'gradient2: smoothing must be a finite number above 0 up to 1, got 1.1'],
    [{ rtt: 1 }, 'gradient2: unknown option "rtt"'],
  ])('refuses %j: %s', (options, message) => {
    expect(() => gradient2(options as Gradient2Options)).toThrow(message)
  })
})

describe('an algorithm', () => {
  it.each([aimd(), vegas(), gradient2()])('is a frozen description that can serve many ($name)', (algorithm) => {
    expect(Object.isFrozen(algorithm)).toBe(true)
    const random = (): number => 0
    expect(algorithm.create({ random })).not.toBe(algorithm.create({ random }))
  })

  it('has a name', () => {
    expect([aimd(), vegas(), gradient2()].map(({ name }) => name)).toEqual(['aimd', 'vegas', 'gradient2'])
  })
})

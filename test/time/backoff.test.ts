import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Backoff,
  type BackoffMemory,
  exponentialBackoff,
  fixedBackoff,
  linearBackoff,
} from '../../src/time/backoff.ts'
import { decorrelatedBackoff } from '../../src/time/decorrelated-backoff.ts'
import { seededRandom } from '../../src/time/random.ts'

const delays = (backoff: Backoff, attempts: number[], random = () => 0.5): number[] =>
  attempts.map((attempt) => backoff.delayMs({ attempt, random }))

describe('backoffs', () => {
  it('fixed: the same each time', () => {
    expect(delays(fixedBackoff(), [1, 2, 30])).toEqual([100, 100, 100])
    expect(delays(fixedBackoff({ delayMs: 7 }), [1, 2])).toEqual([7, 7])
    expect(delays(fixedBackoff({ delayMs: 7, jitter: 'full' }), [1])).toEqual([3.5])
  })

  it('linear: a step per try, up to the maximum', () => {
    expect(delays(linearBackoff(), [1, 2, 3, 100, 101, 5_000])).toEqual([100, 200, 300, 10_000, 10_000, 10_000])
    expect(delays(linearBackoff({ stepMs: 5, maxMs: 12 }), [1, 2, 3])).toEqual([5, 10, 12])
    expect(delays(linearBackoff({ stepMs: 5, jitter: 'full' }), [2])).toEqual([5])
  })

  it('exponential: grows by the factor, up to the maximum', () => {
    const plain = exponentialBackoff({ jitter: 'none' })
    expect(delays(plain, [1, 2, 3, 7, 8, 1_000, 5_000])).toEqual([100, 200, 400, 6_400, 10_000, 10_000, 10_000])
    const other = exponentialBackoff({ baseMs: 10, factor: 3, maxMs: 100, jitter: 'none' })
    expect(delays(other, [1, 2, 3, 4])).toEqual([10, 30, 90, 100])
    expect(delays(exponentialBackoff({ baseMs: 10, factor: 1, jitter: 'none' }), [1, 9])).toEqual([10, 10])
  })

  it('exponential: a base of 0 stays 0, however far it grows', () => {
    expect(delays(exponentialBackoff({ baseMs: 0, jitter: 'none' }), [1, 2_000])).toEqual([0, 0])
  })

  it('exponential: has full jitter by default, evenly between 0 and the delay', () => {
    expect(delays(exponentialBackoff(), [1, 2, 3])).toEqual([50, 100, 200])
    const random = seededRandom(1)
    const many = Array.from({ length: 10_000 }, () => exponentialBackoff().delayMs({ attempt: 3, random }))
    const mean = many.reduce((sum, delay) => sum + delay, 0) / many.length
    expect(mean).toBeGreaterThan(195)
    expect(mean).toBeLessThan(205)
    expect(Math.min(...many)).toBeLessThan(5)
    expect(Math.max(...many)).toBeGreaterThan(395)
  })

  it('exponential: has a base of its own after a request for patience, if told', () => {
    const patient = exponentialBackoff({ baseMs: 10, throttlingBaseMs: 300, maxMs: 1_000, jitter: 'none' })
    const after = (kind: 'transient' | 'throttling' | undefined): number[] =>
      [1, 2, 3].map((attempt) => patient.delayMs({ attempt, random: () => 0, kind }))
    expect(after('throttling')).toEqual([300, 600, 1_000])
    expect(after('transient')).toEqual([10, 20, 40])
    expect(after(undefined)).toEqual([10, 20, 40])
    const same = exponentialBackoff({ baseMs: 10, jitter: 'none' })
    expect(same.delayMs({ attempt: 2, random: () => 0, kind: 'throttling' })).toBe(20)
    const still = exponentialBackoff({ baseMs: 10, throttlingBaseMs: 0, jitter: 'none' })
    expect(still.delayMs({ attempt: 5_000, random: () => 0, kind: 'throttling' })).toBe(0)
  })

  it('are frozen, and have names', () => {
    const all = [fixedBackoff(), linearBackoff(), exponentialBackoff(), decorrelatedBackoff()]
    expect(all.map(({ name }) => name)).toEqual(['fixed', 'linear', 'exponential', 'decorrelated'])
    for (const backoff of all) expect(Object.isFrozen(backoff)).toBe(true)
  })

  it('never answer anything but a number from 0 to the maximum (property)', () => {
    fc.assert(
      fc.property(
        fc.record({
          baseMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          factor: fc.double({ min: 1, max: 1_000, noNaN: true }),
          maxMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          jitter: fc.constantFrom('none' as const, 'full' as const, 'equal' as const),
        }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (options, attempt, chance) => {
          const delay = exponentialBackoff(options).delayMs({ attempt, random: () => chance })
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(options.maxMs)
        },
      ),
    )
  })

  it.each([
    [() => fixedBackoff({ delayMs: -1 }), 'fixedBackoff: delayMs must be a finite number from 0 up to'],
    [() => fixedBackoff({ delayMs: Number.NaN }), 'got NaN'],
    [() => fixedBackoff({ delayMs: 2 ** 31 }), 'got 2147483648'],
    [
      () => fixedBackoff({ jitter: 'some' as never }),
      "fixedBackoff: jitter must be one of 'none', 'full', 'equal', 'proportional', got \"some\"",
    ],
    [
      () => fixedBackoff({ jitterRatio: 0.1 }),
      "RangeError: fixedBackoff: jitterRatio must be left out with jitter 'none', got 0.1",
    ],
    [() => exponentialBackoff({ jitterRatio: 0 }), "jitterRatio must be left out with jitter 'full', got 0"],
    [
      () => linearBackoff({ jitter: 'proportional', jitterRatio: 1.1 }),
      'linearBackoff: jitterRatio must be a finite number from 0 up to 1, got 1.1',
    ],
    [() => linearBackoff({ jitter: 'proportional', jitterRatio: -0.1 }), 'got -0.1'],
    [() => exponentialBackoff({ throttlingBaseMs: -1 }), 'exponentialBackoff: throttlingBaseMs must be'],
    [() => decorrelatedBackoff({ baseMs: -1 }), 'decorrelatedBackoff: baseMs must be a finite number from 0 up to'],
    [() => decorrelatedBackoff({ maxMs: Number.NaN }), 'decorrelatedBackoff: maxMs must be a finite number'],
    [
      () => decorrelatedBackoff({ formula: 'mine' as never }),
      "decorrelatedBackoff: formula must be one of 'aws', 'polly', got \"mine\"",
    ],
    [() => decorrelatedBackoff({ jitter: 'full' } as never), 'decorrelatedBackoff: unknown option "jitter"'],
    [() => linearBackoff({ stepMs: Infinity }), 'linearBackoff: stepMs must be a finite number'],
    [() => linearBackoff({ baseMs: 4 } as never), 'linearBackoff: unknown option "baseMs"'],
    [() => exponentialBackoff({ factor: 0.5 }), 'exponentialBackoff: factor must be a finite number from 1 up to 1000'],
    [() => exponentialBackoff({ maxMs: '5' as never }), 'exponentialBackoff: maxMs must be'],
    [() => exponentialBackoff({ maxDelay: 4 } as never), 'exponentialBackoff: unknown option "maxDelay"'],
  ])('%o is refused (FAULTS 44, 45)', (make, message) => {
    let complaint: unknown
    try {
      make()
    } catch (error) {
      complaint = error
    }
    expect(String(complaint)).toContain(message)
  })
})

describe('jitter', () => {
  const spread = (options: Parameters<typeof fixedBackoff>[0]): number[] =>
    [0, 0.5, 1].map((chance) =>
      fixedBackoff({ delayMs: 100, ...options }).delayMs({ attempt: 1, random: () => chance }),
    )

  it.each([
    [{}, [100, 100, 100]],
    [{ jitter: 'none' as const }, [100, 100, 100]],
    [{ jitter: 'full' as const }, [0, 50, 100]],
    [{ jitter: 'equal' as const }, [50, 75, 100]],
    [{ jitter: 'proportional' as const }, [75, 100, 125]],
    [{ jitter: 'proportional' as const, jitterRatio: 0 }, [100, 100, 100]],
    [{ jitter: 'proportional' as const, jitterRatio: 1 }, [0, 100, 200]],
  ])('%j spreads 100 ms over %j', (options, expected) => {
    expect(spread(options)).toEqual(expected)
  })

  it('comes after the upper bound, so that delays at the bound are spread as well', () => {
    const options = { maxMs: 100, jitter: 'proportional' as const, jitterRatio: 0.1 }
    for (const bounded of [exponentialBackoff(options), linearBackoff(options)]) {
      expect(bounded.delayMs({ attempt: 9, random: () => 1 })).toBeCloseTo(110)
      expect(bounded.delayMs({ attempt: 9, random: () => 0 })).toBeCloseTo(90)
    }
  })

  it('of linear and fixed backoffs is none unless told', () => {
    expect(delays(linearBackoff(), [1], () => 0)).toEqual([100])
    expect(delays(fixedBackoff(), [1], () => 0)).toEqual([100])
  })
})

describe('decorrelated by AWS’s formula', () => {
  it('draws between the base and three times the delay before', () => {
    const drawn = (previousDelayMs: number | undefined, chance: number): number =>
      decorrelatedBackoff().delayMs({ attempt: 2, previousDelayMs, random: () => chance })
    expect([0, 0.5, 1].map((chance) => drawn(undefined, chance))).toEqual([100, 200, 300])
    expect([0, 0.5, 1].map((chance) => drawn(1_000, chance))).toEqual([100, 1_550, 3_000])
    expect(drawn(9_000, 1)).toBe(10_000)
    expect(drawn(9_000, 0)).toBe(100)
    // A delay before that is shorter than a third of the base leaves no range below the base.
    expect([0, 1].map((chance) => drawn(10, chance))).toEqual([100, 100])
  })

  it('takes its base and its bound', () => {
    const custom = decorrelatedBackoff({ baseMs: 5, maxMs: 12 })
    expect([0, 0.5, 1].map((chance) => custom.delayMs({ attempt: 1, random: () => chance }))).toEqual([5, 10, 12])
  })
})

describe('decorrelated by Polly’s formula', () => {
  const polly = decorrelatedBackoff({ baseMs: 1_000, maxMs: 1e9, formula: 'polly' })
  const curve = (t: number): number => (2 ** t * Math.tanh(Math.sqrt(4 * t)) * 1_000) / 1.4

  it('is the step from one drawn point of the curve to the next', () => {
    const memory: BackoffMemory = {}
    const chances = [0.3, 0.9, 0.1]
    const drawn = chances.map((chance, index) => polly.delayMs({ attempt: index + 1, random: () => chance, memory }))
    const points = [0, 0.3, 1.9, 2.1].map(curve)
    expect(drawn).toEqual([1, 2, 3].map((n) => expect.closeTo((points[n] as number) - (points[n - 1] as number), 6)))
    expect(memory.phase).toBeCloseTo((curve(2.1) * 1.4) / 1_000, 9)
  })

  it('draws where the last step ended, if nothing remembers', () => {
    const chances = [0.25, 0.75]
    const random = (): number => chances.shift() as number
    expect(polly.delayMs({ attempt: 3, random })).toBeCloseTo(curve(2.75) - curve(1.25), 6)
    expect(polly.delayMs({ attempt: 1, random: () => 0.5 })).toBeCloseTo(curve(0.5), 6)
  })

  it('begins at the start of the curve with a first retry, whatever is remembered', () => {
    expect(polly.delayMs({ attempt: 1, random: () => 0.5, memory: { phase: 1e6 } })).toBeCloseTo(curve(0.5), 6)
  })

  it('begins its tries, in the median, near 1, 2 and 4 times the base after the first failure', () => {
    const random = seededRandom(7)
    const rows = Array.from({ length: 4_001 }, () => {
      const memory: BackoffMemory = {}
      let since = 0
      return [1, 2, 3].map((attempt) => (since += polly.delayMs({ attempt, random, memory })))
    })
    const medians = [0, 1, 2].map((column) => rows.map((row) => row[column] as number).toSorted((a, b) => a - b)[2_000])
    for (const [index, expected] of [1_000, 2_000, 4_000].entries()) {
      expect((medians[index] as number) / expected).toBeGreaterThan(0.85)
      expect((medians[index] as number) / expected).toBeLessThan(1.05)
    }
  })

  it('stays at its bound where the curve is infinite, and at 0 with a base of 0', () => {
    const bounded = decorrelatedBackoff({ formula: 'polly' })
    expect(bounded.delayMs({ attempt: 1_023, random: () => 0.5 })).toBe(10_000)
    expect(bounded.delayMs({ attempt: 5_000, random: () => 0.5, memory: { phase: Infinity } })).toBe(10_000)
    const still = decorrelatedBackoff({ baseMs: 0, formula: 'polly' })
    expect([1, 2, 5_000].map((attempt) => still.delayMs({ attempt, random: () => 0.5 }))).toEqual([0, 0, 0])
  })
})

it('decorrelated delays are numbers from 0 to the maximum, AWS’s not below the base (property)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_000 }),
      fc.integer({ min: 1_000, max: 100_000 }),
      fc.constantFrom('aws' as const, 'polly' as const),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { minLength: 80, maxLength: 80 }),
      (baseMs, maxMs, formula, chances) => {
        const described = decorrelatedBackoff({ baseMs, maxMs, formula })
        const memory: BackoffMemory = {}
        let previousDelayMs: number | undefined
        for (let attempt = 1; attempt <= 40; attempt += 1) {
          const random = (): number => chances[attempt * 2 - 1] as number
          previousDelayMs = described.delayMs({ attempt, previousDelayMs, random, memory })
          expect(previousDelayMs).toBeGreaterThanOrEqual(formula === 'aws' ? baseMs : 0)
          expect(previousDelayMs).toBeLessThanOrEqual(maxMs)
        }
      },
    ),
  )
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RollingQuantile } from '../../src/stats/quantile.ts'

/** The smallest value that at least so large a share does not exceed. */
function exact(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(quantile * sorted.length) - 1] as number
}

function filled(quantile: number, values: readonly number[]): RollingQuantile {
  const rolling = new RollingQuantile(quantile, 30_000)
  for (const value of values) rolling.add(value, 0)
  return rolling
}

const near = (value: number): { min: number; max: number } => ({ min: value * 0.949_999, max: value * 1.050_001 })

describe('a rolling quantile', () => {
  it('knows nothing before the first value', () => {
    const rolling = new RollingQuantile(0.5, 1_000)
    expect(rolling.value(0)).toBeUndefined()
    expect(rolling.samples(0)).toBe(0)
  })

  it('is wrong by 5 % at most, whatever was recorded', () => {
    expect(RollingQuantile.RELATIVE_ERROR).toBe(0.05)
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 3_600_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.01, 0.5, 0.9, 0.95, 0.99, 1),
        (values, quantile) => {
          const { min, max } = near(exact(values, quantile))
          const value = filled(quantile, values).value(0)
          expect(value).toBeGreaterThanOrEqual(min)
          expect(value).toBeLessThanOrEqual(max)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes the nearest rank: 95 of 100 values do not exceed the 95th percentile', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => (index < 95 ? 10 : 1_000))
    expect(filled(0.95, hundred).value(0)).toBeLessThan(11)
    expect(filled(0.96, hundred).value(0)).toBeGreaterThan(900)
    expect(filled(0.95, hundred.slice(1)).value(0)).toBeGreaterThan(900)
  })

  it('counts what is shorter than 0.1 ms as that, and what is longer than an hour as an hour', () => {
    expect(filled(0.5, [0]).value(0)).toBe(0.1)
    expect(filled(0.5, [0.1]).value(0)).toBe(0.1)
    const short = new RollingQuantile(1, 30_000)
    short.add(0.05, 10_000)
    expect(short.samples(30_000)).toBe(1)
    expect(short.value(30_000)).toBe(0.1)
    expect(short.samples(40_000)).toBe(0)
    expect(filled(0.5, [0.101]).value(0)).toBeGreaterThan(0.1)
    const longest = filled(0.5, [1e12]).value(0) as number
    expect(longest).toBeGreaterThanOrEqual(near(3_600_000).min)
    expect(longest).toBeLessThan(3_600_000 * 1.1)
    expect(filled(0.5, [Number.POSITIVE_INFINITY]).value(0)).toBe(longest)
  })

  it('drops what is no duration', () => {
    const rolling = filled(0.5, [Number.NaN, -1, Number.NEGATIVE_INFINITY])
    expect(rolling.samples(0)).toBe(0)
    expect(rolling.value(0)).toBeUndefined()
  })

  it('remembers a value for at least two thirds of the window, and for no more than all of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 100_000 }), (at, wait) => {
        const rolling = new RollingQuantile(0.5, 30_000)
        rolling.add(5, at)
        const samples = rolling.samples(at + wait)
        if (wait <= 20_000) expect(samples).toBe(1)
        if (wait >= 30_000) expect(samples).toBe(0)
      }),
    )
  })

  it('forgets slice by slice, and its answer with them', () => {
    const rolling = new RollingQuantile(1, 30_000)
    rolling.add(500, 0)
    rolling.add(50, 10_000)
    rolling.add(5, 20_000)
    expect(rolling.samples(29_999)).toBe(3)
    expect(rolling.value(29_999)).toBeGreaterThan(400)
    expect(rolling.value(30_000)).toBeLessThan(60)
    expect(rolling.samples(30_000)).toBe(2)
    expect(rolling.value(40_000)).toBeLessThan(6)
    expect(rolling.value(50_000)).toBeUndefined()
  })

  it('works at times below zero', () => {
    const rolling = new RollingQuantile(0.5, 30_000)
    for (const now of [-25_000, -15_000, -5_000]) rolling.add(5, now)
    expect(rolling.samples(-1)).toBe(3)
    expect(rolling.samples(4_999)).toBe(2)
    expect(rolling.samples(14_999)).toBe(1)
    expect(rolling.samples(20_000)).toBe(0)
    rolling.clear()
    rolling.add(5, -25_000)
    expect(rolling.samples(-6_000)).toBe(1)
    expect(rolling.samples(5_000)).toBe(0)
  })

  it('forgets everything when the clock goes backwards, and starts again', () => {
    const rolling = new RollingQuantile(0.5, 30_000)
    rolling.add(5, 1_000_000)
    rolling.add(500, 0)
    expect(rolling.samples(0)).toBe(1)
    expect(rolling.value(0)).toBeGreaterThan(400)
    expect(rolling.samples(30_000)).toBe(0)
  })

  it('can be told to forget everything', () => {
    const rolling = filled(0.5, [1, 2, 3])
    rolling.clear()
    expect(rolling.samples(0)).toBe(0)
    rolling.add(7, 0)
    expect(rolling.value(0)).toBeGreaterThan(6)
  })

  it('agrees with counting everything, at any moment of any schedule', () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 15_000 }), value: fc.integer({ min: 1, max: 10_000 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rolling = new RollingQuantile(0.9, 30_000)
        const all: { at: number; value: number }[] = []
        let now = 0
        for (const { waitMs, value } of steps) {
          now += waitMs
          rolling.add(value, now)
          all.push({ at: now, value })
          const kept = all.filter(({ at }) => Math.floor(at / 10_000) > Math.floor(now / 10_000) - 3)
          expect(rolling.samples(now)).toBe(kept.length)
          const { min, max } = near(
            exact(
              kept.map((one) => one.value),
              0.9,
            ),
          )
          expect(rolling.value(now)).toBeGreaterThanOrEqual(min)
          expect(rolling.value(now)).toBeLessThanOrEqual(max)
        }
      }),
    )
  })
})

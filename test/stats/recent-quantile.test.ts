import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentQuantile } from '../../src/stats/recent-quantile.ts'

describe('RecentQuantile', () => {
  it('is undefined before the first value', () => {
    expect(new RecentQuantile(0.5, 4).value).toBeUndefined()
  })

  it.each([
    [0, 1],
    [0.2, 1],
    [0.21, 2],
    [0.5, 3],
    [0.6, 3],
    [0.61, 4],
    [1, 5],
  ])('of %f among 1 to 5 is %i', (quantile, expected) => {
    const recent = new RecentQuantile(quantile, 8)
    for (const value of [5, 3, 1, 4, 2]) recent.add(value)
    expect(recent.value).toBe(expected)
  })

  it('remembers the last values only', () => {
    const recent = new RecentQuantile(1, 3)
    for (const value of [9, 9, 1, 2]) recent.add(value)
    expect(recent.value).toBe(9)
    recent.add(3)
    expect(recent.value).toBe(3)
  })

  it('is what sorting the last values says', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), fc.integer({ min: 1, max: 6 }), (values, size) => {
        const recent = new RecentQuantile(0.7, size)
        for (const [i, value] of values.entries()) {
          recent.add(value)
          const last = values.slice(Math.max(0, i + 1 - size), i + 1).toSorted((a, b) => a - b)
          expect(recent.value).toBe(last[Math.max(0, Math.ceil(0.7 * last.length) - 1)])
        }
      }),
      { seed: 20_261_101 },
    )
  })
})

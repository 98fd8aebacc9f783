import { describe, expect, it } from 'vitest'
import { percentile } from '../../examples/demo/percentile.ts'

describe('a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)

  it.each([
    [0, 1],
    [0.5, 50],
    [0.99, 99],
    [0.991, 100],
    [1, 100],
  ])('of share %d is a value that was measured, by nearest rank', (share, expected) => {
    expect(percentile(hundred, share)).toBe(expected)
  })

  it('of one value is that value, and of none is 0', () => {
    expect(percentile([7], 0.99)).toBe(7)
    expect(percentile([], 0.5)).toBe(0)
  })
})

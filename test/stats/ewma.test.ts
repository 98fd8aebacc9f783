import { describe, expect, it } from 'vitest'
import { Ewma } from '../../src/stats/ewma.ts'

describe('Ewma', () => {
  it('knows nothing at first', () => {
    expect(new Ewma(10).value).toBe(0)
  })

  it('averages the first ten plainly', () => {
    const average = new Ewma(600)
    const values = Array.from({ length: 10 }, (_, index) => average.add(index))
    expect(values.map((value) => Number(value.toFixed(9)))).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5])
  })

  it('gives each later one 2 / (samples + 1) of the say', () => {
    const average = new Ewma(9, 2)
    average.add(10)
    average.add(20)
    expect(average.add(25)).toBe(17)
    expect(average.value).toBe(17)
    expect(average.add(17)).toBe(17)
  })

  it('can be corrected', () => {
    const average = new Ewma(9, 1)
    average.add(40)
    average.scale(0.5)
    expect(average.value).toBe(20)
    expect(average.add(30)).toBe(22)
  })
})

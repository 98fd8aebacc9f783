import { afterEach, describe, expect, it, vi } from 'vitest'
import { randomIndex, seededRandom, systemRandom } from '../../src/time/random.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const take = (seed: number): number[] => Array.from({ length: 5 }, seededRandom(seed))

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    expect(take(1)).toEqual(take(1))
    expect(take(1)).not.toEqual(take(2))
  })

  it('gives the numbers of mulberry32', () => {
    expect(Math.floor(seededRandom(0)() * 2 ** 32)).toBe(1_144_304_738)
  })

  it('is spread evenly over [0, 1)', () => {
    const random = seededRandom(7)
    const bins = Array.from({ length: 10 }, () => 0)
    for (let i = 0; i < 100_000; i += 1) {
      const value = random()
      expect(value >= 0 && value < 1).toBe(true)
      bins[Math.floor(value * 10)]! += 1
    }
    for (const count of bins) expect(Math.abs(count - 10_000)).toBeLessThan(400)
  })
})

it('systemRandom looks Math.random up when it is used', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.25)
  expect(systemRandom()).toBe(0.25)
})

it('randomIndex stays below its bound, even with a source that answers 1', () => {
  expect([0, 0.32, 0.34, 0.99, 1].map((value) => randomIndex(() => value, 3))).toEqual([0, 0, 1, 2, 2])
})

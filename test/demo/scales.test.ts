import { describe, expect, it } from 'vitest'
import {
  linearScale,
  linearTicks,
  logDomain,
  logScale,
  logTicks,
  timeTicks,
} from '../../examples/demo/report/scales.ts'

/** From values to pixels, and which values get a label. */

describe('a linear scale', () => {
  it('goes from edge to edge, upwards on the screen too', () => {
    const y = linearScale([0.7, 1], [200, 20])
    expect([y(0.7), y(0.85), y(1)].map(Math.round)).toEqual([200, 110, 20])
  })

  it('survives a domain without extent', () => {
    expect(linearScale([1, 1], [0, 10])(1)).toBe(0)
  })

  it.each([
    [[0, 1], 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [[0.7, 1], 5, [0.7, 0.8, 0.9, 1]],
    [[1, 1.3], 4, [1, 1.1, 1.2, 1.3]],
    [[3, 3], 4, [3]],
  ] as const)('has round ticks within %j', (domain, count, ticks) => {
    expect(linearTicks(domain, count)).toEqual(ticks)
  })
})

describe('a logarithmic scale', () => {
  it('gives each decade the same room, and puts 0 at its edge', () => {
    const y = logScale([1, 1_000], [300, 0])
    expect([1, 10, 100, 1_000, 0, -5].map((value) => Math.round(y(value)))).toEqual([300, 200, 100, 0, 300, 300])
  })

  it.each([
    [
      [4.2, 1_001],
      [2, 2_000],
    ],
    [
      [3.9, 4.4],
      [2, 20],
    ],
    [
      [1, 1_000],
      [1, 1_000],
    ],
    [[0.03], [0.02, 0.2]],
    [
      [0, Number.NaN],
      [1, 10],
    ],
    [[], [1, 10]],
  ] as const)('spans %j with round edges, a decade at least', (values, domain) => {
    expect(logDomain(values)).toEqual(domain)
  })

  it('has powers of ten as ticks, and more where there would be hardly any', () => {
    expect(logTicks([2, 2_000])).toEqual([10, 100, 1_000])
    expect(logTicks([2, 20])).toEqual([2, 5, 10, 20])
    expect(logTicks([0.1, 1])).toEqual([0.1, 0.2, 0.5, 1])
  })
})

describe('the ticks of time', () => {
  it.each([
    [10, 12, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [40, 12, [0, 5, 10, 15, 20, 25, 30, 35, 40]],
    [40, 5, [0, 10, 20, 30, 40]],
    [3_600, 6, [0, 600, 1_200, 1_800, 2_400, 3_000, 3_600]],
  ])('of %i s, about %i of them', (seconds, count, ticks) => {
    expect(timeTicks(seconds, count)).toEqual(ticks)
  })
})

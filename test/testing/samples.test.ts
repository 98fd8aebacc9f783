import { describe, expect, it } from 'vitest'
import { Samples } from '../../src/testing/samples.ts'
import { TimeSeries } from '../../src/testing/time-series.ts'

describe('Samples', () => {
  it('answers exact quantiles by nearest rank, also between additions', () => {
    const samples = new Samples()
    for (const value of [30, 10, 20, 40]) samples.add(value)
    expect([0, 0.25, 0.26, 0.5, 0.75, 0.76, 1].map((share) => samples.quantile(share))).toEqual([
      10, 10, 20, 20, 30, 40, 40,
    ])
    samples.add(5)
    expect(samples.quantile(0)).toBe(5)
    expect([samples.count, samples.mean]).toEqual([5, 21])
  })

  it('grows with what it is given', () => {
    const samples = new Samples()
    for (let i = 5_000; i > 0; i -= 1) samples.add(i)
    expect([samples.count, samples.quantile(0), samples.quantile(0.999), samples.quantile(1)]).toEqual([
      5_000, 1, 4_995, 5_000,
    ])
    expect(samples.mean).toBe(2_500.5)
  })

  it('answers NaN without samples', () => {
    expect([new Samples().mean, new Samples().quantile(0.5), new Samples().count]).toEqual([Number.NaN, Number.NaN, 0])
  })

  it.each([-0.1, 1.1, Number.NaN])('refuses the share %s', (share) => {
    expect(() => new Samples().quantile(share)).toThrow(
      new RangeError(`Samples: share must be from 0 to 1, got ${share}`),
    )
  })
})

describe('TimeSeries', () => {
  it('counts by bucket, and fills those in which nothing was', () => {
    const series = new TimeSeries(100)
    for (const ms of [0, 99.9, 100, 350]) series.add(ms)
    expect(series.values).toEqual([2, 1, 0, 1])
    expect([series.at(50), series.at(199), series.at(250), series.at(999)]).toEqual([2, 1, 0, 0])
  })

  it('adds up the buckets that begin in a span, its end left out', () => {
    const series = new TimeSeries(100)
    for (const ms of [0, 100, 200, 300]) series.add(ms)
    expect(series.sum(0, 200)).toBe(2)
    expect(series.sum(0, 201)).toBe(3)
    expect(series.sum(1, 400)).toBe(3)
    expect(series.sum(-500, 10_000)).toBe(4)
    expect(series.sum(200, 200)).toBe(0)
  })

  it('has buckets of a second unless told, and of more than nothing', () => {
    expect(new TimeSeries().bucketMs).toBe(1_000)
    expect(() => new TimeSeries(0)).toThrow(new RangeError('TimeSeries: bucketMs must be above 0, got 0'))
  })
})

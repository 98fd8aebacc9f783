import { describe, expect, it } from 'vitest'
import { type ArrivalOptions, arrivals } from '../../src/testing/arrivals.ts'
import { Simulation } from '../../src/testing/simulation.ts'

function moments(options: ArrivalOptions, untilMs?: number, seed = 1): number[] {
  const simulation = new Simulation({ seed })
  const seen: number[] = []
  arrivals(simulation, options, () => seen.push(simulation.now()))
  simulation.run(untilMs)
  return seen
}

describe('arrivals', () => {
  it('come at even distances when constant, from one moment until before another', () => {
    expect(moments({ perSecond: 100, pattern: 'constant', untilMs: 50 })).toEqual([10, 20, 30, 40])
    expect(moments({ perSecond: 100, pattern: 'constant', fromMs: 1_000, untilMs: 1_021 })).toEqual([1_010, 1_020])
  })

  it('go on until the run ends, when they have no end of their own', () => {
    expect(moments({ perSecond: 1_000, pattern: 'constant' }, 5)).toEqual([1, 2, 3, 4, 5])
  })

  it('come by chance when Poisson: the mean is the rate, and the variance of their number is their mean', () => {
    const seen = moments({ perSecond: 200, untilMs: 1_000_000 })
    expect(seen.length / 1_000).toBeGreaterThan(198)
    expect(seen.length / 1_000).toBeLessThan(202)
    const perSecond = Array.from({ length: 1_000 }, () => 0)
    for (const ms of seen) perSecond[Math.floor(ms / 1_000)]! += 1
    const variance = perSecond.reduce((sum, count) => sum + (count - 200) ** 2, 0) / 1_000
    expect(variance).toBeGreaterThan(170)
    expect(variance).toBeLessThan(230)
  })

  it('are the same for the same seed and name, and others for others', () => {
    const options = { perSecond: 100, untilMs: 100 }
    expect(moments(options)).toEqual(moments({ ...options, pattern: 'poisson', name: 'arrivals' }))
    expect(moments(options)).not.toEqual(moments(options, undefined, 2))
    expect(moments(options)).not.toEqual(moments({ ...options, name: 'others' }))
  })

  it('do not wait for what they began', () => {
    const simulation = new Simulation()
    let open = 0
    arrivals(simulation, { perSecond: 100, pattern: 'constant', untilMs: 105 }, () => (open += 1))
    simulation.run()
    expect(open).toBe(10)
  })

  it.each([
    [{}, 'arrivals: perSecond must be a finite number above 0, got undefined'],
    [{ perSecond: 0 }, 'arrivals: perSecond must be a finite number above 0, got 0'],
    [{ perSecond: 1, pattern: 'bursts' }, `arrivals: pattern must be one of 'poisson', 'constant', got "bursts"`],
    [{ perSecond: 1, fromMs: -1 }, 'arrivals: fromMs must be a finite number from 0, got -1'],
    [{ perSecond: 1, untilMs: -1 }, 'arrivals: untilMs must be a finite number from 0, got -1'],
    [{ perSecond: 1, rate: 1 }, 'arrivals: unknown option "rate"'],
  ])('refuse %j', (options, message) => {
    expect(() => arrivals(new Simulation(), options as ArrivalOptions, () => {})).toThrow(message)
  })
})

import { describe, expect, it } from 'vitest'
import {
  constant,
  type Distribution,
  empirical,
  exponential,
  lognormal,
  mixture,
  normal,
  pareto,
  uniform,
} from '../../src/testing/distributions.ts'
import { Samples } from '../../src/testing/samples.ts'
import { seededRandom } from '../../src/time/random.ts'

const SEED = Number(process.env['GATELESS_SEED'] ?? 20_261_101)

function drawn(distribution: Distribution, count = 100_000): Samples {
  const random = seededRandom(SEED)
  const samples = new Samples()
  for (let i = 0; i < count; i += 1) samples.add(distribution(random))
  return samples
}

/** Within 3 %. */
function about(value: number, expected: number): void {
  expect(value / expected).toBeGreaterThan(0.97)
  expect(value / expected).toBeLessThan(1.03)
}

describe(`distributions (seed ${SEED})`, () => {
  it('constant is always the same', () => {
    const samples = drawn(constant(7), 10)
    expect([samples.quantile(0), samples.quantile(1)]).toEqual([7, 7])
  })

  it('uniform is even between its bounds', () => {
    const samples = drawn(uniform(10, 30))
    expect(samples.quantile(0)).toBeGreaterThanOrEqual(10)
    expect(samples.quantile(1)).toBeLessThan(30)
    about(samples.quantile(0.25), 15)
    about(samples.mean, 20)
  })

  it('exponential has its mean, and its median at ln 2 of it', () => {
    const samples = drawn(exponential(5))
    about(samples.mean, 5)
    about(samples.quantile(0.5), 5 * Math.LN2)
    expect(samples.quantile(0)).toBeGreaterThanOrEqual(0)
  })

  it('exponential never answers infinity, whatever chance says', () => {
    expect(exponential(5)(() => 0)).toBeCloseTo(0)
    expect(exponential(5)(() => 1 - 2 ** -32)).toBeLessThan(200)
  })

  it('normal has its mean and its deviation, and mirrors what would be negative', () => {
    const samples = drawn(normal(10, 2))
    about(samples.mean, 10)
    about(samples.quantile(0.8413), 12)
    about(samples.quantile(0.1587), 8)
    expect(drawn(normal(0, 2)).quantile(0)).toBeGreaterThanOrEqual(0)
    about(drawn(normal(0, 2)).mean, 2 * Math.sqrt(2 / Math.PI))
  })

  it('lognormal has the quantiles it was made of', () => {
    const samples = drawn(lognormal({ medianMs: 20, p99Ms: 200 }))
    about(samples.quantile(0.5), 20)
    about(samples.quantile(0.99), 200)
    expect(drawn(lognormal({ medianMs: 20, p99Ms: 20 }), 10).quantile(1)).toBeCloseTo(20)
  })

  it('pareto begins at its minimum, and its tail falls by its shape', () => {
    const samples = drawn(pareto({ minMs: 2, shape: 1.5 }))
    expect(samples.quantile(0)).toBeGreaterThanOrEqual(2)
    about(samples.quantile(0.5), 2 * 2 ** (1 / 1.5))
    about(samples.quantile(0.99), 2 * 100 ** (1 / 1.5))
  })

  it('empirical draws what was measured, each as often', () => {
    const measured = [1, 2, 3, 4]
    const distribution = empirical(measured)
    measured[0] = 99
    about(drawn(distribution).mean, 2.5)
    expect(distribution(() => 0)).toBe(1)
    expect(distribution(() => 0.25)).toBe(2)
    // A source of chance that wrongly answers 1.
    expect(distribution(() => 1)).toBe(4)
  })

  it('mixture draws from its parts by weight', () => {
    const distribution = mixture([3, constant(1)], [0, constant(50)], [1, constant(100)])
    about(drawn(distribution).mean, 0.75 * 1 + 0.25 * 100)
    expect(distribution(() => 0.749)).toBe(1)
    expect(distribution(() => 0.75)).toBe(100)
    expect(distribution(() => 1)).toBe(100)
  })

  it.each<[() => unknown, string]>([
    [() => constant(-1), 'constant: ms must be a finite number from 0, got -1'],
    [() => constant(Number.POSITIVE_INFINITY), 'constant: ms must be a finite number from 0, got Infinity'],
    [() => uniform(-1, 2), 'uniform: minMs must be a finite number from 0, got -1'],
    [() => uniform(3, 2), 'uniform: maxMs must be a finite number from 3, got 2'],
    [() => uniform(3, Number.POSITIVE_INFINITY), 'uniform: maxMs must be a finite number from 3, got Infinity'],
    [() => exponential(Number.NaN), 'exponential: meanMs must be a finite number from 0, got NaN'],
    [() => normal(-1, 1), 'normal: meanMs must be a finite number from 0, got -1'],
    [() => normal(1, -1), 'normal: deviationMs must be a finite number from 0, got -1'],
    [() => lognormal({ medianMs: 0, p99Ms: 1 }), 'lognormal: medianMs must be a finite number above 0, got 0'],
    [() => lognormal({ medianMs: 2, p99Ms: 1 }), 'lognormal: p99Ms must be a finite number from 2, got 1'],
    [
      () => lognormal({ medianMs: 2, p99Ms: Infinity }),
      'lognormal: p99Ms must be a finite number from 2, got Infinity',
    ],
    [() => pareto({ minMs: 0, shape: 1 }), 'pareto: minMs must be a finite number above 0, got 0'],
    [() => pareto({ minMs: 1, shape: 0 }), 'pareto: shape must be a finite number above 0, got 0'],
    [() => pareto({ minMs: 1, shape: Infinity }), 'pareto: shape must be a finite number above 0, got Infinity'],
    [() => empirical([]), 'empirical: samplesMs must hold at least one sample'],
    [() => empirical([1, -1]), 'empirical: every sample must be a finite number from 0, got -1'],
    [() => mixture(), 'mixture: the weights must add up to more than 0'],
    [() => mixture([0, constant(1)]), 'mixture: the weights must add up to more than 0'],
    [() => mixture([-1, constant(1)]), 'mixture: every weight must be a finite number from 0, got -1'],
  ])('refuse what makes no sense: %s', (make, message) => {
    expect(make).toThrow(new RangeError(message))
  })

  it('may be made of a mean of 0', () => {
    expect(exponential(0)(seededRandom(1))).toBe(0)
    expect(uniform(0, 0)(seededRandom(1))).toBe(0)
  })
})

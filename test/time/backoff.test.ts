import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Backoff, exponentialBackoff, fixedBackoff, linearBackoff } from '../../src/time/backoff.ts'
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

  it('are frozen, and have names', () => {
    const all = [fixedBackoff(), linearBackoff(), exponentialBackoff()]
    expect(all.map(({ name }) => name)).toEqual(['fixed', 'linear', 'exponential'])
    for (const backoff of all) expect(Object.isFrozen(backoff)).toBe(true)
  })

  it('never answer anything but a number from 0 to the maximum (property)', () => {
    fc.assert(
      fc.property(
        fc.record({
          baseMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          factor: fc.double({ min: 1, max: 1_000, noNaN: true }),
          maxMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          jitter: fc.constantFrom('none' as const, 'full' as const),
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
    [() => fixedBackoff({ jitter: 'equal' as never }), "fixedBackoff: jitter must be one of 'none', 'full'"],
    [() => linearBackoff({ stepMs: Infinity }), 'linearBackoff: stepMs must be a finite number'],
    [() => linearBackoff({ baseMs: 4 } as never), 'linearBackoff: unknown option "baseMs"'],
    [() => exponentialBackoff({ factor: 0.5 }), 'exponentialBackoff: factor must be a finite number from 1 up to 1000'],
    [() => exponentialBackoff({ maxMs: '5' as never }), 'exponentialBackoff: maxMs must be'],
    [() => exponentialBackoff({ maxDelay: 4 } as never), 'exponentialBackoff: unknown option "maxDelay"'],
  ])('%o is refused (FAULTS 44, 45)', (make, message) => {
    expect(make).toThrow(message)
  })
})

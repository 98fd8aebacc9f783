import { describe, expect, it } from 'vitest'
import { finagleBudget, RetryBudget } from '../../src/retry/index.ts'

/**
 * Finagle's vectors for its retry budget, at a standing clock. Origin: twitter/finagle,
 * finagle-core/src/test/scala/com/twitter/finagle/service/RetryBudgetTest.scala.
 */

const REQUESTS = 10_000
const standing = { now: () => 0 }

/** Every request deposits and asks for a retry at once. */
function retriesOf(budget: RetryBudget): number {
  let retried = 0
  for (let i = 0; i < REQUESTS; i += 1) {
    budget.deposit()
    if (budget.tryWithdraw()) retried += 1
    // Who was refused had less than one.
    else expect(budget.available).toBeLessThan(1)
  }
  return retried
}

describe('Finagle’s RetryBudget', () => {
  it.each([0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.99, 0.999, 0.9999])(
    'without a floor, a ratio of %d retries that share of 10,000 requests, ±1',
    (ratio) => {
      const budget = new RetryBudget({ ratio, minPerSecond: 0, windowMs: 60_000, clock: standing })
      expect(budget.available).toBe(0)
      expect(budget.tryWithdraw()).toBe(false)
      expect(Math.abs(retriesOf(budget) - Math.trunc(REQUESTS * ratio))).toBeLessThanOrEqual(1)
    },
  )

  it('a ratio of 2 has twice as many retries as there were requests', () => {
    const budget = new RetryBudget({ ratio: 2, minPerSecond: 0, windowMs: 60_000, clock: standing })
    expect(budget.available).toBe(0)
    expect(budget.tryWithdraw()).toBe(false)
    for (let i = 0; i < REQUESTS; i += 1) budget.deposit()
    expect(budget.available).toBe(2 * REQUESTS)
  })

  it.each([
    [1_000, 10, 0],
    [2_000, 5, 0],
    [1_000, 10, 0.1],
    [2_000, 5, 0.5],
  ])('over %i ms, %i per second and a ratio of %d add up, ±1', (windowMs, minPerSecond, ratio) => {
    const budget = new RetryBudget({ ratio, minPerSecond, windowMs, clock: standing })
    const floor = (windowMs / 1_000) * minPerSecond
    expect(budget.available).toBe(floor)
    expect(Math.abs(retriesOf(budget) - (Math.trunc(REQUESTS * ratio) + floor))).toBeLessThanOrEqual(1)
  })

  it('neither a floor nor a ratio is an empty budget, whatever is deposited', () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 0, clock: standing })
    for (let i = 0; i < 100; i += 1) budget.deposit()
    expect(budget.available).toBe(0)
    expect(budget.tryWithdraw()).toBe(false)
  })

  it.each([{ windowMs: 0 }, { minPerSecond: -1 }, { ratio: -1 }])('%j is refused', (options) => {
    expect(() => new RetryBudget(options)).toThrow(RangeError)
  })
})

describe('finagleBudget', () => {
  it('has Finagle’s defaults: a fifth, and ten per second over ten seconds', () => {
    let now = 0
    const budget = finagleBudget({ clock: { now: () => now } })
    expect(budget.available).toBe(100)
    for (let i = 0; i < 50; i += 1) budget.deposit()
    expect(budget.available).toBe(110)
    now = 9_999
    expect(budget.available).toBe(110)
    now = 10_000
    expect(budget.available).toBe(100)
  })

  it('takes single numbers', () => {
    expect(finagleBudget({ minPerSecond: 1 }).available).toBe(10)
  })
})

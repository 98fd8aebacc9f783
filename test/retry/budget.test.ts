import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RetryBudget } from '../../src/retry/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** How many retries can be had now. */
function drain(budget: RetryBudget): number {
  let taken = 0
  while (taken < 100_000 && budget.tryWithdraw()) taken += 1
  return taken
}

describe('RetryBudget', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('begins with its floor: one retry per second over ten seconds', () => {
    const budget = new RetryBudget()
    expect(budget.available).toBe(10)
    expect(drain(budget)).toBe(10)
    expect(budget.available).toBe(0)
  })

  it('earns a fifth of a retry with each call', () => {
    const budget = new RetryBudget({ minPerSecond: 0 })
    for (let i = 0; i < 4; i += 1) budget.deposit()
    expect(budget.tryWithdraw()).toBe(false)
    budget.deposit()
    expect(budget.tryWithdraw()).toBe(true)
    expect(budget.tryWithdraw()).toBe(false)
    expect(budget.suppressed).toBe(2)
  })

  it('forgets calls and retries after its window, with no timer', () => {
    const budget = new RetryBudget({ minPerSecond: 0 })
    for (let i = 0; i < 50; i += 1) budget.deposit()
    expect(budget.available).toBe(10)
    expect(drain(budget)).toBe(10)
    vi.advanceTimersByTime(10_000)
    expect(budget.available).toBe(0)
    for (let i = 0; i < 50; i += 1) budget.deposit()
    expect(drain(budget)).toBe(10)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is never available below zero, although calls leave before the retries they paid for', () => {
    const budget = new RetryBudget({ minPerSecond: 0 })
    for (let i = 0; i < 50; i += 1) budget.deposit()
    vi.advanceTimersByTime(9_000)
    expect(drain(budget)).toBe(10)
    vi.advanceTimersByTime(1_000)
    expect(budget.available).toBe(0)
    for (let i = 0; i < 50; i += 1) budget.deposit()
    expect(budget.available).toBe(0)
    budget.deposit()
    expect(budget.available).toBeCloseTo(0.2)
  })

  it('never reports a balance below zero as available', () => {
    const budget = new RetryBudget({ minPerSecond: 0 })
    for (let i = 0; i < 50; i += 1) budget.deposit()
    vi.advanceTimersByTime(5_000)
    drain(budget)
    vi.advanceTimersByTime(5_000)
    expect(budget.available).toBe(0)
    expect(budget.tryWithdraw()).toBe(false)
  })

  it.each([0, 0.1, 0.2, 0.25, 0.5, 1, 2])(
    '10,000 calls at a ratio of %d earn that share, ±1 (Finagle’s suite)',
    (ratio) => {
      const budget = new RetryBudget({ ratio, minPerSecond: 0 })
      let retries = 0
      for (let i = 0; i < 10_000; i += 1) {
        budget.deposit()
        retries += drain(budget)
      }
      expect(Math.abs(retries - ratio * 10_000)).toBeLessThanOrEqual(1)
    },
  )

  it('recovers its floor when the clock goes backwards', () => {
    let now = 1_000_000
    const budget = new RetryBudget({ clock: { now: () => now } })
    drain(budget)
    now = 5
    expect(budget.available).toBe(10)
  })
})

it('what is spent is at most what was allowed, in every window (property)', () => {
  const step = fc.oneof(
    fc.constant({ kind: 'deposit' as const }),
    fc.constant({ kind: 'withdraw' as const }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
  )
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 2 }),
      (steps, tenths, minPerSecond) => {
        let now = 0
        const ratio = tenths / 10
        const budget = new RetryBudget({ ratio, minPerSecond, clock: new FakeClock(), windowMs: 5_000 })
        const timed = new RetryBudget({ ratio, minPerSecond, windowMs: 5_000, clock: { now: () => now } })
        const calls: number[] = []
        const retries: number[] = []
        let refused = 0
        for (const each of steps) {
          if (each.kind === 'wait') now += each.ms
          else if (each.kind === 'deposit') {
            calls.push(now)
            timed.deposit()
            budget.deposit()
          } else if (timed.tryWithdraw()) retries.push(now)
          else refused += 1
          expect(timed.available).toBeGreaterThanOrEqual(0)
          // Slices of 500 ms leave whole, so up to one slice is forgotten early, never late: bound by the longest window.
          const recent = (times: number[], ms: number): number => times.filter((time) => time > now - ms).length
          expect(recent(retries, 4_500)).toBeLessThanOrEqual(ratio * recent(calls, 9_500) + minPerSecond * 5 + 1e-9)
        }
        expect(timed.suppressed).toBe(refused)
        expect(drain(budget)).toBe(Math.floor(ratio * calls.length + minPerSecond * 5 + 1e-9))
      },
    ),
  )
})

describe('RetryBudget.shared', () => {
  it('is one budget per key; the first to name it decides the options', () => {
    const first = RetryBudget.shared('shared: devices', { minPerSecond: 3 })
    expect(first.available).toBe(30)
    expect(RetryBudget.shared('shared: devices')).toBe(first)
    expect(RetryBudget.shared('shared: devices', { minPerSecond: 5 })).toBe(first)
    expect(first.available).toBe(30)
    expect(RetryBudget.shared('shared: sensors')).not.toBe(first)
  })

  it('checks options although it ignores them', () => {
    RetryBudget.shared('shared: checked')
    expect(() => RetryBudget.shared('shared: checked', { ratio: -1 })).toThrow(RangeError)
    expect(() => RetryBudget.shared('')).toThrow('RetryBudget.shared: key must be a non-empty string')
    expect(() => RetryBudget.shared(5 as never)).toThrow(TypeError)
  })

  it.each([[{}], [undefined], [null], [{ deposit: () => {} }]])(
    'refuses a function that makes no budget: %o',
    (made) => {
      expect(() => RetryBudget.shared('shared: made', () => made as never)).toThrow(
        /^RetryBudget\.shared: the function must make a budget, got (an object|null|undefined)$/,
      )
      // Nothing of it is remembered.
      expect(RetryBudget.shared('shared: made')).toBeInstanceOf(RetryBudget)
      for (let i = 0; i < RetryBudget.MAX_SHARED; i += 1) RetryBudget.shared(`shared: fill ${i}`)
    },
  )

  it('forgets the key not asked for longest, so that keys from data cannot grow it (FAULTS 55)', () => {
    expect(RetryBudget.MAX_SHARED).toBe(1_000)
    const kept = RetryBudget.shared('shared: kept')
    const lost = RetryBudget.shared('shared: lost')
    for (let i = 0; i < RetryBudget.MAX_SHARED - 2; i += 1) RetryBudget.shared(`shared: ${i}`)
    expect(RetryBudget.shared('shared: kept')).toBe(kept)
    RetryBudget.shared('shared: one too many')
    expect(RetryBudget.shared('shared: kept')).toBe(kept)
    expect(RetryBudget.shared('shared: lost')).not.toBe(lost)
  })
})

it.each([
  [{ ratio: Number.NaN }, 'RetryBudget: ratio must be a finite number from 0 up to 1000, got NaN'],
  [{ ratio: 1_001 }, 'RetryBudget: ratio must be a finite number from 0 up to 1000, got 1001'],
  [{ minPerSecond: -1 }, 'RetryBudget: minPerSecond must be a finite number from 0 up to 1000000, got -1'],
  [{ windowMs: 999 }, 'RetryBudget: windowMs must be a finite number from 1000 up to 3600000 milliseconds, got 999'],
  [{ window: 5 } as never, 'RetryBudget: unknown option "window"'],
])('%j is refused (FAULTS 44)', (options, message) => {
  expect(() => new RetryBudget(options)).toThrow(message)
})

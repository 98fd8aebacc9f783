import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type Clock,
  MAX_DELAY_MS,
  parseDate,
  ref,
  systemClock,
  timerEpoch,
  toClock,
  unref,
} from '../../src/time/clock.ts'

describe('systemClock', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('follows fake timers that were installed after it was loaded', () => {
    const fired = vi.fn()
    vi.setSystemTime(5_000)
    const start = systemClock.now()
    systemClock.setTimeout(fired, 100, 'an argument', 2)
    vi.advanceTimersByTime(100)
    expect(fired).toHaveBeenCalledExactlyOnceWith('an argument', 2)
    expect(systemClock.now()).toBe(start + 100)
    expect(systemClock.wallNow()).toBe(5_100)
  })

  it('measures durations by a scale that nobody can set', () => {
    const start = systemClock.now()
    vi.setSystemTime(86_400_000)
    expect(systemClock.now()).toBe(start)
  })

  it('clears its timers', () => {
    const fired = vi.fn()
    systemClock.clearTimeout(systemClock.setTimeout(fired, 100))
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a delay too long for a timer waits as long as one can, instead of a millisecond (FAULTS 45)', () => {
    const fired = vi.fn()
    const timer = systemClock.setTimeout(fired, 1e12)
    vi.advanceTimersByTime(MAX_DELAY_MS - 1)
    expect(fired).not.toHaveBeenCalled()
    systemClock.clearTimeout(timer)
  })

  it('has a mark that changes with the global timers', () => {
    const fake = timerEpoch()
    vi.useRealTimers()
    expect(timerEpoch()).not.toBe(fake)
  })
})

describe('toClock', () => {
  it('is the system’s clock unless something else is given', () => {
    expect(toClock()).toBe(systemClock)
    expect(toClock({})).toEqual(systemClock)
  })

  it('fills in what is missing', () => {
    const clock = toClock({ now: () => 42 })
    expect(clock.now()).toBe(42)
    expect(Math.abs(clock.wallNow() - Date.now())).toBeLessThan(1_000)
  })

  it('takes an instance of a class, whose methods are not its own', () => {
    class Half {
      readonly time = 7
      now(): number {
        return this.time
      }
    }
    class Whole extends Half implements Clock {
      wallNow(): number {
        return this.time
      }
      setTimeout(): number {
        return this.time
      }
      clearTimeout(): void {}
    }
    expect(toClock(new Half()).now()).toBe(7)
    const whole = new Whole()
    expect(toClock(whole)).toBe(whole)
  })

  it.each([
    [null, 'clock must be an object, got null'],
    [5, 'clock must be an object, got 5'],
    [{ now: 5 }, 'clock: now must be a function, got number'],
    [{ setTimeout: null }, 'clock: setTimeout must be a function, got object'],
  ])('%j is refused', (given, message) => {
    expect(() => toClock(given as never)).toThrow(new TypeError(message))
  })
})

describe('ref and unref', () => {
  it('decide whether a timer keeps the process', () => {
    const timer = setTimeout(() => {}, 1_000)
    unref(timer)
    expect(timer.hasRef()).toBe(false)
    ref(timer)
    expect(timer.hasRef()).toBe(true)
    clearTimeout(timer)
  })

  it('leave alone what has no such methods', () => {
    expect(() => {
      unref(5)
      ref(5)
      ref({})
      unref(undefined as never)
    }).not.toThrow()
  })
})

it('parseDate reads a date without asking any clock', () => {
  expect(parseDate('Thu, 01 Jan 1970 00:00:05 GMT')).toBe(5_000)
  expect(parseDate('soon')).toBeNaN()
})

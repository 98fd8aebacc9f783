import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MAX_DELAY_MS, systemClock } from '../../src/time/clock.ts'
import { Deadlines, deadlinesOf } from '../../src/time/deadlines.ts'
import { SingleDeadline } from '../../src/time/single-deadline.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { StallingClock } from './stalling-clock.ts'

const target = (): { expire: ReturnType<typeof vi.fn<() => void>> } => ({ expire: vi.fn<() => void>() })

describe('Deadlines', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('has one timer per duration', () => {
    const deadlines = new Deadlines(systemClock)
    for (let i = 0; i < 10; i += 1) {
      deadlines.add(100, target())
      deadlines.add(200, target())
    }
    expect(vi.getTimerCount()).toBe(2)
  })

  it('whatever the duration, expires exactly then', () => {
    const deadlines = new Deadlines(systemClock)
    const [whole, odd, cancelled] = [target(), target(), target()]
    deadlines.add(100, whole)
    deadlines.add(99.5, odd)
    deadlines.add(98.5, cancelled).cancel()
    vi.advanceTimersByTime(99)
    expect(whole.expire).not.toHaveBeenCalled()
    expect(odd.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(whole.expire).toHaveBeenCalledOnce()
    expect(odd.expire).toHaveBeenCalledOnce()
    expect(cancelled.expire).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps a bounded number of queues, however many durations there are', () => {
    const deadlines = new Deadlines(systemClock)
    const count = Deadlines.MAX_QUEUES + 10
    const targets = Array.from({ length: count }, target)
    for (const [i, each] of targets.entries()) {
      // Two of a kind share a timer as long as they share a queue; beyond the bound each has its own.
      deadlines.add(1_000 + i, each)
      deadlines.add(1_000 + i, target())
    }
    expect(vi.getTimerCount()).toBe(Deadlines.MAX_QUEUES + 2 * 10)
    vi.advanceTimersByTime(1_000 + count)
    for (const each of targets) expect(each.expire).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })
})

it('everybody who uses a clock shares its deadlines', () => {
  const clock = new FakeClock()
  expect(deadlinesOf(clock)).toBe(deadlinesOf(clock))
  expect(deadlinesOf(clock)).not.toBe(deadlinesOf(new FakeClock()))
})

describe('SingleDeadline', () => {
  it('gives the sockets one turn when the event loop was blocked (FAULTS 88)', () => {
    const clock = new StallingClock()
    const [answered, silent] = [target(), target()]
    const handle = new SingleDeadline(100, clock, answered)
    void new SingleDeadline(100, clock, silent)
    clock.stall(5_000)
    clock.fireDue()
    expect(silent.expire).not.toHaveBeenCalled()
    handle.cancel()
    clock.fireDue()
    expect(answered.expire).not.toHaveBeenCalled()
    expect(silent.expire).toHaveBeenCalledOnce()
    expect(clock.timers.size).toBe(0)
  })

  it('lateness of up to 50 ms is ordinary', () => {
    const clock = new StallingClock()
    const one = target()
    void new SingleDeadline(100, clock, one)
    clock.stall(150)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
  })

  it('expires rather than waits for ever when the clock went backwards', () => {
    const clock = new StallingClock(1_000_000)
    const one = target()
    void new SingleDeadline(100, clock, one)
    clock.jumpTo(0)
    clock.fireAll()
    expect(one.expire).toHaveBeenCalledOnce()
  })

  it('longer than a timer can be is waited for in parts, and can be cancelled in each (FAULTS 45)', () => {
    const clock = new StallingClock()
    const [one, gone] = [target(), target()]
    void new SingleDeadline(2 * MAX_DELAY_MS + 7, clock, one)
    const handle = new SingleDeadline(1e12, clock, gone)
    clock.stall(MAX_DELAY_MS)
    clock.fireDue()
    handle.cancel()
    clock.stall(MAX_DELAY_MS)
    clock.fireDue()
    expect(one.expire).not.toHaveBeenCalled()
    expect([...clock.timers.values()].map(({ delayMs }) => delayMs)).toEqual([7])
    clock.stall(7)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
    expect(gone.expire).not.toHaveBeenCalled()
    expect(clock.timers.size).toBe(0)
  })

  it('cancelling twice, or after the end, does nothing', () => {
    const clock = new StallingClock()
    const handle = new SingleDeadline(0, clock, target())
    clock.fireDue()
    handle.cancel()
    handle.cancel()
    expect(clock.timers.size).toBe(0)
  })
})

import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Clock, MAX_DELAY_MS, systemClock } from '../../src/time/clock.ts'
import type { Deadline } from '../../src/time/deadline.ts'
import { DeadlineQueue } from '../../src/time/deadline-queue.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { StallingClock } from './stalling-clock.ts'

const target = (): { expire: ReturnType<typeof vi.fn<() => void>> } => ({ expire: vi.fn<() => void>() })

describe('DeadlineQueue under fake timers', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('expires each at its own millisecond, with one timer for all', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const first = target()
    const second = target()
    queue.add(first)
    vi.advanceTimersByTime(30)
    queue.add(second)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(69)
    expect(first.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(first.expire).toHaveBeenCalledOnce()
    vi.advanceTimersByTime(29)
    expect(second.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(second.expire).toHaveBeenCalledOnce()
    expect(queue.empty).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never expires what was cancelled, and cancelling twice or too late does nothing', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const [first, second, third] = [target(), target(), target()]
    const handles = [first, second, third].map((each) => queue.add(each))
    handles[1]?.cancel()
    handles[1]?.cancel()
    vi.advanceTimersByTime(100)
    expect(first.expire).toHaveBeenCalledOnce()
    expect(second.expire).not.toHaveBeenCalled()
    expect(third.expire).toHaveBeenCalledOnce()
    handles[0]?.cancel()
    expect(queue.empty).toBe(true)
  })

  it('stays exact when the entry its timer was armed for is gone', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const first = queue.add(target())
    vi.advanceTimersByTime(40)
    const second = target()
    queue.add(second)
    first.cancel()
    vi.advanceTimersByTime(99)
    expect(second.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(second.expire).toHaveBeenCalledOnce()
  })

  it('one target may cancel the next while it expires', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const second = target()
    let handle: Deadline | undefined
    queue.add({ expire: () => handle?.cancel() })
    handle = queue.add(second)
    vi.advanceTimersByTime(100)
    expect(second.expire).not.toHaveBeenCalled()
    expect(queue.empty).toBe(true)
  })

  it('one target may add another while it expires', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const second = target()
    queue.add({ expire: () => queue.add(second) })
    vi.advanceTimersByTime(199)
    expect(second.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(second.expire).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a target that throws leaves nobody waiting', () => {
    const queue = new DeadlineQueue(100, systemClock)
    const second = target()
    queue.add({
      expire: () => {
        throw new Error('mine')
      },
    })
    queue.add(second)
    expect(() => vi.advanceTimersByTime(100)).toThrow('mine')
    vi.advanceTimersByTime(1)
    expect(second.expire).toHaveBeenCalledOnce()
  })

  it('a timer idle since the last call serves the next one', () => {
    const queue = new DeadlineQueue(100, systemClock)
    queue.add(target()).cancel()
    vi.advanceTimersByTime(60)
    const next = target()
    queue.add(next)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(99)
    expect(next.expire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(next.expire).toHaveBeenCalledOnce()
  })

  it('nobody waiting means no timer, since tests count them', () => {
    const queue = new DeadlineQueue(100, systemClock)
    queue.add(target()).cancel()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a deadline still comes after somebody cleared all timers of an idle queue', () => {
    const queue = new DeadlineQueue(100, systemClock)
    queue.add(target()).cancel()
    vi.clearAllTimers()
    const late = target()
    queue.add(late)
    vi.advanceTimersByTime(100)
    expect(late.expire).toHaveBeenCalledOnce()
  })
})

describe('DeadlineQueue on real timers', () => {
  it('keeps one timer through an idle spell instead of setting one per call; it fires into nothing and is not set again', async () => {
    vi.useRealTimers()
    const clock = new FakeClock()
    const set = vi.spyOn(clock as { setTimeout: typeof clock.setTimeout }, 'setTimeout')
    const queue = new DeadlineQueue(100, clock)
    for (let i = 0; i < 10; i += 1) queue.add(target()).cancel()
    expect([set.mock.calls.length, clock.pending]).toEqual([1, 1])
    await clock.advance(100)
    expect([set.mock.calls.length, clock.pending]).toEqual([1, 0])
  })
})

describe('a blocked event loop (FAULTS 88)', () => {
  it('gives the sockets one turn before anybody is declared late', () => {
    const clock = new StallingClock()
    const queue = new DeadlineQueue(100, clock)
    const [answered, silent] = [target(), target()]
    const handle = queue.add(answered)
    queue.add(silent)
    clock.stall(5_000)
    clock.fireDue()
    expect(silent.expire).not.toHaveBeenCalled()
    handle.cancel()
    clock.fireDue()
    expect(answered.expire).not.toHaveBeenCalled()
    expect(silent.expire).toHaveBeenCalledOnce()
    expect(clock.timers.size).toBe(0)
  })

  it('gives it each time anew, also after one in which everybody was answered', () => {
    const clock = new StallingClock()
    const queue = new DeadlineQueue(100, clock)
    for (let round = 0; round < 3; round += 1) {
      const one = target()
      const handle = queue.add(one)
      clock.stall(5_000)
      clock.fireDue()
      expect(one.expire).not.toHaveBeenCalled()
      handle.cancel()
      clock.fireDue()
      expect(one.expire).not.toHaveBeenCalled()
    }
  })

  it('gives it once, not for ever', () => {
    const clock = new StallingClock()
    const queue = new DeadlineQueue(100, clock)
    const one = target()
    queue.add(one)
    clock.stall(5_000)
    clock.fireDue()
    clock.stall(5_000)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
  })

  it('lateness of up to 50 ms is ordinary', () => {
    const clock = new StallingClock()
    const queue = new DeadlineQueue(100, clock)
    const one = target()
    queue.add(one)
    clock.stall(150)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
  })
})

describe('clocks and timers that change under it (invariants 12 to 14)', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('fake timers installed late drive what is added from then on, and what was pending', async () => {
    const queue = new DeadlineQueue(40, systemClock)
    const before = target()
    queue.add(before)
    await new Promise((resolve) => setImmediate(resolve))
    vi.useFakeTimers()
    const after = target()
    queue.add(after)
    vi.advanceTimersByTime(40)
    expect(before.expire).toHaveBeenCalledOnce()
    expect(after.expire).toHaveBeenCalledOnce()
    expect(queue.empty).toBe(true)
  })

  it('a real timer that fires into a fake world waits again instead of for ever', () => {
    const clock = new StallingClock(1_000_000)
    const queue = new DeadlineQueue(100, clock)
    const one = target()
    queue.add(one)
    clock.jumpTo(0)
    clock.fireAll()
    expect(one.expire).not.toHaveBeenCalled()
    clock.stall(99)
    clock.fireDue()
    expect(one.expire).not.toHaveBeenCalled()
    clock.stall(1)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
  })

  it('fake timers removed while a deadline is pending: the next call brings it back', () => {
    vi.useFakeTimers()
    const queue = new DeadlineQueue(100, systemClock)
    const lost = target()
    queue.add(lost)
    vi.useRealTimers()
    vi.useFakeTimers()
    const next = target()
    queue.add(next)
    vi.advanceTimersByTime(250)
    expect(lost.expire).toHaveBeenCalledOnce()
    expect(next.expire).toHaveBeenCalledOnce()
    expect(queue.empty).toBe(true)
  })

  it('fake timers cleared while a deadline is pending: the next call after it was due brings it back', () => {
    vi.useFakeTimers()
    const queue = new DeadlineQueue(100, systemClock)
    const lost = target()
    queue.add(lost)
    vi.clearAllTimers()
    vi.advanceTimersByTime(200)
    const next = target()
    queue.add(next)
    vi.advanceTimersByTime(100)
    expect(lost.expire).toHaveBeenCalledOnce()
    expect(next.expire).toHaveBeenCalledOnce()
  })

  it('a clock set back between calls keeps nobody longer than one duration', () => {
    const clock = new StallingClock(1_000_000)
    const queue = new DeadlineQueue(100, clock)
    const [early, late] = [target(), target()]
    queue.add(early)
    clock.jumpTo(5)
    queue.add(late)
    clock.stall(100)
    clock.fireDue()
    expect(early.expire).toHaveBeenCalledOnce()
    expect(late.expire).toHaveBeenCalledOnce()
  })

  it('a duration longer than a timer can be is waited for in parts (FAULTS 45)', () => {
    const clock = new StallingClock()
    const queue = new DeadlineQueue(MAX_DELAY_MS + 5_000, clock)
    const one = target()
    queue.add(one)
    expect([...clock.timers.values()].map(({ delayMs }) => delayMs)).toEqual([MAX_DELAY_MS])
    clock.stall(MAX_DELAY_MS)
    clock.fireDue()
    expect(one.expire).not.toHaveBeenCalled()
    expect([...clock.timers.values()].map(({ delayMs }) => delayMs)).toEqual([5_000])
    clock.stall(5_000)
    clock.fireDue()
    expect(one.expire).toHaveBeenCalledOnce()
  })
})

it('keeps the process only while somebody waits', () => {
  const timer = { kept: true, ref: () => (timer.kept = true), unref: () => (timer.kept = false) }
  const clock: Clock = { now: () => 0, wallNow: () => 0, setTimeout: () => timer, clearTimeout: () => {} }
  const queue = new DeadlineQueue(100, clock)
  const [first, second] = [queue.add(target()), queue.add(target())]
  first.cancel()
  expect(timer.kept).toBe(true)
  second.cancel()
  expect(timer.kept).toBe(false)
  queue.add(target())
  expect(timer.kept).toBe(true)
})

it('agrees with one timer per deadline, whatever comes in what order (property)', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant({ kind: 'add' as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(30) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 70 }) }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      async (steps, start) => {
        const clock = new FakeClock(Math.floor(start))
        const queue = new DeadlineQueue(50, clock)
        const handles: Deadline[] = []
        const expired: [number, number][] = []
        const model = new Map<number, number>()
        const expected: [number, number][] = []
        for (const each of steps) {
          if (each.kind === 'add') {
            const id = handles.length
            handles.push(queue.add({ expire: () => expired.push([id, clock.now()]) }))
            model.set(id, clock.now() + 50)
          } else if (each.kind === 'cancel') {
            handles[each.which]?.cancel()
            model.delete(each.which)
          } else {
            await clock.advance(each.ms)
            for (const [id, dueAt] of model) {
              if (dueAt > clock.now()) continue
              expected.push([id, dueAt])
              model.delete(id)
            }
          }
          expect(expired).toEqual(expected)
          expect(queue.empty).toBe(model.size === 0)
          expect(clock.pending).toBeLessThanOrEqual(1)
        }
        await clock.advance(100)
        expect(queue.empty).toBe(true)
        expect(clock.pending).toBe(0)
      },
    ),
  )
})

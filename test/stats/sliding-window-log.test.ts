import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SlidingWindowLog } from '../../src/stats/sliding-window-log.ts'

describe('SlidingWindowLog', () => {
  it('lets the limit through, and the next when the oldest is as old as the interval', () => {
    const log = new SlidingWindowLog(2, 1_000)
    expect([log.tryTake(0), log.tryTake(300), log.tryTake(300)]).toEqual([true, true, false])
    expect(log.tryTake(999)).toBe(false)
    expect(log.tryTake(1_000)).toBe(true)
    expect(log.tryTake(1_299)).toBe(false)
    expect(log.tryTake(1_300)).toBe(true)
  })

  it('counts what may go now', () => {
    const log = new SlidingWindowLog(3, 1_000)
    expect(log.available(0)).toBe(3)
    log.tryTake(0)
    log.tryTake(10)
    expect(log.available(10)).toBe(1)
    log.tryTake(20)
    expect([20, 999, 1_000, 1_009, 1_010, 1_020].map((now) => log.available(now))).toEqual([0, 0, 1, 1, 2, 3])
  })

  it('says when each of the next may go, also those that wait for each other', () => {
    const log = new SlidingWindowLog(2, 1_000)
    expect([1, 2, 3, 4, 5].map((calls) => log.waitMs(0, calls))).toEqual([0, 0, 1_000, 1_000, 2_000])
    log.tryTake(0)
    log.tryTake(400)
    expect([1, 2, 3, 4, 5].map((calls) => log.waitMs(500, calls))).toEqual([500, 900, 1_500, 1_900, 2_500])
  })

  it('takes a moment ago for a moment ago when the clock went backwards', () => {
    const log = new SlidingWindowLog(2, 1_000)
    log.tryTake(999_500)
    log.tryTake(1_000_000)
    expect(log.waitMs(7)).toBe(500)
    expect(log.available(6)).toBe(0)
    expect(log.tryTake(506)).toBe(true)
    expect(log.waitMs(506)).toBe(500)
  })

  it('remembers the latest calls under other numbers', () => {
    const log = new SlidingWindowLog(3, 1_000)
    for (const now of [0, 10, 20]) log.tryTake(now)
    log.configure(5, 1_000)
    expect(log.available(20)).toBe(2)
    expect([log.tryTake(30), log.tryTake(40), log.tryTake(40)]).toEqual([true, true, false])
    expect(log.available(1_010)).toBe(2)
    log.configure(2, 500)
    expect(log.waitMs(100)).toBe(430)
    expect(log.waitMs(100, 2)).toBe(440)
  })

  it('keeps its order when the ring was turned before it was resized', () => {
    const log = new SlidingWindowLog(3, 1_000)
    for (const now of [0, 10, 20, 1_000, 1_010]) log.tryTake(now)
    log.configure(4, 1_000)
    expect([1, 2, 3, 4, 5].map((calls) => log.waitMs(1_010, calls))).toEqual([0, 10, 990, 1_000, 1_000])
  })

  it('never has more than the limit in any interval, and refuses only when that many were there (property)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 500 }),
        fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 200 }),
        (limit, intervalMs, waits) => {
          const log = new SlidingWindowLog(limit, intervalMs)
          const taken: number[] = []
          let now = 0
          for (const wait of waits) {
            now += wait
            const recent = taken.filter((at) => now - at < intervalMs)
            expect(log.available(now)).toBe(limit - recent.length)
            expect(log.waitMs(now)).toBe(recent.length < limit ? 0 : (recent[0] as number) + intervalMs - now)
            expect(log.tryTake(now)).toBe(recent.length < limit)
            if (recent.length < limit) taken.push(now)
          }
        },
      ),
    )
  })

  it('foretells what then happens when everybody goes as soon as he may (property)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 30 }),
        (limit, waits, calls) => {
          const log = new SlidingWindowLog(limit, 500)
          let now = 0
          for (const wait of waits) log.tryTake((now += wait))
          const foretold = now + log.waitMs(now, calls)
          for (let call = 0; call < calls; call += 1) {
            now += log.waitMs(now)
            expect(log.tryTake(now)).toBe(true)
          }
          expect(now).toBe(foretold)
        },
      ),
    )
  })
})

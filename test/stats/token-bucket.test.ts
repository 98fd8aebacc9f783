import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../src/stats/token-bucket.ts'

/** Takes as long as there is something. */
function drain(bucket: TokenBucket, now: number): number {
  let taken = 0
  while (bucket.tryTake(now)) taken += 1
  return taken
}

describe('TokenBucket', () => {
  it('begins full, and gives no more than that', () => {
    const bucket = new TokenBucket(5, 1_000, 8, 100)
    expect(bucket.available(100)).toBe(8)
    expect(drain(bucket, 100)).toBe(8)
    expect(bucket.available(100)).toBe(0)
  })

  it('refills evenly, up to the burst', () => {
    const bucket = new TokenBucket(5, 1_000, 8, 0)
    drain(bucket, 0)
    expect(bucket.available(300)).toBe(1.5)
    expect(drain(bucket, 399)).toBe(1)
    expect(drain(bucket, 400)).toBe(1)
    expect(bucket.available(60_000)).toBe(8)
  })

  it('says exactly when the next may go, and the one after', () => {
    const bucket = new TokenBucket(3, 1_000, 3, 0)
    expect(bucket.waitMs(0)).toBe(0)
    expect(bucket.waitMs(0, 3)).toBe(0)
    drain(bucket, 0)
    expect(bucket.waitMs(0)).toBeCloseTo(333.333, 3)
    expect(bucket.waitMs(0, 3)).toBe(1_000)
    expect(bucket.waitMs(0, 30)).toBe(10_000)
    expect(bucket.tryTake(333)).toBe(false)
    expect(bucket.tryTake(334)).toBe(true)
  })

  it('loses nothing to rounding: the three-thousandth third of a second is over when it should be', () => {
    const bucket = new TokenBucket(3, 1_000, 3, 0)
    drain(bucket, 0)
    let taken = 0
    let now = 0
    while (taken < 3_000) taken += drain(bucket, (now += 1))
    expect(now).toBe(1_000_000)
  })

  it('starts over from where a clock is that went backwards', () => {
    const bucket = new TokenBucket(10, 1_000, 1, 1_000_000)
    bucket.tryTake(1_000_000)
    expect(bucket.waitMs(5)).toBe(100)
    expect(bucket.tryTake(104)).toBe(false)
    expect(bucket.tryTake(105)).toBe(true)
  })

  it('keeps its tokens under other numbers, as far as they fit', () => {
    const bucket = new TokenBucket(10, 1_000, 10, 0)
    for (let i = 0; i < 4; i += 1) bucket.tryTake(0)
    bucket.configure(20, 500, 20, 0)
    expect(bucket.available(0)).toBe(6)
    expect(bucket.waitMs(0, 7)).toBe(25)
    bucket.configure(20, 500, 2, 0)
    expect(bucket.available(0)).toBe(2)
    expect(bucket.available(1_000)).toBe(2)
  })

  it('has from nothing to a burst, and lets through no more than burst and rate allow in any span (property)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 150 }),
        (limit, intervalMs, burst, waits) => {
          const bucket = new TokenBucket(limit, intervalMs, burst, 0)
          const taken: number[] = []
          let now = 0
          for (const wait of waits) {
            now += wait
            const before = bucket.available(now)
            expect(before).toBeGreaterThanOrEqual(0)
            expect(before).toBeLessThanOrEqual(burst)
            expect(bucket.waitMs(now) === 0).toBe(before >= 1)
            expect(bucket.tryTake(now)).toBe(before >= 1)
            if (before >= 1) taken.push(now)
          }
          for (const [first, from] of taken.entries()) {
            for (let last = first; last < taken.length; last += 1) {
              const span = (taken[last] as number) - from
              expect((last - first + 1) * intervalMs).toBeLessThanOrEqual(burst * intervalMs + span * limit)
            }
          }
        },
      ),
    )
  })
})

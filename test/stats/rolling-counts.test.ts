import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RollingCounts } from '../../src/stats/rolling-counts.ts'

describe('RollingCounts', () => {
  it('counts each column by itself', () => {
    const counts = new RollingCounts(1_000, 2)
    counts.add(0, 5)
    counts.add(0, 6)
    counts.add(1, 6)
    expect([counts.total(0, 7), counts.total(1, 7)]).toEqual([2, 1])
  })

  it('forgets slice by slice', () => {
    const counts = new RollingCounts(1_000, 1)
    counts.add(0, 50)
    counts.add(0, 150)
    expect(counts.total(0, 999)).toBe(2)
    expect(counts.total(0, 1_000)).toBe(1)
    expect(counts.total(0, 1_099)).toBe(1)
    expect(counts.total(0, 1_100)).toBe(0)
  })

  it('has forgotten everything after an idle hour, without a call in between', () => {
    const counts = new RollingCounts(10_000, 1)
    for (let i = 0; i < 50; i += 1) counts.add(0, i * 100)
    counts.add(0, 3_600_000)
    expect(counts.total(0, 3_600_000)).toBe(1)
  })

  it('begins anew when the clock went backwards', () => {
    const counts = new RollingCounts(1_000, 1)
    counts.add(0, 1_000_000)
    counts.add(0, 20)
    expect(counts.total(0, 20)).toBe(1)
    expect(counts.total(0, 1_030)).toBe(0)
  })

  it('counts from times below zero', () => {
    const counts = new RollingCounts(1_000, 1)
    counts.add(0, -1_050)
    counts.add(0, -50)
    expect(counts.total(0, -10)).toBe(1)
    expect(counts.total(0, 40)).toBe(1)
  })

  it('can be cleared, and used on', () => {
    const counts = new RollingCounts(1_000, 2)
    counts.add(0, 5)
    counts.add(1, 5)
    counts.clear()
    expect([counts.total(0, 5), counts.total(1, 5)]).toEqual([0, 0])
    counts.add(1, 5)
    expect([counts.total(0, 5), counts.total(1, 5)]).toEqual([0, 1])
  })

  it('agrees with a list of timestamps (property)', () => {
    const step = fc.record({
      wait: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 20_000 })),
      column: fc.constantFrom(0, 1),
      back: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 100 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 500 }),
        (steps, slices, sliceMs) => {
          const counts = new RollingCounts(slices * sliceMs, 2, slices)
          let times: { at: number; column: number }[] = []
          let now = 10_000
          for (const { wait, column, back } of steps) {
            const before = Math.floor(now / sliceMs)
            now = back ? now - wait : now + wait
            if (Math.floor(now / sliceMs) < before) times = []
            counts.add(column, now)
            times.push({ at: now, column })
            const oldest = Math.floor(now / sliceMs) - slices
            for (const which of [0, 1]) {
              const expected = times.filter((time) => time.column === which && Math.floor(time.at / sliceMs) > oldest)
              expect(counts.total(which, now)).toBe(expected.length)
            }
          }
        },
      ),
    )
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CountWindow } from '../../src/stats/count-window.ts'

const totals = (window: CountWindow): number[] => [0, 1, 2, 3].map((column) => window.total(column))

describe('CountWindow', () => {
  it('counts each column by itself', () => {
    const window = new CountWindow(10)
    for (const column of [0, 1, 1, 2, 3, 3, 3]) window.add(column)
    expect(totals(window)).toEqual([1, 2, 1, 3])
  })

  it('forgets the oldest call when a newer one takes its place, not before', () => {
    const window = new CountWindow(3)
    for (const column of [1, 2, 3]) window.add(column)
    expect(totals(window)).toEqual([0, 1, 1, 1])
    window.add(0)
    expect(totals(window)).toEqual([1, 0, 1, 1])
    for (const column of [0, 0]) window.add(column)
    expect(totals(window)).toEqual([3, 0, 0, 0])
  })

  it('of one call knows the last', () => {
    const window = new CountWindow(1)
    window.add(3)
    window.add(1)
    expect(totals(window)).toEqual([0, 1, 0, 0])
  })

  it('can be cleared, and used on', () => {
    const window = new CountWindow(2)
    for (const column of [3, 3, 3]) window.add(column)
    window.clear()
    expect(totals(window)).toEqual([0, 0, 0, 0])
    window.add(1)
    window.add(1)
    expect(totals(window)).toEqual([0, 2, 0, 0])
    window.add(2)
    expect(totals(window)).toEqual([0, 1, 1, 0])
  })

  it('agrees with the last calls of a list (property)', () => {
    const step = fc.oneof({ weight: 50, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.constant('clear' as const) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 100 }), (size, steps) => {
        const window = new CountWindow(size)
        let list: number[] = []
        for (const each of steps) {
          if (each === 'clear') {
            window.clear()
            list = []
          } else {
            window.add(each)
            list.push(each)
          }
          const recent = list.slice(-size)
          expect(totals(window)).toEqual([0, 1, 2, 3].map((column) => recent.filter((one) => one === column).length))
        }
      }),
    )
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SlotHeap } from '../../src/balancing/slot-heap.ts'
import { SEED } from './fleet.ts'

const keys = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 40 })
const moves = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 200 })), {
  maxLength: 80,
})

describe('SlotHeap', () => {
  it(`always has the smallest on top, ties decided, whatever moved (seed ${SEED})`, () => {
    fc.assert(
      fc.property(keys, moves, fc.nat(4), (first, steps, kept) => {
        const model = first.map((key, slot) => ({ key, tie: slot, slot }))
        const heap = new SlotHeap(
          Float64Array.from(first),
          Float64Array.from(first, (_, slot) => slot),
        )
        const smallest = (passes: (slot: number) => boolean): number | undefined =>
          model.filter(({ slot }) => passes(slot)).toSorted((a, b) => a.key - b.key || a.tie - b.tie)[0]?.slot
        expect(heap.top).toBe(smallest(() => true))
        for (const [at, key, tie] of steps) {
          if (model.length === 0) return
          const node = model[at % model.length] as (typeof model)[number]
          // Ties are unique, as turns are.
          Object.assign(node, { key, tie: tie * 100 + node.slot })
          heap.set(node.slot, node.key, node.tie)
          expect(heap.tie(node.slot)).toBe(node.tie)
          expect(heap.top).toBe(smallest(() => true))
          const odd = (slot: number): boolean => slot % 5 >= kept
          expect(heap.topWhere(odd)).toBe(smallest(odd))
        }
        expect(heap.topWhere(() => false)).toBeUndefined()
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  it('looks at few more than do not pass', () => {
    const size = 10_000
    const heap = new SlotHeap(
      new Float64Array(size),
      Float64Array.from({ length: size }, (_, i) => i),
    )
    let looks = 0
    const found = heap.topWhere((slot) => {
      looks += 1
      return slot > 2
    })
    expect(found).toBe(3)
    expect(looks).toBeLessThan(16)
  })
})

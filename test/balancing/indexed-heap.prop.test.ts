import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HeapNode, IndexedHeap } from '../../src/balancing/indexed-heap.ts'
import { SEED } from './fleet.ts'

interface Numbered extends HeapNode {
  readonly id: number
}

const step = fc.record({
  act: fc.constantFrom('push', 'remove', 'move', 'skip', 'drain'),
  at: fc.nat(30),
  key: fc.integer({ min: 0, max: 8 }),
})

describe('IndexedHeap', () => {
  it(`always has the smallest on top, whatever was pushed, moved and removed (seed ${SEED})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const heap = new IndexedHeap<Numbered>()
        let model: Numbered[] = []
        for (const [id, { act, at, key }] of steps.entries()) {
          const node = model[at % Math.max(1, model.length)]
          if (act === 'push' || node === undefined) {
            const fresh = { id, key, tie: id, at: -1 }
            heap.push(fresh)
            model.push(fresh)
          } else if (act === 'remove') {
            heap.remove(node)
            expect(node.at).toBe(-1)
            model = model.filter((other) => other !== node)
          } else if (act === 'move') {
            node.key = key
            heap.moved(node)
          } else if (act === 'drain' && at === 0) {
            expect(new Set(heap.drain())).toEqual(new Set(model))
            model = []
          } else {
            const odd = sorted(model).find(({ id: other }) => other % 2 === 1)
            expect(heap.topWhere(({ id: other }) => other % 2 === 1)).toBe(odd)
          }
          expect(heap.size).toBe(model.length)
          expect(heap.top).toBe(sorted(model)[0])
        }
      }),
      { seed: SEED, numRuns: 300 },
    )
  })
})

function sorted(nodes: readonly Numbered[]): Numbered[] {
  return nodes.toSorted((a, b) => a.key - b.key || a.tie - b.tie)
}

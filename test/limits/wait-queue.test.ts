import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { priorityOf, type QueueOrder, Waiter, WaitQueue } from '../../src/limits/wait-queue.ts'

const ORDERS: readonly QueueOrder[] = ['fifo', 'lifo']

describe('a queue of waiters', () => {
  it('serves higher priorities first, and in each the order asked for', () => {
    const queue = new WaitQueue()
    const [low, first, second, high] = [-1, 0, 0, 5].map((priority) => new Waiter(priority)) as [
      Waiter,
      Waiter,
      Waiter,
      Waiter,
    ]
    for (const waiter of [first, low, high, second]) queue.add(waiter)
    expect(queue.size).toBe(4)
    expect(queue.first('fifo')).toBe(high)
    expect(queue.last('fifo')).toBe(low)
    queue.remove(high)
    expect(queue.first('fifo')).toBe(first)
    expect(queue.first('lifo')).toBe(second)
    queue.remove(low)
    expect(queue.last('fifo')).toBe(second)
    expect(queue.last('lifo')).toBe(first)
  })

  it('has nobody first and nobody last when it is empty', () => {
    const queue = new WaitQueue()
    for (const order of ORDERS) expect([queue.first(order), queue.last(order)]).toEqual([undefined, undefined])
  })

  it('lets each leave once', () => {
    const queue = new WaitQueue()
    const waiter = new Waiter(0)
    expect(queue.remove(waiter)).toBe(false)
    queue.add(waiter)
    expect([queue.remove(waiter), queue.remove(waiter)]).toEqual([true, false])
    expect(queue.size).toBe(0)
  })

  it('keeps nobody who left: one who is held elsewhere does not hold the others', () => {
    const queue = new WaitQueue()
    const [first, middle, last] = [new Waiter(0), new Waiter(0), new Waiter(0)]
    for (const waiter of [first, middle, last]) queue.add(waiter)
    queue.remove(middle)
    expect([middle.previous, middle.next, middle.band]).toEqual([undefined, undefined, undefined])
    expect([first.next, last.previous]).toEqual([last, first])
  })

  it('takes no time of note for forty thousand priorities', () => {
    const queue = new WaitQueue()
    const began = process.hrtime.bigint()
    const waiters = Array.from({ length: 40_000 }, (_, index) => new Waiter((index * 16_807) % 40_009))
    for (const waiter of waiters) queue.add(waiter)
    for (let index = 0; index < waiters.length; index += 2) queue.remove(waiters[index] as Waiter)
    let last = Number.POSITIVE_INFINITY
    for (let next = queue.first('fifo'); next !== undefined; next = queue.first('fifo')) {
      expect(next.priority < last).toBe(true)
      last = next.priority
      queue.remove(next)
    }
    expect(queue.size).toBe(0)
    // A sorted array took more than five seconds.
    expect(Number(process.hrtime.bigint() - began) / 1e6).toBeLessThan(2_500)
  })

  it.each([
    ['few priorities', 3],
    ['hardly one twice', 1_000],
  ])('agrees with a sorted list, with %s (property)', (_, widest) => {
    const step = fc.oneof(
      {
        arbitrary: fc.record({ do: fc.constant('add' as const), priority: fc.integer({ min: -widest, max: widest }) }),
        weight: 2,
      },
      { arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }), weight: 1 },
      { arbitrary: fc.record({ do: fc.constant('serve' as const), order: fc.constantFrom(...ORDERS) }), weight: 1 },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const queue = new WaitQueue()
        let model: Waiter[] = []
        const sorted = (order: QueueOrder): Waiter[] =>
          (order === 'fifo' ? model : model.toReversed()).toSorted((a, b) => b.priority - a.priority)
        for (const each of steps) {
          if (each.do === 'add') {
            const waiter = new Waiter(each.priority)
            queue.add(waiter)
            model.push(waiter)
          } else {
            const gone = each.do === 'serve' ? queue.first(each.order) : model[each.which % (model.length || 1)]
            if (gone !== undefined) expect(queue.remove(gone)).toBe(true)
            model = model.filter((waiter) => waiter !== gone)
          }
          expect(queue.size).toBe(model.length)
          for (const order of ORDERS) {
            expect(queue.first(order)).toBe(sorted(order)[0])
            expect(queue.last(order)).toBe(sorted(order).at(-1))
          }
        }
      }),
    )
  })
})

describe('the priority of a call', () => {
  it.each([
    [2, 2],
    [-0.5, -0.5],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [Number.NaN, 0],
    ['9', 0],
    [undefined, 0],
  ])('%s counts as %s', (given, expected) => {
    expect(priorityOf({ priority: given as number })).toBe(expected)
  })
})

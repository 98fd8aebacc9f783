import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Bulkhead, type QueueOrder } from '../../src/limits/index.ts'
import { flush, held, type Held } from './support.ts'

/** The rules of a bulkhead once more, the simple way: lists, searched from end to end. */
class Model {
  running: number[] = []
  waiting: { id: number; priority: number; since: number }[] = []
  refused: number[] = []
  readonly begun: number[] = []
  readonly max: number
  readonly queue: number
  readonly order: QueueOrder
  readonly timeoutMs: number

  constructor(max: number, queue: number, order: QueueOrder, timeoutMs: number) {
    this.max = max
    this.queue = queue
    this.order = order
    this.timeoutMs = timeoutMs
  }

  start(id: number, priority: number, now: number): void {
    if (this.running.length < this.max) return this.begin(id)
    this.waiting.push({ id, priority, since: now })
    if (this.waiting.length <= this.queue) return
    const last = this.served().at(-1) as { id: number }
    this.refused.push(last.id)
    this.leave(last.id)
  }

  end(id: number): void {
    this.running = this.running.filter((each) => each !== id)
    const next = this.served()[0]
    if (next === undefined || this.running.length >= this.max) return
    this.leave(next.id)
    this.begin(next.id)
  }

  abort(id: number): void {
    if (this.running.includes(id)) this.end(id)
    else this.leave(id)
  }

  pass(now: number): void {
    for (const { id, since } of this.waiting.toSorted((a, b) => a.since - b.since)) {
      if (now - since < this.timeoutMs) continue
      this.refused.push(id)
      this.leave(id)
    }
  }

  begin(id: number): void {
    this.running.push(id)
    this.begun.push(id)
  }

  leave(id: number): void {
    this.waiting = this.waiting.filter((each) => each.id !== id)
  }

  served(): { id: number; priority: number }[] {
    const inOrder = this.order === 'fifo' ? this.waiting : this.waiting.toReversed()
    return inOrder.toSorted((a, b) => b.priority - a.priority)
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('start' as const), priority: fc.integer({ min: -2, max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 80 }) }) },
)

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('a bulkhead under any schedule', () => {
  it('does what the model does, and is empty at the end (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom<QueueOrder>('fifo', 'lifo'),
        fc.array(step, { maxLength: 60 }),
        async (maxConcurrent, maxQueue, order, steps) => {
          const bulkhead = new Bulkhead({ maxConcurrent, maxQueue, order, queueTimeoutMs: 100 })
          const model = new Model(maxConcurrent, maxQueue, order, 100)
          const begun: number[] = []
          const refused: number[] = []
          const live = new Map<number, { work: Held; controller: AbortController }>()
          let now = 0
          const start = (id: number, priority: number): void => {
            const work = held()
            const controller = new AbortController()
            live.set(id, { work, controller })
            const run = (): Promise<unknown> => {
              begun.push(id)
              return work.promise
            }
            bulkhead.execute(run, { priority, signal: controller.signal }).then(
              () => live.delete(id),
              (error: unknown) => {
                live.delete(id)
                if ((error as { code?: string }).code === 'ERR_GATELESS_BULKHEAD_FULL') refused.push(id)
              },
            )
          }
          for (const [id, each] of steps.entries()) {
            if (each.do === 'start') {
              start(id, each.priority)
              model.start(id, each.priority, now)
            } else if (each.do === 'end') {
              const which = model.running[each.which % (model.running.length || 1)]
              if (which !== undefined) {
                const { work } = live.get(which) as { work: Held }
                if (each.fails) work.fail(new Error('down'))
                else work.finish()
                model.end(which)
              }
            } else if (each.do === 'abort') {
              const all = [...live.keys()]
              const which = all[each.which % (all.length || 1)]
              if (which !== undefined) {
                live.get(which)?.controller.abort('aborted')
                model.abort(which)
              }
            } else {
              now += each.ms
              await vi.advanceTimersByTimeAsync(each.ms)
              model.pass(now)
            }
            // Whatever it was, it is settled within this macrotask.
            await flush()
            expect(begun).toEqual(model.begun)
            expect(new Set(refused)).toEqual(new Set(model.refused))
            expect(bulkhead.metrics).toEqual({
              inFlight: model.running.length,
              queued: model.waiting.length,
              rejected: model.refused.length,
            })
            expect(bulkhead.metrics.inFlight).toBeLessThanOrEqual(maxConcurrent)
            expect(live.size).toBe(model.running.length + model.waiting.length)
          }
          const controllers = [...live.values()].map(({ controller }) => controller)
          while (live.size > 0) {
            for (const { work } of live.values()) work.finish()
            await flush()
          }
          expect(bulkhead.metrics).toMatchObject({ inFlight: 0, queued: 0 })
          expect(vi.getTimerCount()).toBe(0)
          for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toEqual([])
        },
      ),
    )
  })

  it('starves nobody: whoever waits among equals runs in the end (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 60 }),
        async (maxConcurrent, calls) => {
          const bulkhead = new Bulkhead({ maxConcurrent, maxQueue: calls })
          let peak = 0
          const ran = await Promise.all(
            Array.from({ length: calls }, (_, id) =>
              bulkhead.execute(async () => {
                peak = Math.max(peak, bulkhead.metrics.inFlight)
                await Promise.resolve()
                return id
              }),
            ),
          )
          expect(ran).toEqual(Array.from({ length: calls }, (_, id) => id))
          expect(peak).toBe(Math.min(calls, maxConcurrent))
          expect(bulkhead.metrics.inFlight).toBe(0)
        },
      ),
    )
  })
})

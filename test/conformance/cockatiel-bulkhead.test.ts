import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Bulkhead } from '../../src/limits/bulkhead.ts'
import { after, held, outcome, settled } from './support.ts'

/** What cockatiel 4.0.0 promises of its bulkhead, retold: connor4312/cockatiel, src/BulkheadPolicy.test.ts. */

const full = { error: expect.objectContaining({ code: 'ERR_GATELESS_BULKHEAD_FULL', local: true }) }

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Pieces of work that say when they begin and end; the n-th takes 2n ms. */
function works(count: number): { order: string[]; all: (() => Promise<number>)[] } {
  const order: string[] = []
  const all = Array.from({ length: count }, (_, n) => async () => {
    order.push(`${n} in`)
    await after(n * 2, '')()
    order.push(`${n} out`)
    return n
  })
  return { order, all }
}

describe("cockatiel's bulkhead", () => {
  // rejects calls after limit is hit
  it('rejects what is beyond its limit, and runs the rest', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2 })
    const { order, all } = works(3)
    const ends = all.map((work) => outcome(bulkhead.execute(work)))
    await vi.advanceTimersByTimeAsync(10)
    expect(await Promise.all(ends)).toEqual([{ value: 0 }, { value: 1 }, full])
    expect(order).toEqual(['0 in', '1 in', '0 out', '1 out'])
  })

  // queues requests, and rejects after queue limit
  it('lets as many wait as it was told to, in order, and rejects what is beyond', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2, maxQueue: 2 })
    const { order, all } = works(5)
    const ends = all.map((work) => outcome(bulkhead.execute(work)))
    await vi.advanceTimersByTimeAsync(20)
    expect(await Promise.all(ends)).toEqual([{ value: 0 }, { value: 1 }, { value: 2 }, { value: 3 }, full])
    expect(order).toEqual(['0 in', '1 in', '0 out', '2 in', '1 out', '3 in', '2 out', '3 out'])
  })

  // maintains proper state
  it('says at each moment how many run and how many wait', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2, maxQueue: 2 })
    const seen: [number, number][] = []
    const look = (): void => {
      const { inFlight, queued } = bulkhead.metrics
      seen.push([inFlight, queued])
    }
    look()
    const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
    const ends = gates.map(({ promise }) => {
      const end = bulkhead.execute(() => promise)
      look()
      return end
    })
    for (const [i, { resolve }] of gates.entries()) {
      resolve()
      await ends[i]
      look()
    }
    expect(seen).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [2, 1],
      [2, 2],
      [2, 1],
      [2, 0],
      [1, 0],
      [0, 0],
    ])
  })

  // links parent abort signal
  it("hands each call the abort of its own caller's signal, after a wait too", async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 100 })
    const seen: boolean[] = []
    const ends = [1, 2, 3].map(() => {
      const caller = new AbortController()
      const work = async ({ signal }: { signal: AbortSignal }): Promise<void> => {
        await after(1, '')()
        seen.push(signal.aborted)
        caller.abort()
        seen.push(signal.aborted)
      }
      return outcome(bulkhead.execute(work, { signal: caller.signal }))
    })
    await vi.advanceTimersByTimeAsync(3)
    await Promise.all(ends)
    expect(seen).toEqual([false, true, false, true, false, true])
  })

  // links parent abort signal: initially cancelled, cancelled while it waits. Ours: at once, not at its turn.
  it('rejects at once who gave up before or while waiting, without calling', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 100 })
    const busy = held(bulkhead.execute(after(10, 'busy')))
    const work = vi.fn()
    const reason = new Error('left')
    const early = bulkhead.execute(work, { signal: AbortSignal.abort(reason) })
    expect(await settled(early)).toEqual({ error: reason })
    const caller = new AbortController()
    const waiting = held(bulkhead.execute(work, { signal: caller.signal }))
    await vi.advanceTimersByTimeAsync(2)
    caller.abort(reason)
    expect(await settled(waiting)).toEqual({ error: reason })
    expect(bulkhead.metrics.queued).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toEqual([])
    expect(await settled(busy, 8)).toEqual({ value: 'busy' })
    expect(work).not.toHaveBeenCalled()
  })

  // issue 114: a waiter that gave up must not stop those behind it
  it('goes on to the next when a waiter gave up', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 100 })
    const busy = held(bulkhead.execute(after(10, 'busy')))
    const callers = Array.from({ length: 50 }, () => new AbortController())
    const ends = callers.map(({ signal }, n) => outcome(bulkhead.execute(() => n, { signal })))
    for (const [n, caller] of callers.entries()) if (n !== 49) caller.abort()
    await vi.advanceTimersByTimeAsync(10)
    await busy
    expect(await ends[49]).toEqual({ value: 49 })
    expect(bulkhead.metrics).toMatchObject({ inFlight: 0, queued: 0 })
    await Promise.all(ends)
  })

  // onReject
  it('says that it rejected', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 })
    const rejected = vi.fn()
    bulkhead.on('rejected', rejected)
    const busy = held(bulkhead.execute(after(1, 'busy')))
    expect(rejected).not.toHaveBeenCalled()
    await outcome(bulkhead.execute(() => 1))
    expect(rejected).toHaveBeenCalledTimes(1)
    await settled(busy, 1)
  })
})

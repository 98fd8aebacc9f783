import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { arrivalMs, openLoop, plannedCall } from '../../examples/demo/load.ts'

/** The load: the same for both lanes, and not slowed down by anybody. */

describe('the planned calls', () => {
  const calls = Array.from({ length: 1_000 }, (_, index) => plannedCall(index))

  it('are 60 % devices, and 10 % POSTs with a body', () => {
    expect(calls.filter(({ service }) => service === 'device-service')).toHaveLength(600)
    const posts = calls.filter(({ method }) => method === 'POST')
    expect(posts).toHaveLength(100)
    expect(posts.every(({ body }) => body !== undefined)).toBe(true)
    expect(new Set(posts.map(({ service }) => service)).size).toBe(2)
  })

  it('go to the path of their service', () => {
    for (const { service, path } of calls) {
      expect(path.startsWith(service === 'device-service' ? '/api/devices/' : '/api/sensors/')).toBe(true)
    }
  })

  it('are the same each time', () => {
    expect(plannedCall(123)).toEqual(plannedCall(123))
  })
})

describe('the open loop', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('fires every arrival at its time, whatever became of the ones before', async () => {
    const fired: [number, number, number][] = []
    const start = Date.now()
    const now = (): number => Date.now() - start
    const done = openLoop({ rate: 100, seconds: 1 }, now, (index, scheduledMs) =>
      fired.push([index, scheduledMs, now()]),
    )
    await vi.advanceTimersByTimeAsync(1_000)
    await done
    expect(fired).toHaveLength(100)
    for (const [index, scheduledMs, firedMs] of fired) {
      expect(scheduledMs).toBe(arrivalMs(index, 100))
      expect(firedMs).toBe(scheduledMs)
    }
  })

  it('catches up after a pause, and keeps the scheduled times', async () => {
    const scheduled: number[] = []
    let now = 0
    const done = openLoop(
      { rate: 10, seconds: 1 },
      () => now,
      (_, scheduledMs) => scheduled.push(scheduledMs),
    )
    now = 5_000
    await vi.runAllTimersAsync()
    await done
    expect(scheduled).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900])
  })
})

import { describe, expect, it } from 'vitest'
import { ClosedError } from '../../src/core/errors.ts'
import { CallMeter } from '../../src/testing/call-meter.ts'

/** Ten calls in each bucket, so many of which succeed. */
function withGood(...good: readonly number[]): CallMeter {
  const meter = new CallMeter()
  for (const [bucket, successes] of good.entries()) {
    for (let i = 0; i < 10; i += 1) {
      meter.begin(bucket * 1_000)
      meter.end(i < successes ? 'ok' : 'failed', bucket * 1_000, bucket * 1_000 + 50)
    }
  }
  return meter
}

describe('CallMeter', () => {
  it('counts how calls ended, and times those that succeeded', () => {
    const meter = new CallMeter()
    for (const end of ['ok', 'ok', 'ok', 'failed', 'failed', 'rejected'] as const) {
      meter.begin(100)
      if (end !== 'rejected') meter.attempt(100)
      meter.end(end, 100, end === 'ok' ? 130 : 900)
    }
    meter.attempt(2_500)
    const { calls, succeeded, failed, rejected, attempts } = meter
    expect({ calls, succeeded, failed, rejected, attempts }).toEqual({
      calls: 6,
      succeeded: 3,
      failed: 2,
      rejected: 1,
      attempts: 6,
    })
    expect([meter.load, meter.successRate]).toEqual([1, 0.5])
    expect([meter.latencyMs.count, meter.latencyMs.mean]).toEqual([3, 30])
    expect(meter.sent.values).toEqual([5, 0, 1])
  })

  it('books a success to the moment when its call began', () => {
    const meter = new CallMeter(100)
    meter.begin(150)
    meter.end('ok', 150, 950)
    expect([meter.offered.values, meter.good.values]).toEqual([
      [0, 1],
      [0, 1],
    ])
    expect(meter.goodput(100, 200)).toBe(1)
    expect(meter.goodput(0, 100)).toBeNaN()
  })

  it('says nothing about no calls', () => {
    expect([new CallMeter().load, new CallMeter().successRate]).toEqual([Number.NaN, Number.NaN])
    expect(new CallMeter().recoveredAt(0)).toBeUndefined()
  })

  it('says from when on three buckets in a row were good', () => {
    expect(withGood(10, 0, 10, 0, 10, 10, 10, 0).recoveredAt(1_000)).toBe(4_000)
    expect(withGood(10, 10, 10).recoveredAt(0)).toBe(0)
    expect(withGood(10, 10, 10, 10).recoveredAt(500)).toBe(1_000)
    expect(withGood(0, 10, 10).recoveredAt(0)).toBeUndefined()
    expect(withGood(10, 10, 9).recoveredAt(0)).toBeUndefined()
    expect(withGood(9, 9, 9).recoveredAt(0, 0.9)).toBe(0)
    expect(withGood(8, 9, 9).recoveredAt(0, 0.9)).toBeUndefined()
  })

  it('measures promises, tells refusals of this process from failures, and never rejects', async () => {
    let now = 0
    const clock = { now: () => now }
    const meter = new CallMeter()
    const taking = (ms: number, error?: unknown) => async (): Promise<void> => {
      now += ms
      if (error !== undefined) throw error
    }
    await meter.measure(clock, taking(40))
    await meter.measure(clock, taking(5, new Error('down')))
    await meter.measure(clock, taking(5, 'a string'))
    await meter.measure(clock, () => Promise.reject(undefined))
    await meter.measure(clock, taking(0, new ClosedError('it')))
    expect([meter.calls, meter.succeeded, meter.failed, meter.rejected]).toEqual([5, 1, 3, 1])
    expect(meter.latencyMs.quantile(1)).toBe(40)
  })
})

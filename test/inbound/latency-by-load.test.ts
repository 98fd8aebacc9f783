import { describe, expect, it } from 'vitest'
import { LatencyByLoad } from '../../src/inbound/latency-by-load.ts'

describe('LatencyByLoad', () => {
  it('knows nothing at first, which is 0', () => {
    expect(new LatencyByLoad().median(5, 0)).toBe(0)
  })

  it('is the median of the requests that found as many in flight', () => {
    const latency = new LatencyByLoad()
    for (const ms of [30, 10, 20]) latency.add(2, ms, 0)
    for (const ms of [300, 100, 200]) latency.add(9, ms, 0)
    expect(latency.median(2, 0)).toBe(20)
    expect(latency.median(9, 0)).toBe(200)
  })

  it('asks the nearest number anything is known of, the busier first', () => {
    const latency = new LatencyByLoad()
    latency.add(2, 20, 0)
    latency.add(6, 60, 0)
    expect([0, 1, 3, 4, 5, 7, 1_000].map((inFlight) => latency.median(inFlight, 0))).toEqual([
      20, 20, 20, 60, 60, 60, 60,
    ])
  })

  it('remembers the last nine', () => {
    const latency = new LatencyByLoad()
    for (let i = 0; i < 9; i += 1) latency.add(1, 1_000, 0)
    for (let i = 0; i < 4; i += 1) latency.add(1, 1, 0)
    expect(latency.median(1, 0)).toBe(1_000)
    latency.add(1, 1, 0)
    expect(latency.median(1, 0)).toBe(1)
  })

  it('forgets a number that was not seen for ten seconds', () => {
    const latency = new LatencyByLoad()
    for (let i = 0; i < 9; i += 1) latency.add(3, 50, 0)
    latency.add(8, 80, 5_000)
    expect(latency.median(3, 10_000)).toBe(50)
    expect(latency.median(3, 10_001)).toBe(80)
    latency.add(3, 70, 10_001)
    expect(latency.median(3, 10_001)).toBe(70)
  })

  it('puts very many together, and is not stopped by a clock that goes backwards', () => {
    const latency = new LatencyByLoad()
    latency.add(255, 10, 1_000)
    latency.add(100_000, 30, 1_000)
    latency.add(300, 20, 1_000)
    expect(latency.median(5_000, 1_000)).toBe(20)
    expect(latency.median(5_000, 500)).toBe(0)
    latency.add(255, 7, 500)
    expect(latency.median(255, 500)).toBe(7)
  })
})

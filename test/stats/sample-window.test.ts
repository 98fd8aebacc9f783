import { describe, expect, it } from 'vitest'
import { SampleWindow } from '../../src/stats/sample-window.ts'

describe('SampleWindow', () => {
  it('is full at its length, with enough samples, and tells the mean, the peak and the drops', () => {
    const window = new SampleWindow(100, 3)
    expect(window.add(10, 4, false, 1_000)).toBeUndefined()
    expect(window.add(20, 7, false, 1_050)).toBeUndefined()
    expect(window.add(60, 5, false, 1_100)).toEqual({ averageMs: 30, maxInFlight: 7, dropped: false })
  })

  it('waits for the samples it needs', () => {
    const window = new SampleWindow(100, 3)
    window.add(10, 1, false, 0)
    expect(window.add(10, 1, false, 5_000)).toBeUndefined()
    expect(window.add(10, 1, false, 5_000)).toBeDefined()
  })

  it('begins anew after each, with nothing left over', () => {
    const window = new SampleWindow(100, 1)
    window.add(10, 9, true, 0)
    expect(window.add(10, 9, true, 100)).toMatchObject({ dropped: true, maxInFlight: 9 })
    expect(window.add(40, 2, false, 199)).toBeUndefined()
    expect(window.add(20, 1, false, 200)).toEqual({ averageMs: 30, maxInFlight: 2, dropped: false })
  })

  it('counts the samples of each by itself', () => {
    const window = new SampleWindow(100, 3)
    for (const now of [0, 50, 100]) window.add(1, 1, false, now)
    expect(window.add(1, 1, false, 300)).toBeUndefined()
    expect(window.add(1, 1, false, 300)).toBeUndefined()
    expect(window.add(1, 1, false, 300)).toBeDefined()
  })

  it('takes no latency from drops, and says so when there is no other', () => {
    const window = new SampleWindow(100, 2)
    window.add(1, 3, true, 0)
    expect(window.add(50, 3, false, 100)).toEqual({ averageMs: 50, maxInFlight: 3, dropped: true })
    window.add(1, 3, true, 200)
    expect(window.add(1, 3, true, 300)).toEqual({ averageMs: undefined, maxInFlight: 3, dropped: true })
    // No latency, no longer windows.
    window.add(1, 3, false, 350)
    expect(window.add(1, 3, false, 400)).toBeDefined()
  })

  it('lasts two round trips where those are longer', () => {
    const window = new SampleWindow(100, 1)
    window.add(80, 1, false, 0)
    expect(window.add(80, 1, false, 100)).toBeDefined()
    expect(window.add(40, 1, false, 259)).toBeUndefined()
    expect(window.add(40, 1, false, 260)).toMatchObject({ averageMs: 40 })
    expect(window.add(1, 1, false, 359)).toBeUndefined()
    expect(window.add(1, 1, false, 360)).toBeDefined()
  })

  it('starts again where a clock is that went backwards', () => {
    const window = new SampleWindow(100, 2)
    window.add(10, 1, false, 1_000_000)
    expect(window.add(10, 1, false, 5)).toBeUndefined()
    expect(window.add(10, 1, false, 104)).toBeUndefined()
    expect(window.add(10, 1, false, 105)).toBeDefined()
  })
})

import { afterEach, describe, expect, it, vi } from 'vitest'
import { Leases } from '../../src/registry/leases.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { type Clock, systemClock, toClock } from '../../src/time/clock.ts'

function leasesOn(clock: FakeClock): { leases: Leases; lapsed: string[] } {
  const lapsed: string[] = []
  return { leases: new Leases(clock, (key) => lapsed.push(`${key}@${clock.now()}`)), lapsed }
}

describe('Leases', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('lapse each at its own time, with one timer for all', async () => {
    const clock = new FakeClock()
    const { leases, lapsed } = leasesOn(clock)
    leases.grant('slow', 60_000)
    leases.grant('quick', 1_000)
    leases.grant('middle', 30_000)
    expect(clock.pending).toBe(1)
    await clock.advance(60_000)
    expect(lapsed).toEqual(['quick@1000', 'middle@30000', 'slow@60000'])
    expect(leases.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('go through the leases at most ten times a second, however many end apart', async () => {
    const clock = new FakeClock()
    const { leases, lapsed } = leasesOn(clock)
    for (let i = 0; i < 100; i += 1) leases.grant(`${i}`, 1_000 + i * 10)
    await clock.advance(3_000)
    expect(lapsed).toHaveLength(100)
    expect(new Set(lapsed.map((entry) => entry.split('@')[1])).size).toBe(11)
  })

  it('hold no timer when none is left', () => {
    const clock = new FakeClock()
    const { leases } = leasesOn(clock)
    leases.grant('a', 1_000)
    leases.grant('b', 1_000)
    leases.end('a')
    expect(clock.pending).toBe(1)
    leases.end('b')
    expect(clock.pending).toBe(0)
    leases.renew('b')
    expect(leases.size).toBe(0)
  })

  it("keep nobody awake: the timer is unref'd", () => {
    const unref = vi.fn()
    new Leases(toClock({ setTimeout: () => ({ unref }) }), () => {}).grant('a', 1_000)
    expect(unref).toHaveBeenCalledOnce()
  })

  it('give heartbeats one turn when the timer comes late, and lapse then', async () => {
    let now = 0
    const timers: (() => void)[] = []
    const setTimer = (callback: () => void): number => timers.push(callback)
    const clock = toClock({ now: () => now, setTimeout: setTimer as Clock['setTimeout'], clearTimeout: () => {} })
    const lapsed: string[] = []
    const leases = new Leases(clock, (key) => lapsed.push(key))
    leases.grant('alive', 1_000)
    leases.grant('dead', 1_000)
    now = 6_000 // The loop was blocked for five seconds.
    timers.shift()?.()
    expect(lapsed).toEqual([])
    leases.renew('alive') // It had been waiting in the socket.
    timers.shift()?.()
    expect(lapsed).toEqual(['dead'])
    // The next time it is late, again.
    now = 60_000
    timers.shift()?.()
    expect(lapsed).toEqual(['dead'])
    timers.shift()?.()
    expect(lapsed).toEqual(['dead', 'alive'])
  })

  it('may be granted again by whoever hears of the lapse', async () => {
    const clock = new FakeClock()
    let times = 0
    const leases: Leases = new Leases(clock, (key) => {
      times += 1
      if (times < 3) leases.grant(key, 1_000)
    })
    leases.grant('a', 1_000)
    await clock.advance(10_000)
    expect(times).toBe(3)
    expect(clock.pending).toBe(0)
  })

  it('begin anew when the clock goes backwards', () => {
    vi.useFakeTimers()
    let base = 1_000_000
    const clock = toClock({ now: () => base + performance.now() })
    const lapsed: string[] = []
    const leases = new Leases(clock, (key) => lapsed.push(key))
    leases.grant('a', 5_000)
    vi.advanceTimersByTime(4_000)
    base = 0
    leases.grant('b', 60_000)
    vi.advanceTimersByTime(4_999)
    expect(lapsed).toEqual([])
    vi.advanceTimersByTime(101)
    expect(lapsed).toEqual(['a'])
  })

  it.each(['grant', 'renew'] as const)('move their timer to fake ones at the next %s', (method) => {
    let now = 0
    const lapsed: string[] = []
    const leases = new Leases(toClock({ now: () => now }), (key) => lapsed.push(key))
    leases.grant('a', 1_000)
    leases.grant('b', 5_000)
    vi.useFakeTimers()
    leases[method]('b', 5_000)
    now = 1_000
    vi.advanceTimersByTime(1_000)
    expect(lapsed).toEqual(['a'])
    leases.close()
  })

  it('lapse under fake timers that were installed after they began', () => {
    const lapsed: string[] = []
    const leases = new Leases(systemClock, (key) => lapsed.push(key))
    leases.grant('a', 5_000)
    leases.grant('b', 1_000)
    vi.useFakeTimers()
    leases.renew('a')
    vi.advanceTimersByTime(5_000)
    expect(lapsed).toEqual(['b', 'a'])
    leases.grant('c', 1_000)
    vi.useRealTimers()
    leases.grant('d', 1_000)
    leases.close()
    expect(leases.size).toBe(0)
  })
})

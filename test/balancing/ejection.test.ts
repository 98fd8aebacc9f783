import { describe, expect, it, vi } from 'vitest'
import { type BalancerEvents, LoadBalancer, roundRobin } from 'gateless/balancing'
import { ejectionCap } from '../../src/balancing/ejection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { counted, fail, fleet, instance, numbered, picks, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }

describe('ejection', () => {
  it('takes an instance out after five failures in a row, for 30 s', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const ejected = vi.fn<(event: BalancerEvents['ejected']) => void>()
    balancer.on('ejected', ejected)
    fail(balancer, 'b', 4)
    expect(why(balancer)['b']).toBe('in-rotation')
    fail(balancer, 'b', 1)
    expect(why(balancer)['b']).toBe('ejected')
    expect(picks(balancer, 30)).not.toContain('b')
    expect(ejected).toHaveBeenCalledExactlyOnceWith({
      instance: expect.objectContaining({ id: 'b' }),
      reason: 'consecutive-failures',
      forMs: 30_000,
      ejectedCount: 1,
    })
    expect(balancer.explain()[1]).toEqual({
      id: 'b',
      weight: 1,
      effectiveWeight: 0,
      score: null,
      ewmaMs: null,
      inFlight: 0,
      eligible: false,
      why: 'ejected',
      ejectedForMs: 30_000,
      restingForMs: null,
      consecutiveFailures: 5,
    })
  })

  it('starts counting again at a success, and does not count what is ignored', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    fail(balancer, 'b', 4)
    takeFrom(balancer, 'b').ignore()
    expect(balancer.explain()[1]?.consecutiveFailures).toBe(4)
    takeFrom(balancer, 'b').success()
    fail(balancer, 'b', 4)
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('adds up to a tenth of jitter, and never shortens', async () => {
    const { balancer, clock } = setup(fleet('abcd'), { ...exact, random: () => 0.999, ejection: {} })
    const ejected = vi.fn<(event: BalancerEvents['ejected']) => void>()
    balancer.on('ejected', ejected)
    fail(balancer, 'b')
    expect(ejected.mock.calls[0]?.[0].forMs).toBeCloseTo(32_997)
    await clock.advance(32_996)
    expect(take(balancer).probe).toBe(false)
  })

  it('sends the first call after its time to the instance, as a probe, and everybody else elsewhere', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(29_999)
    expect(take(balancer).probe).toBe(false)
    await clock.advance(1)
    expect(why(balancer)['b']).toBe('probing')
    const probe = take(balancer)
    expect([probe.instance.id, probe.probe]).toEqual(['b', true])
    expect(picks(balancer, 30)).not.toContain('b')
    const restored = vi.fn<(event: BalancerEvents['restored']) => void>()
    balancer.on('restored', restored)
    probe.success()
    expect(restored).toHaveBeenCalledExactlyOnceWith({
      instance: expect.objectContaining({ id: 'b' }),
      reason: 'probe-succeeded',
      ejectedCount: 0,
    })
    expect(picks(balancer, 8)).toContain('b')
    expect(balancer.explain()[1]?.consecutiveFailures).toBe(0)
  })

  it('probes neither with a call that must not be risked nor with a retry that has been there', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    expect(take(balancer, { probe: false }).instance.id).not.toBe('b')
    expect(take(balancer, { exclude: new Set(['b']) }).instance.id).not.toBe('b')
    expect(take(balancer).instance.id).toBe('b')
  })

  it('is not cut short by calls that must not be risked, and probes with one of them only after another base time', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(10)
    for (const probe of [true, false, true, false]) expect(take(balancer, { probe }).probe).toBe(false)
    expect(balancer.explain()[1]).toMatchObject({ why: 'ejected', ejectedForMs: 29_990 })
    await clock.advance(29_989)
    expect(take(balancer).probe).toBe(false)
    await clock.advance(30_000)
    expect(take(balancer, { probe: false }).probe).toBe(false)
    await clock.advance(1)
    expect(take(balancer, { probe: false })).toMatchObject({ probe: true, instance: { id: 'b' } })
  })

  it('ejects again for longer when the probe fails, up to the maximum', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const ejected = vi.fn<(event: BalancerEvents['ejected']) => void>()
    balancer.on('ejected', ejected)
    fail(balancer, 'b')
    for (let i = 0; i < 14; i += 1) {
      await clock.advance(ejected.mock.lastCall?.[0].forMs ?? 0)
      take(balancer).failure()
    }
    const forMs = ejected.mock.calls.map(([event]) => event.forMs / 1_000)
    expect(forMs).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 300, 300, 300])
    expect(ejected.mock.lastCall?.[0]).toMatchObject({ reason: 'probe-failed', ejectedCount: 1 })
  })

  it('takes a step back for each base time of good behaviour', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const ejected = vi.fn<(event: BalancerEvents['ejected']) => void>()
    balancer.on('ejected', ejected)
    const relapse = async (goodForMs: number): Promise<number> => {
      await clock.advance(300_000)
      take(balancer).success()
      await clock.advance(goodForMs)
      fail(balancer, 'b')
      return (ejected.mock.lastCall?.[0].forMs ?? 0) / 1_000
    }
    fail(balancer, 'b')
    expect(await relapse(0)).toBe(60)
    expect(await relapse(29_999)).toBe(90)
    expect(await relapse(60_000)).toBe(60)
    expect(await relapse(3_600_000)).toBe(30)
  })

  it('forgives from the maximum on, however often a probe failed', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    for (let i = 0; i < 100; i += 1) {
      await clock.advance(300_000)
      take(balancer).failure()
    }
    await clock.advance(300_000)
    take(balancer).success()
    await clock.advance(30_000 * 10)
    fail(balancer, 'b')
    expect(balancer.explain()[1]?.ejectedForMs).toBe(30_000)
  })

  it('gives the probe to the next caller when one was cancelled', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    take(balancer).ignore()
    const again = take(balancer)
    expect([again.instance.id, again.probe]).toEqual(['b', true])
    expect(take(balancer).probe).toBe(false)
  })

  it('takes a probe that hangs for lost after a minute, and then hears nothing of it', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const lost = take(balancer)
    await clock.advance(59_999)
    expect(take(balancer).probe).toBe(false)
    await clock.advance(1)
    const next = take(balancer)
    expect(next.probe).toBe(true)
    lost.success()
    expect(why(balancer)['b']).toBe('probing')
    next.success()
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('hears nothing of calls that began before the ejection, then or after the return', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const old = Array.from({ length: 12 }, () => takeFrom(balancer, 'b'))
    fail(balancer, 'b')
    old.pop()?.success()
    for (let i = 0; i < 5; i += 1) old.pop()?.failure()
    expect(balancer.explain()[1]).toMatchObject({ why: 'ejected', ejectedForMs: 30_000, consecutiveFailures: 5 })
    await clock.advance(30_000)
    take(balancer).success()
    for (const lease of old) lease.failure()
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', inFlight: 0, consecutiveFailures: 0 })
  })

  it('never takes out more than the cap, and takes the next one when there is room again', async () => {
    const { balancer, clock } = setup(fleet('abcde'), exact)
    for (const id of 'abc') fail(balancer, id)
    expect(why(balancer)).toMatchObject({ a: 'ejected', b: 'ejected', c: 'in-rotation' })
    fail(balancer, 'c', 3)
    await clock.advance(30_000)
    take(balancer).success()
    fail(balancer, 'c', 1)
    expect(why(balancer)['c']).toBe('ejected')
  })

  it.each([
    [0.5, [0, 0, 1, 1, 2, 2, 3]],
    [0.1, [0, 0, 0, 1, 1, 1, 1]],
    [1, [0, 0, 1, 2, 3, 4, 5]],
    [0, [0, 0, 0, 0, 0, 0, 0]],
  ])('with a share of %f, of 0, 1, 2, … healthy instances at most %j may be out', (share, caps) => {
    expect(caps.map((_, healthy) => ejectionCap(share, healthy))).toEqual(caps)
  })

  it('never ejects the only instance', () => {
    const { balancer } = setup(fleet('a'), exact)
    fail(balancer, 'a', 50)
    expect(why(balancer)).toEqual({ a: 'in-rotation' })
  })

  it('can be turned off', () => {
    const { balancer } = setup(fleet('abcd'), { ...exact, ejection: false })
    fail(balancer, 'b', 50)
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 50 })
  })

  it('brings back whoever is due soonest when the fleet shrinks under the cap', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const restored = vi.fn<(event: BalancerEvents['restored']) => void>()
    balancer.on('restored', restored)
    fail(balancer, 'b')
    await clock.advance(10)
    fail(balancer, 'a')
    balancer.update(fleet('ab'))
    expect(why(balancer)).toEqual({ a: 'ejected', b: 'in-rotation' })
    expect(restored).toHaveBeenCalledExactlyOnceWith({
      instance: expect.objectContaining({ id: 'b' }),
      reason: 'over-cap',
      ejectedCount: 1,
    })
    balancer.update(fleet('a'))
    expect(why(balancer)).toEqual({ a: 'in-rotation' })
  })

  it('does not ask the probe of an instance that came back meanwhile', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const probe = take(balancer)
    balancer.update(fleet('b'))
    const heard = vi.fn<(event: unknown) => void>()
    balancer.on('restored', heard)
    balancer.on('ejected', heard)
    probe.responded('success')
    probe.failure()
    expect(balancer.explain()).toMatchObject([{ why: 'in-rotation', inFlight: 0, consecutiveFailures: 0 }])
    expect(heard).not.toHaveBeenCalled()
  })

  it('does not probe an ejected instance that is not healthy, and goes on when it is again', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    const sick = fleet('abcd').map((one) => (one.id === 'b' ? { ...one, status: 'unhealthy' as const } : one))
    balancer.update(sick)
    await clock.advance(30_000)
    expect(picks(balancer, 10)).not.toContain('b')
    balancer.update(fleet('abcd'))
    const probe = take(balancer)
    expect([probe.instance.id, probe.probe]).toEqual(['b', true])
    // Away and back once more, with the probe still running: it stays the only one.
    balancer.update(sick)
    balancer.update(fleet('abcd'))
    expect(picks(balancer, 10)).not.toContain('b')
    probe.success()
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('keeps the rest of its time for one that was unhealthy in between', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    balancer.update([...fleet('acd'), instance('b', { status: 'unhealthy' })])
    await clock.advance(10_000)
    balancer.update(fleet('abcd'))
    expect(balancer.refusal()).toMatchObject({ ejected: 1, retryAfterMs: 20_000 })
    await clock.advance(19_999)
    expect(take(balancer).probe).toBe(false)
    await clock.advance(1)
    expect(take(balancer).probe).toBe(true)
  })

  it('does not judge an instance that left, not even by its probe', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const probe = take(balancer)
    const events = vi.fn<(event: unknown) => void>()
    balancer.on('restored', events)
    balancer.on('ejected', events)
    const late = Array.from({ length: 5 }, () => takeFrom(balancer, 'c'))
    balancer.update(fleet('ad'))
    expect(balancer.refusal().ejected).toBe(0)
    probe.success()
    for (const lease of late) lease.failure()
    expect(events).not.toHaveBeenCalled()
  })

  it('reads no clock for picks while nobody is ejected, and one at most while somebody is', () => {
    const clock = new FakeClock(1_000)
    const now = vi.fn<() => number>(clock.now)
    const balancer = new LoadBalancer({ ...exact, clock: { now } })
    balancer.update(fleet('abcd'))
    now.mockClear()
    picks(balancer, 10)
    expect(now).toHaveBeenCalledTimes(0)
    fail(balancer, 'b')
    now.mockClear()
    picks(balancer, 10)
    expect(now).toHaveBeenCalledTimes(10)
  })

  it('probes each of five hundred that are due together, one per call', async () => {
    const { balancer, clock } = setup(numbered(1_000), exact)
    for (let i = 0; i < 500; i += 1) fail(balancer, `i${i}`)
    expect(counted(Object.values(why(balancer)))['ejected']).toBe(500)
    await clock.advance(30_000)
    const probes = new Set(Array.from({ length: 500 }, () => take(balancer)).map(({ instance: { id } }) => id))
    expect(probes.size).toBe(500)
    expect(take(balancer).probe).toBe(false)
  })

  it('begins the wait again when the clock goes backwards, instead of waiting for ever', () => {
    let now = 1_000_000
    const balancer = new LoadBalancer({ ...exact, clock: { now: () => now } })
    balancer.update(fleet('abcdef'))
    fail(balancer, 'b')
    fail(balancer, 'c')
    now += 30_000
    const hanging = take(balancer)
    expect(hanging.probe).toBe(true)
    now = 0
    expect(take(balancer).probe).toBe(false)
    now = 29_999
    expect(take(balancer).probe).toBe(false)
    now = 30_000
    const other = take(balancer)
    expect(other.probe).toBe(true)
    expect(other.instance.id).not.toBe(hanging.instance.id)
    now = 60_000
    expect(take(balancer)).toMatchObject({ probe: true, instance: { id: hanging.instance.id } })
  })

  it('is driven by plain fake timers, and holds no timer itself', () => {
    vi.useFakeTimers()
    try {
      const balancer = new LoadBalancer({ strategy: roundRobin(), ejection: { jitter: 0 } })
      balancer.update(fleet('abcd'))
      fail(balancer, 'b')
      expect(vi.getTimerCount()).toBe(0)
      vi.advanceTimersByTime(29_999)
      expect(take(balancer).probe).toBe(false)
      vi.advanceTimersByTime(1)
      expect(take(balancer).probe).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })
})

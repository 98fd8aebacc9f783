import { describe, expect, it, vi } from 'vitest'
import { type BalancerEvents, LoadBalancer, roundRobin, type Strategy } from 'gateless/balancing'
import { systemClock } from '../../src/time/clock.ts'
import { fail, fleet, instance, picks, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }

/** The answer 429 or 503 with Retry-After. */
function busy(balancer: LoadBalancer, id: string, retryAfterMs = 2_000): void {
  const lease = takeFrom(balancer, id)
  lease.responded('failure', { retryAfterMs })
  lease.success()
}

describe('an instance that asks for time', () => {
  it('is left alone for as long, and then picked again', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const seen = vi.fn<(event: BalancerEvents['resting']) => void>()
    balancer.on('resting', seen)
    busy(balancer, 'b')
    expect(seen).toHaveBeenCalledExactlyOnceWith({ instance: expect.objectContaining({ id: 'b' }), forMs: 2_000 })
    expect(balancer.explain()[1]).toMatchObject({ why: 'resting', eligible: false, restingForMs: 2_000 })
    expect(balancer.metrics).toMatchObject({ resting: 1, pickedFrom: 3, healthy: 4 })
    await clock.advance(1_999)
    expect(picks(balancer, 12)).not.toContain('b')
    expect(balancer.explain()[1]).toMatchObject({ restingForMs: 1 })
    await clock.advance(1)
    expect(picks(balancer, 4)).toContain('b')
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', restingForMs: null })
    expect(balancer.metrics.resting).toBe(0)
  })

  it('is not said to rest any more when its time is over, although no call has looked', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    busy(balancer, 'b')
    await clock.advance(2_000)
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('is not probed afterwards, and nothing grows', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    for (let i = 0; i < 3; i += 1) {
      busy(balancer, 'b')
      expect(balancer.explain()[1]?.restingForMs).toBe(2_000)
      await clock.advance(2_000)
      const lease = takeFrom(balancer, 'b')
      expect(lease.probe).toBe(false)
      lease.success()
    }
  })

  it('rests longer when it asks again, never shorter, and says so once', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const seen = vi.fn<(event: unknown) => void>()
    const calls = Array.from({ length: 4 }, () => takeFrom(balancer, 'b'))
    balancer.on('resting', seen)
    calls[0]?.failure({ retryAfterMs: 2_000 })
    calls[1]?.failure({ retryAfterMs: 1_000 })
    expect(balancer.explain()[1]?.restingForMs).toBe(2_000)
    await clock.advance(500)
    calls[2]?.failure({ retryAfterMs: 5_000 })
    expect(balancer.explain()[1]?.restingForMs).toBe(5_000)
    expect(seen).toHaveBeenCalledOnce()
  })

  it('is cut down to half a minute, or to what the options say', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    busy(balancer, 'b', 3_600_000)
    expect(balancer.explain()[1]?.restingForMs).toBe(30_000)
    const short = setup(fleet('abcd'), { ...exact, maxRestMs: 100 }).balancer
    busy(short, 'b', 3_600_000)
    expect(short.explain()[1]?.restingForMs).toBe(100)
    const never = setup(fleet('abcd'), { ...exact, maxRestMs: 0 }).balancer
    busy(never, 'b', 3_600_000)
    expect(never.explain()[1]).toMatchObject({ why: 'in-rotation', restingForMs: null })
  })

  it.each([0, -1, Number.NaN, Number.NEGATIVE_INFINITY])('does not rest for %f milliseconds', (retryAfterMs) => {
    const { balancer } = setup(fleet('abcd'), exact)
    busy(balancer, 'b', retryAfterMs)
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 1 })
  })

  it('rests for an answer that counts for nothing else, but not for a success', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const polite = takeFrom(balancer, 'a')
    polite.responded('success', { retryAfterMs: 2_000 })
    polite.success({ retryAfterMs: 2_000 })
    takeFrom(balancer, 'c').responded('ignore', { retryAfterMs: 2_000 })
    expect(why(balancer)).toMatchObject({ a: 'in-rotation', c: 'resting' })
    expect(balancer.explain()[2]?.consecutiveFailures).toBe(0)
  })

  it('may be ejected by the same answer, and then the ejection is rest enough', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const resting = vi.fn<(event: unknown) => void>()
    balancer.on('resting', resting)
    fail(balancer, 'b', 4)
    busy(balancer, 'b')
    expect(balancer.explain()[1]).toMatchObject({ why: 'ejected', restingForMs: null })
    expect(resting).not.toHaveBeenCalled()
    await clock.advance(30_000)
    const probe = take(balancer)
    expect(probe).toMatchObject({ probe: true, instance: { id: 'b' } })
    probe.success()
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('is not believed when it was asked before it was ejected or replaced', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const old = takeFrom(balancer, 'b')
    const gone = takeFrom(balancer, 'c')
    fail(balancer, 'b')
    old.failure({ retryAfterMs: 2_000 })
    balancer.update(fleet('abcd').map((one) => (one.id === 'c' ? { ...one, port: 1 } : one)))
    gone.failure({ retryAfterMs: 2_000 })
    expect(balancer.metrics.resting).toBe(0)
  })

  it('takes its rest with it when it leaves', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    busy(balancer, 'b')
    balancer.update(fleet('acd'))
    expect(balancer.metrics.resting).toBe(0)
    balancer.update(fleet('abcd'))
    expect(why(balancer)['b']).toBe('in-rotation')
    await clock.advance(2_000)
    expect(picks(balancer, 4)).toContain('b')
  })
})

describe('rests', () => {
  it('are obeyed as long as half of the instances are left, and never by the last one', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const seen = vi.fn<(event: BalancerEvents['resting']) => void>()
    const panic = vi.fn<(event: unknown) => void>()
    balancer.on('resting', seen)
    balancer.on('panic', panic)
    busy(balancer, 'a')
    busy(balancer, 'b')
    expect(new Set(picks(balancer, 8))).toEqual(new Set(['c', 'd']))
    busy(balancer, 'c')
    // A service that is overloaded as a whole must not send everything to the last one.
    expect(new Set(picks(balancer, 8))).toEqual(new Set(['a', 'b', 'c', 'd']))
    expect(balancer.explain()[0]).toMatchObject({ why: 'in-rotation', eligible: true, restingForMs: 2_000 })
    expect(seen.mock.calls.map(([event]) => event.instance.id)).toEqual(['a', 'b'])
    expect(panic).not.toHaveBeenCalled()
  })

  it('are never obeyed by the only one, nor by the last one where nothing panics', () => {
    const { balancer } = setup(fleet('a'), { ...exact, panicThreshold: 0 })
    busy(balancer, 'a')
    expect(picks(balancer, 2)).toEqual(['a', 'a'])
    balancer.update(fleet('ab'))
    expect(picks(balancer, 2)).toEqual(['b', 'b'])
    busy(balancer, 'b')
    expect(new Set(picks(balancer, 4))).toEqual(new Set(['a', 'b']))
  })

  it('do not make the unhealthy eligible', () => {
    const { balancer } = setup([...fleet('ab'), instance('c', { status: 'unhealthy' })], exact)
    busy(balancer, 'a')
    busy(balancer, 'b')
    expect(new Set(picks(balancer, 8))).toEqual(new Set(['a', 'b']))
    expect(balancer.panic).toBe(false)
  })

  it('of several instances end one after the other', async () => {
    const { balancer, clock } = setup(fleet('abcdef'), exact)
    busy(balancer, 'a', 3_000)
    busy(balancer, 'b', 1_000)
    busy(balancer, 'c', 2_000)
    await clock.advance(1_000)
    expect(new Set(picks(balancer, 12))).toEqual(new Set('bdef'))
    await clock.advance(2_000)
    expect(new Set(picks(balancer, 12))).toEqual(new Set('abcdef'))
  })

  it('that were prolonged do not hold up the others', async () => {
    const { balancer, clock } = setup(fleet('abcdef'), exact)
    const again = takeFrom(balancer, 'a')
    busy(balancer, 'a', 1_000)
    busy(balancer, 'b', 2_000)
    again.failure({ retryAfterMs: 3_000 })
    await clock.advance(2_000)
    expect(new Set(picks(balancer, 12))).toEqual(new Set('bcdef'))
  })

  it('make no pick arrange anything anew', () => {
    const update = vi.fn<(members: unknown) => void>()
    const lone: Strategy = {
      name: 'lone',
      create: () => {
        const picker = roundRobin().create({ random: () => 0, clock: systemClock })
        return {
          update: (members) => {
            update(members)
            picker.update(members)
          },
          pick: (request) => picker.pick(request),
        }
      },
    }
    const { balancer } = setup(fleet('abcd'), { ...exact, strategy: lone })
    busy(balancer, 'b')
    update.mockClear()
    picks(balancer, 10)
    expect(update).not.toHaveBeenCalled()
  })

  it('read the clock for picks only while there are some', async () => {
    const now = vi.fn<() => number>(() => 1_000)
    const { balancer } = setup(fleet('abcd'), { ...exact, clock: { now } })
    busy(balancer, 'b')
    now.mockClear()
    picks(balancer, 5)
    expect(now).toHaveBeenCalledTimes(5)
    now.mockReturnValue(3_000)
    picks(balancer, 1)
    now.mockClear()
    picks(balancer, 5)
    expect(now).not.toHaveBeenCalled()
  })

  it('keep what is left of them when the clock goes backwards', () => {
    let now = 1_000_000
    const balancer = new LoadBalancer({ ...exact, clock: { now: () => now } })
    balancer.update(fleet('abcdef'))
    busy(balancer, 'b', 2_000)
    now = 1_001_000
    busy(balancer, 'c', 2_000)
    now = 0
    expect(picks(balancer, 8)).not.toContain('b')
    now = 999
    expect(picks(balancer, 8)).not.toContain('b')
    now = 1_000
    expect(picks(balancer, 8)).toContain('b')
    expect(picks(balancer, 8)).not.toContain('c')
    now = 2_000
    expect(picks(balancer, 8)).toContain('c')
  })

  it('notice a clock that went backwards also when the next one begins', () => {
    let now = 1_000_000
    const balancer = new LoadBalancer({ ...exact, clock: { now: () => now } })
    balancer.update(fleet('abcdef'))
    busy(balancer, 'b', 2_000)
    const next = takeFrom(balancer, 'c')
    now = 0
    next.failure({ retryAfterMs: 5_000 })
    now = 2_000
    expect(why(balancer)).toMatchObject({ b: 'in-rotation', c: 'resting' })
  })

  it('hold no timer, and are driven by plain fake timers', () => {
    vi.useFakeTimers()
    try {
      const balancer = new LoadBalancer(exact)
      balancer.update(fleet('abcd'))
      busy(balancer, 'b')
      expect(vi.getTimerCount()).toBe(0)
      vi.advanceTimersByTime(1_999)
      expect(picks(balancer, 8)).not.toContain('b')
      vi.advanceTimersByTime(1)
      expect(picks(balancer, 8)).toContain('b')
    } finally {
      vi.useRealTimers()
    }
  })

  it('refuse a maximum that is no duration', () => {
    expect(() => new LoadBalancer({ maxRestMs: -1 })).toThrow(/LoadBalancer: maxRestMs must be a finite number from 0/)
  })
})

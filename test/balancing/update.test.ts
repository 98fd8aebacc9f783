import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { type BalancerEvents, type LoadBalancer, type Member, roundRobin, type Strategy } from 'gateless/balancing'
import { sameIdentity } from '../../src/balancing/member-state.ts'
import { instanceIdentity } from '../../src/core/instance.ts'
import { fail, fleet, instance, picks, SEED, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0 }

function log(balancer: LoadBalancer): string[] {
  const lines: string[] = []
  balancer.on('added', (event) => lines.push(`+${event.instance.id}:${event.instance.port}`))
  balancer.on('removed', (event) => lines.push(`-${event.instance.id}:${event.instance.port} (${event.inFlight})`))
  balancer.on('panic', ({ on, eligible, inService }) => lines.push(`panic ${on} ${eligible}/${inService}`))
  return lines
}

describe('update', () => {
  it('says what came and what went', () => {
    const { balancer } = setup(fleet('ab'), exact)
    const lines = log(balancer)
    take(balancer)
    balancer.update(fleet('bc'))
    expect(lines).toEqual(['-a:8080 (1)', '+c:8080'])
    expect(balancer.size).toBe(2)
  })

  it('does nothing when the same list comes again', () => {
    const { balancer } = setup(fleet('ab'), exact)
    const lines = log(balancer)
    balancer.update(fleet('ab'))
    balancer.update(fleet('ba'))
    expect(lines).toEqual([])
  })

  it('keeps what it learned of an instance while id and address stay', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    const lease = takeFrom(balancer, 'a')
    balancer.update([...fleet('acd'), instance('b', { version: '2', weight: 3 })])
    expect(balancer.explain()).toMatchObject([
      { inFlight: 1 },
      { id: 'b', weight: 3, consecutiveFailures: 5, why: 'ejected' },
      {},
      {},
    ])
    lease.success()
  })

  it('starts afresh with the same id at a new address, and lets the calls to the old one finish', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const lines = log(balancer)
    fail(balancer, 'a')
    const old = take(balancer)
    expect(old.instance.id).toBe('b')
    balancer.update(fleet('abcd', { port: 9090 }))
    expect(Object.values(why(balancer))).toEqual(Array(4).fill('in-rotation'))
    expect(balancer.explain()).toMatchObject([{}, { inFlight: 0 }, {}, {}])
    old.failure()
    expect(balancer.explain()).toMatchObject([{}, { inFlight: 0, consecutiveFailures: 0 }, {}, {}])
    expect(lines).toContain('-b:8080 (1)')
    expect(lines).toContain('+b:9090')
    expect(balancer.size).toBe(4)
  })

  it('shows a strategy who has left, by the slot', () => {
    let seen: readonly Member[] = []
    const strategy: Strategy = {
      name: 'recorder',
      create: () => ({
        update: (members) => {
          expect(seen.filter(({ id, slot }) => slot >= 0 && !members.some((member) => member.id === id))).toEqual([])
          seen = members
        },
        pick: () => seen[0],
      }),
    }
    const { balancer } = setup(fleet('abc'), { strategy })
    const former = seen
    balancer.update(fleet('bc', { priority: 3 }))
    expect(former.map(({ slot }) => slot)).toEqual([-1, 0, 1])
    balancer.update([...fleet('b'), instance('c', { status: 'stopping' })])
    expect(former.map(({ slot }) => slot)).toEqual([-1, 0, -1])
  })

  it('has nobody for a call when there is nobody, whomever it excludes', () => {
    const { balancer } = setup([], exact)
    expect(balancer.acquire()).toBeUndefined()
    expect(balancer.acquire({ exclude: new Set(['a']) })).toBeUndefined()
    balancer.update(fleet('a'))
    balancer.update([])
    expect(balancer.acquire({ exclude: new Set(['a']) })).toBeUndefined()
  })

  it('takes the first of two entries with the same id', () => {
    const { balancer } = setup([instance('a'), instance('a', { port: 1 }), instance('b')], exact)
    expect(balancer.size).toBe(2)
    expect(take(balancer).instance.port).toBe(8080)
    const lines = log(balancer)
    balancer.update([instance('a', { port: 2 }), instance('a'), instance('b')])
    expect(lines).toEqual(['-a:8080 (1)', '+a:2'])
  })

  it('follows status and weight', () => {
    const { balancer } = setup(fleet('abc'), exact)
    balancer.update([instance('a'), instance('b', { weight: 0 }), instance('c', { status: 'stopping' })])
    expect(picks(balancer, 3)).toEqual(['a', 'a', 'a'])
    expect(why(balancer)).toEqual({ a: 'in-rotation', b: 'drained', c: 'stopping' })
    balancer.update(fleet('abc'))
    expect(new Set(picks(balancer, 3)).size).toBe(3)
  })

  it('refuses a weight that is no share, and no list, and changes nothing then', () => {
    const { balancer } = setup(fleet('ab'), exact)
    for (const weight of [Number.NaN, Number.POSITIVE_INFINITY, -1, '2' as unknown as number]) {
      expect(() => balancer.update([instance('c', { weight })])).toThrow(
        /update: weight of "c" must be a finite number from 0/,
      )
    }
    expect(() => balancer.update('ab' as never)).toThrow(new TypeError('update: instances must be an array, got "ab"'))
    expect(balancer.size).toBe(2)
  })

  it(`tells identities apart exactly as core does (seed ${SEED})`, () => {
    const some = fc.record({
      id: fc.constantFrom('a', 'b', 'a\nhttp'),
      host: fc.constantFrom('10.0.0.1', '10.0.0.2', '::1'),
      port: fc.constantFrom(80, 8080),
      secure: fc.boolean(),
      weight: fc.nat(2),
    })
    fc.assert(
      fc.property(some, some, (a, b) => {
        const [one, other] = [instance(a.id, a), instance(b.id, b)]
        expect(sameIdentity(one, other)).toBe(instanceIdentity(one) === instanceIdentity(other))
      }),
      { seed: SEED, numRuns: 500 },
    )
  })
})

function sick(ids: string): ReturnType<typeof fleet> {
  return fleet(ids, { status: 'unhealthy' })
}

describe('panic', () => {
  it('picks among all in service when fewer than half are eligible, and says so, once', () => {
    const { balancer } = setup([], exact)
    const lines = log(balancer)
    balancer.update([...fleet('a'), ...sick('bc')])
    expect([balancer.panic, picks(balancer, 3).join('')]).toEqual([true, 'abc'])
    expect(why(balancer)).toEqual({ a: 'in-rotation', b: 'panic', c: 'panic' })
    balancer.update([...fleet('a'), ...sick('bcd')])
    balancer.update([...fleet('ab'), ...sick('cd')])
    expect([balancer.panic, new Set(picks(balancer, 4))]).toEqual([false, new Set(['a', 'b'])])
    expect(lines.filter((line) => line.startsWith('panic'))).toEqual(['panic true 1/3', 'panic false 2/4'])
  })

  it('never picks an instance that is stopping, starting or drained, and does not count it either', () => {
    const { balancer } = setup(
      [
        ...sick('a'),
        instance('b', { status: 'unknown' }),
        instance('c', { status: 'stopping' }),
        instance('d', { status: 'starting' }),
        instance('e', { weight: 0 }),
      ],
      exact,
    )
    expect(new Set(picks(balancer, 10))).toEqual(new Set(['a', 'b']))
    // A deploy is no panic: the one that is up serves, those that start or stop are left in peace.
    balancer.update([...fleet('a'), ...fleet('bcd', { status: 'starting' }), ...fleet('efg', { status: 'stopping' })])
    expect([balancer.panic, picks(balancer, 2).join('')]).toEqual([false, 'aa'])
  })

  it('ignores ejection too, but only a probe brings an instance back', async () => {
    const { balancer, clock } = setup(fleet('abcd'), { ...exact, ejection: { jitter: 0 }, panicThreshold: 0.8 })
    fail(balancer, 'b')
    expect(why(balancer)['b']).toBe('panic')
    const calls = [take(balancer), take(balancer), take(balancer), take(balancer)]
    expect(new Set(calls.map(({ instance: { id } }) => id)).size).toBe(4)
    for (const call of calls) call.success()
    expect(balancer.explain()[1]).toMatchObject({ why: 'panic', ejectedForMs: 30_000, consecutiveFailures: 5 })
    await clock.advance(30_000)
    take(balancer).success()
    expect([why(balancer)['b'], balancer.panic]).toEqual(['in-rotation', false])
  })

  it('does not eject the unhealthy it had to pick', () => {
    const { balancer } = setup(sick('abc'), exact)
    for (const id of 'abc') fail(balancer, id, 6)
    expect(why(balancer)).toEqual({ a: 'panic', b: 'panic', c: 'panic' })
    const mixed = setup([...fleet('abcd'), ...sick('e')], { ...exact, panicThreshold: 1 }).balancer
    fail(mixed, 'e', 6)
    expect(mixed.refusal().ejected).toBe(0)
  })

  it('never happens with a threshold of 0', () => {
    const { balancer } = setup(sick('ab'), { ...exact, panicThreshold: 0 })
    expect([balancer.panic, balancer.acquire()]).toEqual([false, undefined])
  })
})

describe('picked', () => {
  it('is told to whoever listens', () => {
    const { balancer } = setup(fleet('a'), exact)
    const heard = vi.fn<(event: BalancerEvents['picked']) => void>()
    balancer.on('picked', heard)
    take(balancer)
    take(balancer, { key: 'k' })
    expect(heard.mock.calls.map(([event]) => event)).toMatchObject([
      { instance: { id: 'a' }, key: undefined, probe: false, inFlight: 1 },
      { key: 'k', inFlight: 2 },
    ])
  })

  it('with a listener that throws changes nothing for the call', () => {
    const { balancer } = setup(fleet('a'), exact)
    const faults = vi.fn<(fault: unknown) => void>()
    balancer.on('error', faults)
    balancer.on('picked', () => {
      throw new Error('listener')
    })
    take(balancer).success()
    expect(balancer.explain()).toMatchObject([{ inFlight: 0 }])
    expect(faults).toHaveBeenCalledOnce()
  })
})

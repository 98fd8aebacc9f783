import { describe, expect, it } from 'vitest'
import { ipHash, LoadBalancer, type Member, roundRobin, type Strategy, type ZoneOptions } from 'gateless/balancing'
import { zoneShares } from '../../src/balancing/locality.ts'
import { splitByPriority } from '../../src/balancing/priority.ts'
import type { ServiceInstance } from '../../src/core/instance.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fail, instance, picks, SEED, setup, take, takeFrom, why } from './fleet.ts'

/** `zones('aab')`: two instances in zone a, one in b; ids a0, a1, b2. */
function zones(names: string, overrides: Partial<ServiceInstance> = {}): ServiceInstance[] {
  return Array.from(names, (zone, i) => instance(`${zone}${i}`, { zone, ...overrides }))
}

/** `levels({ 0: 'hhu' })`: at priority 0 two healthy and an unhealthy one; ids 0h0, 0h1, 0u2. */
function levels(byPriority: Record<number, string>): ServiceInstance[] {
  return Object.entries(byPriority).flatMap(([priority, states]) =>
    Array.from(states, (state, i) =>
      instance(`${priority}${state}${i}`, {
        priority: Number(priority),
        status: state === 'h' ? 'healthy' : state === 'u' ? 'unhealthy' : 'stopping',
      }),
    ),
  )
}

/** Shares by the first letter of the ids, in whole per cent. */
function shares(balancer: LoadBalancer, count = 10_000): Record<string, number> {
  const byLetter = counted(picks(balancer, count).map((id) => id.slice(0, 1)))
  const sorted = Object.entries(byLetter).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name, n]) => [name, Math.round((100 * n) / count)]))
}

const options = { strategy: roundRobin(), random: seededRandom(SEED) }

describe('the split by priority', () => {
  it.each([
    // Healthy per cent of each level → share of each, whether it panics. Envoy's documentation has these rows.
    [[100, 100], [100, 0], ''],
    [[72, 72], [100, 0], ''],
    [[71, 71], [99, 1], ''],
    [[50, 50], [70, 30], ''],
    [[50, 100], [70, 30], ''],
    [[25, 100], [35, 65], ''],
    [[0, 100], [0, 100], ''],
    [[25, 25], [50, 50], '01'],
    [[5, 65], [7, 93], '0'],
    [[65, 5], [93, 7], '1'],
    [[0, 0], [50, 50], '01'],
    [[25, 25, 100], [35, 35, 30], ''],
    [[20, 20, 10], [33, 33, 33], '012'],
  ])('of levels with %j per cent healthy is %j', (healthy, expected, panicking) => {
    const loads = splitByPriority(
      healthy.map((eligible) => ({ eligible, inService: 100 })),
      0.5,
    )
    expect(loads.map(({ share }) => Math.round(share * 100))).toEqual(expected)
    expect(loads.flatMap(({ panic }, i) => (panic ? [i] : [])).join('')).toBe(panicking)
    expect(loads.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12)
  })

  it('goes by the number of instances where all levels panic', () => {
    const loads = splitByPriority(
      [
        { eligible: 0, inService: 30 },
        { eligible: 1, inService: 10 },
      ],
      0.5,
    )
    expect(loads).toEqual([
      { share: 0.75, panic: true },
      { share: 0.25, panic: true },
    ])
  })

  it('leaves everything to the first level where nobody is well and nobody may panic', () => {
    const none = { eligible: 0, inService: 3 }
    expect(splitByPriority([none, none], 0)).toEqual([
      { share: 1, panic: false },
      { share: 0, panic: false },
    ])
    expect(splitByPriority([], 0.5)).toEqual([])
  })

  it('lets a single level panic by its threshold alone', () => {
    expect(splitByPriority([{ eligible: 3, inService: 4 }], 0.8)).toEqual([{ share: 1, panic: true }])
    expect(splitByPriority([{ eligible: 2, inService: 4 }], 0.5)).toEqual([{ share: 1, panic: false }])
  })
})

describe('priorities', () => {
  it('keep calls on the best as long as 72 % of it are well', () => {
    const { balancer } = setup(levels({ 0: 'hhh', 1: 'hh' }), options)
    expect(shares(balancer)).toEqual({ 0: 100 })
    expect(why(balancer)).toMatchObject({ '0h0': 'in-rotation', '1h0': 'spare' })
    expect(balancer.explain()[3]).toMatchObject({ eligible: false, effectiveWeight: 0 })
  })

  it('spill what the best cannot carry', () => {
    const { balancer } = setup(levels({ 0: 'hu', 7: 'hh' }), options)
    const split = shares(balancer)
    expect(split[0]).toBeGreaterThan(68)
    expect(split[0]).toBeLessThan(72)
    expect(picks(balancer, 100)).not.toContain('0u1')
  })

  it('panic one by one', () => {
    const { balancer } = setup(levels({ 0: 'uuuuuuuuuh', 1: 'uuuuhhhhhh' }), { ...options, panicThreshold: 0.5 })
    const ids = counted(picks(balancer, 10_000))
    expect(balancer.panic).toBe(true)
    // Only the first is in panic: its sick are picked, those of the second are not.
    expect(ids['0u0']).toBeGreaterThan(0)
    expect(ids['1u0']).toBeUndefined()
    expect(why(balancer)).toMatchObject({ '0u0': 'panic', '0h9': 'in-rotation', '1u0': 'unhealthy' })
  })

  it('take in who is ejected or resting', async () => {
    const { balancer } = setup(levels({ 0: 'hhh', 1: 'h' }), { ...options, ejection: { jitter: 0 } })
    fail(balancer, '0h0')
    // 1.4 × 2/3 = 93 %.
    const split = shares(balancer)
    expect(split[1]).toBeGreaterThanOrEqual(5)
    expect(split[1]).toBeLessThanOrEqual(8)
    takeFrom(balancer, '0h1').failure({ retryAfterMs: 1_000 })
    // One of three is not enough for a rest to be obeyed.
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', restingForMs: 1_000 })
  })

  it('count only who is in service, and forget levels that are gone', () => {
    const { balancer } = setup(levels({ 0: 'hss', 3: 'h' }), options)
    expect(shares(balancer)).toEqual({ 0: 100 })
    balancer.update(levels({ 3: 'h' }))
    expect(shares(balancer)).toEqual({ 3: 100 })
    balancer.update(levels({ 0: 's', 3: 's' }))
    expect(balancer.acquire()).toBeUndefined()
    balancer.update([instance('3h0', { priority: 0 })])
    expect(shares(balancer)).toEqual({ 3: 100 })
  })

  it('follow news of an instance’s priority', () => {
    const { balancer } = setup([instance('a'), instance('b', { priority: 1 })], options)
    expect(shares(balancer, 100)).toEqual({ a: 100 })
    balancer.update([instance('a', { priority: 2 }), instance('b', { priority: 1 })])
    expect(shares(balancer, 100)).toEqual({ b: 100 })
  })

  it('let a retry go to a level in use before it goes where it has been', () => {
    const { balancer } = setup(levels({ 0: 'hu', 1: 'h' }), options)
    for (let i = 0; i < 50; i += 1) {
      expect(take(balancer, { exclude: new Set(['0h0']) }).instance.id).toBe('1h0')
      expect(take(balancer, { exclude: new Set(['1h0']) }).instance.id).toBe('0h0')
      expect(['0h0', '1h0']).toContain(take(balancer, { exclude: new Set(['0h0', '1h0']) }).instance.id)
    }
  })

  it('send a key to the same level every time', () => {
    const { balancer } = setup(levels({ 0: 'hhu', 1: 'hhh' }), { strategy: ipHash(), random: seededRandom(SEED) })
    const owners = Array.from({ length: 200 }, (_, i) => take(balancer, { key: `k${i}` }).instance.id)
    const again = Array.from({ length: 200 }, (_, i) => take(balancer, { key: `k${i}` }).instance.id)
    expect(again).toEqual(owners)
    const first = owners.filter((id) => id.startsWith('0')).length
    expect(first).toBeGreaterThan(170)
    expect(first).toBeLessThan(200)
  })
})

describe('the shares of zones', () => {
  const of = (
    capacity: Record<string, number>,
    zone: Partial<ZoneOptions> = {},
  ): Record<string, number> | undefined => {
    const callers = zone.callers === undefined ? undefined : new Map(Object.entries(zone.callers))
    const found = zoneShares({ name: 'a', callers }, new Map(Object.entries(capacity)))
    return found && Object.fromEntries(Array.from(found, ([name, share]) => [name, Math.round(share * 1_000) / 1_000]))
  }

  it('are all for the own zone where it has as many instances as it has callers', () => {
    expect(of({ a: 2, b: 2 })).toEqual({ a: 1 })
    expect(of({ a: 3, b: 2 })).toEqual({ a: 1 })
    expect(of({ a: 2, b: 4 }, { callers: { a: 1, b: 2 } })).toEqual({ a: 1 })
  })

  it('otherwise keep so much that no instance gets more than its part, and spill to who has room', () => {
    // A fifth of the instances for half of the callers: 0.2 / 0.5.
    expect(of({ a: 1, b: 4 })).toEqual({ a: 0.4, b: 0.6 })
    // a has 1/6 for 1/3 of the callers; b is short as well, c has room.
    expect(of({ a: 1, b: 1, c: 4 })).toEqual({ a: 0.5, c: 0.5 })
    // Room in proportion: b 3/8 − 1/4, c 4/8 − 1/4.
    expect(of({ a: 1, b: 3, c: 4 }, { callers: { a: 2, b: 1, c: 1 } })).toEqual({ a: 0.25, b: 0.25, c: 0.5 })
  })

  it('count callers in zones without instances, too', () => {
    // Half of the callers are in d: a needs only a quarter.
    expect(of({ a: 1, b: 3 }, { callers: { a: 1, b: 1, d: 2 } })).toEqual({ a: 1 })
  })

  it('take nobody’s callers for evenly spread ones, and a zone nobody named for one without any', () => {
    expect(of({ a: 1, b: 4 }, { callers: {} })).toEqual({ a: 0.4, b: 0.6 })
    expect(of({ a: 1, b: 4 }, { callers: { b: 1 } })).toEqual({ a: 1 })
  })

  it('are none where nobody is near, or nobody is far', () => {
    expect(of({ b: 1, c: 1 })).toBeUndefined()
    expect(of({ a: 1 })).toBeUndefined()
  })
})

describe('zones', () => {
  it('keep calls near', () => {
    const { balancer } = setup(zones('aaabbb'), { ...options, zone: 'a' })
    expect(shares(balancer)).toEqual({ a: 100 })
    expect(why(balancer)).toMatchObject({ a0: 'in-rotation', b3: 'spare' })
    expect(balancer.metrics.pickedFrom).toBe(3)
  })

  it('spill, so that every instance gets the same', () => {
    const { balancer } = setup(zones('abbbbb'), { ...options, zone: 'a' })
    const split = shares(balancer)
    expect(split['a']).toBeGreaterThan(31)
    expect(split['a']).toBeLessThan(36)
  })

  it('go by weight, and by who is eligible', () => {
    const near = zones('aaabbb').map((one) => (one.zone === 'a' ? one : { ...one, weight: 3 }))
    const { balancer } = setup(near, { ...options, zone: 'a' })
    // A quarter of the weight for half of the callers.
    expect(shares(balancer)['a']).toBeGreaterThan(47)
    expect(shares(balancer)['a']).toBeLessThan(53)
    balancer.update(zones('aaabbb'))
    balancer.setHealth('a0', false)
    const { balancer: fewer } = setup(zones('aaabbbb'), { ...options, zone: 'a' })
    fewer.setHealth('a0', false)
    // 2/6 for 1/2.
    expect(shares(fewer)['a']).toBeGreaterThan(63)
    expect(shares(fewer)['a']).toBeLessThan(70)
  })

  it('mean nothing below six instances, in panic, or where they are unknown', () => {
    expect(Object.keys(shares(setup(zones('aabbb'), { ...options, zone: 'a' }).balancer))).toEqual(['a', 'b'])
    const few = { name: 'a', minInstances: 5 }
    expect(shares(setup(zones('aaabb'), { ...options, zone: few }).balancer)).toEqual({ a: 100 })
    const sick = zones('aaabbb', { status: 'unhealthy' })
    expect(Object.keys(shares(setup(sick, { ...options, zone: 'a' }).balancer))).toEqual(['a', 'b'])
    const nowhere = zones('aaabbb', { zone: undefined })
    expect(Object.keys(shares(setup(nowhere, { ...options, zone: 'a' }).balancer))).toEqual(['a', 'b'])
    expect(Object.keys(shares(setup(zones('aaabbb'), { ...options, zone: false }).balancer))).toEqual(['a', 'b'])
  })

  it('show each picker only its own members in slots: who moved to another zone has left', () => {
    const strategy: Strategy = {
      name: 'recorder',
      create: () => {
        let seen: readonly Member[] = []
        return {
          update: (members) => {
            expect(members.map(({ slot }) => slot)).toEqual(members.map((_, i) => i))
            for (const former of seen) if (!members.includes(former)) expect(former.slot).toBe(-1)
            seen = members
          },
          pick: () => seen[0],
        }
      },
    }
    const zone = { name: 'a', minInstances: 0, callers: { a: 3, b: 1 } }
    const { balancer } = setup(zones('abb'), { ...options, strategy, zone })
    const moved = (id: string, to: string): ServiceInstance[] =>
      zones('abb').map((one) => (one.id === id ? { ...one, zone: to } : one))
    for (const [id, to] of [
      ['b1', 'a'],
      ['b2', 'a'],
      ['a0', 'b'],
    ] as const) {
      balancer.update(moved(id, to))
      balancer.update(zones('abb').toReversed())
    }
    expect(balancer.metrics.pickedFrom).toBe(3)
  })

  it('are told the callers', () => {
    const zone = { name: 'a', callers: { a: 3, b: 1 } }
    const { balancer } = setup(zones('aaabbb'), { ...options, zone })
    expect(shares(balancer)['a']).toBeGreaterThan(64)
    expect(shares(balancer)['a']).toBeLessThan(69)
  })

  it('let a retry leave the zone before it goes where it has been', () => {
    const { balancer } = setup(zones('abbbbb'), { ...options, zone: 'a' })
    for (let i = 0; i < 30; i += 1) expect(take(balancer, { exclude: new Set(['a0']) }).instance.zone).toBe('b')
  })

  it('are taken over at run time, with the calls in flight', () => {
    const { balancer } = setup(zones('aaabbb'), options)
    const leases = Array.from({ length: 60 }, () => take(balancer))
    balancer.configure({ zone: 'b' })
    expect(shares(balancer, 100)).toEqual({ b: 100 })
    expect(balancer.metrics.inFlight).toBe(60)
    for (const lease of leases) lease.success()
    expect(balancer.explain().every(({ inFlight }) => inFlight === 0)).toBe(true)
    balancer.update(zones('aaabbb').map((one) => ({ ...one, zone: one.zone === 'a' ? 'b' : 'a' })))
    expect(shares(balancer, 100)).toEqual({ a: 100 })
    balancer.configure({ zone: false })
    expect(Object.keys(shares(balancer, 100))).toEqual(['a', 'b'])
  })

  it.each([
    ['', /LoadBalancer: zone: name must be a string that is not empty, got ""/],
    [{}, /LoadBalancer: zone: name must be a string that is not empty, got undefined/],
    [{ name: 'a', minInstances: -1 }, /zone: minInstances must be an integer from 0, got -1/],
    [{ name: 'a', callers: { b: -1 } }, /zone: callers: b must be a finite number from 0, got -1/],
    [{ name: 'a', callers: 3 }, /zone: callers: options must be an object, got 3/],
    [{ name: 'a', x: 1 }, /zone: unknown option "x"/],
  ])('refuse %j by name, value and range', (zone, message) => {
    expect(() => new LoadBalancer({ zone: zone as ZoneOptions })).toThrow(message)
  })
})

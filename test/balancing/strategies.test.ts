import { describe, expect, it } from 'vitest'
import {
  ipHash,
  leastConnections,
  LoadBalancer,
  maglev,
  peakEwma,
  prequal,
  random,
  rendezvous,
  ringHash,
  roundRobin,
  serverLoad,
  type Strategy,
  weightedRoundRobin,
} from 'gateless/balancing'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fleet, instance, numbered, picks, SEED, setup, take } from './fleet.ts'

const ALL: [string, Strategy][] = [
  ['roundRobin', roundRobin()],
  ['weightedRoundRobin', weightedRoundRobin()],
  ['random', random()],
  ['leastConnections', leastConnections()],
  ["leastConnections 'all'", leastConnections({ choices: 'all' })],
  ['leastConnections of 5', leastConnections({ choices: 5 })],
  ['peakEwma', peakEwma()],
  ['serverLoad', serverLoad()],
  ["serverLoad 'least-loaded'", serverLoad({ choose: 'least-loaded' })],
  ['prequal', prequal({ probe: async () => ({ inFlight: 1, latencyMs: 1 }) })],
  ['ipHash', ipHash()],
  ['rendezvous', rendezvous({ balanceFactor: 1.25 })],
  ['ringHash', ringHash()],
  ['maglev', maglev({ tableSize: 1_009 })],
]

describe.each(ALL)('%s', (_name, strategy) => {
  it('is a frozen description that serves many balancers', () => {
    expect(Object.isFrozen(strategy)).toBe(true)
    const first = setup(fleet('ab'), { strategy }).balancer
    const second = setup(fleet('cd'), { strategy }).balancer
    expect(new Set(picks(first, 20))).toEqual(new Set(['a', 'b']))
    expect(new Set(picks(second, 20))).toEqual(new Set(['c', 'd']))
  })

  it('finds nobody in an empty fleet, and the only one in a fleet of one', () => {
    const { balancer } = setup([], { strategy })
    expect(balancer.acquire()).toBeUndefined()
    expect(balancer.acquire({ key: 'k' })).toBeUndefined()
    expect(balancer.acquire({ exclude: new Set(['a']) })).toBeUndefined()
    balancer.update(fleet('a'))
    expect(picks(balancer, 3)).toEqual(['a', 'a', 'a'])
    balancer.update([])
    expect(balancer.acquire()).toBeUndefined()
  })

  it.each([5, 40])('never takes an excluded instance while there is another (n = %i)', (count) => {
    const { balancer } = setup(
      numbered(count, (i) => 1 + (i % 3)),
      { strategy },
    )
    const tried = Array.from({ length: count }, (_, i) => `i${i}`)
    const exclude = new Set<string>()
    for (const key of [undefined, 'some key']) {
      exclude.clear()
      for (let i = 0; i < count - 1; i += 1) {
        const lease = take(balancer, { exclude, key })
        lease.success()
        expect(exclude).not.toContain(lease.instance.id)
        exclude.add(lease.instance.id)
      }
      expect(tried.filter((id) => !exclude.has(id))).toHaveLength(1)
    }
  })

  it('falls back to an excluded instance when there is no other', () => {
    const { balancer } = setup(fleet('ab'), { strategy })
    expect(['a', 'b']).toContain(take(balancer, { exclude: new Set(['a', 'b', 'gone']) }).instance.id)
  })

  it('never picks weight 0', () => {
    const { balancer } = setup([...fleet('ab'), instance('z', { weight: 0 })], { strategy })
    expect(picks(balancer, 200)).not.toContain('z')
  })
})

describe('random', () => {
  it(`shares the calls of an excluded instance among all others, not with its neighbour (seed ${SEED})`, () => {
    const { balancer } = setup(fleet('abcd'), { strategy: random(), random: seededRandom(SEED) })
    const exclude = new Set(['b'])
    const counts = counted(Array.from({ length: 30_000 }, () => take(balancer, { exclude }).instance.id))
    expect(Object.keys(counts)).toHaveLength(3)
    for (const count of Object.values(counts)) expect(Math.abs(count / 10_000 - 1)).toBeLessThan(0.04)
  })
})

describe('roundRobin', () => {
  it('takes one after the other', () => {
    const { balancer } = setup(fleet('abc'), { strategy: roundRobin(), random: () => 0 })
    expect(picks(balancer, 7).join('')).toBe('abcabca')
  })

  it('starts at a random member, so that clients do not march in step', () => {
    const source = seededRandom(SEED)
    const firsts = Array.from({ length: 40 }, () => {
      const balancer = new LoadBalancer({ strategy: roundRobin(), random: source })
      balancer.update(fleet('abcd'))
      return take(balancer).instance.id
    })
    expect(new Set(firsts).size).toBe(4)
  })

  it('starts at a random member also when asked before it knew anybody', () => {
    const { balancer } = setup([], { strategy: roundRobin(), random: () => 0.5 })
    expect(balancer.acquire()).toBeUndefined()
    balancer.update(fleet('abcd'))
    expect(take(balancer).instance.id).toBe('c')
  })

  it('keeps its place across updates', () => {
    const { balancer } = setup(fleet('abcd'), { strategy: roundRobin(), random: () => 0 })
    expect(picks(balancer, 2).join('')).toBe('ab')
    balancer.update(fleet('bcde'))
    expect(picks(balancer, 5).join('')).toBe('cdebc')
    // Next would be d, which leaves; its successor is e.
    balancer.update(fleet('bce'))
    expect(picks(balancer, 3).join('')).toBe('ebc')
  })

  it('goes on after the instance a retry got', () => {
    const { balancer } = setup(fleet('abc'), { strategy: roundRobin(), random: () => 0 })
    expect(take(balancer, { exclude: new Set(['a']) }).instance.id).toBe('b')
    expect(take(balancer).instance.id).toBe('c')
  })
})

describe('weightedRoundRobin', () => {
  const weighted = [instance('a', { weight: 5 }), instance('b'), instance('c')]

  it('spreads weights 5, 1, 1 as nginx does: a a b a c a a', () => {
    const { balancer } = setup(weighted, { strategy: weightedRoundRobin() })
    expect(picks(balancer, 14).join('')).toBe('aabacaaaabacaa')
  })

  it('goes on where it was when the list changes', () => {
    const { balancer } = setup(weighted, { strategy: weightedRoundRobin() })
    expect(picks(balancer, 3).join('')).toBe('aab')
    balancer.update([...weighted, instance('d', { status: 'starting' })])
    expect(picks(balancer, 4).join('')).toBe('acaa')
    balancer.update(weighted)
    expect(picks(balancer, 7).join('')).toBe('aabacaa')
  })

  it('keeps what is left of a turn when a large fleet changes', () => {
    const large = numbered(100, (i) => (i === 0 ? 1 : 100))
    const { balancer } = setup(large, { strategy: weightedRoundRobin() })
    const rounds = 9_901 * 10
    let zero = 0
    for (let i = 0; i < rounds; i += 1) {
      // Somebody else's weight flips all the time: the light one, due every 9,901 picks, must not starve or profit.
      if (i % 50 === 0)
        balancer.update(large.map((one) => ({ ...one, weight: one.id === 'i7' ? 99 + ((i / 50) % 2) : one.weight })))
      const lease = take(balancer)
      if (lease.instance.id === 'i0') zero += 1
      lease.success()
    }
    expect(zero).toBeGreaterThanOrEqual(9)
    expect(zero).toBeLessThanOrEqual(11)
  })

  it.each([3, 32, 33, 300])('gives everybody his share within 1 % (n = %i)', (count) => {
    const instances = numbered(count, (i) => 1 + ((i * 7) % 10))
    const { balancer } = setup(instances, { strategy: weightedRoundRobin() })
    const total = instances.reduce((sum, { weight }) => sum + weight, 0)
    const counts = counted(picks(balancer, total * 200))
    for (const { id, weight } of instances) {
      expect(Math.abs((counts[id] as number) / (weight * 200) - 1)).toBeLessThan(0.01)
    }
  })

  it('stays exact over millions of picks and weights a million apart', () => {
    const { balancer } = setup(
      numbered(33, (i) => (i === 0 ? 1_000_000 : 1)),
      { strategy: weightedRoundRobin() },
    )
    let light = 0
    for (let i = 0; i < 3_000_000; i += 1) {
      const lease = take(balancer)
      if (lease.instance.id !== 'i0') light += 1
      lease.success()
    }
    expect(light).toBeGreaterThan(70)
    expect(light).toBeLessThan(125)
  })

  it('does not owe an excluded instance a burst', () => {
    const { balancer } = setup(fleet('abc'), { strategy: weightedRoundRobin() })
    for (let i = 0; i < 60; i += 1) take(balancer, { exclude: new Set(['c']) }).success()
    expect(counted(picks(balancer, 9))).toEqual({ a: 3, b: 3, c: 3 })
  })

  it('starts large fleets at random, so that clients do not march in step', () => {
    const source = seededRandom(SEED)
    for (const weight of [() => 2, (i: number) => 1 + (i % 2)]) {
      const firsts = Array.from({ length: 20 }, () => {
        const balancer = new LoadBalancer({ strategy: weightedRoundRobin(), random: source })
        balancer.update(numbered(40, weight))
        return take(balancer).instance.id
      })
      expect(new Set(firsts).size).toBeGreaterThan(8)
    }
  })
})

describe('random', () => {
  it(`draws evenly without weights, and by weight with them (seed ${SEED})`, () => {
    const even = setup(numbered(10), { strategy: random(), random: seededRandom(SEED) }).balancer
    for (const count of Object.values(counted(picks(even, 100_000)))) expect(count / 10_000).toBeCloseTo(1, 1)
    const instances = numbered(10, (i) => i + 1)
    const byWeight = setup(instances, { strategy: random(), random: seededRandom(SEED) }).balancer
    const counts = counted(picks(byWeight, 550_000))
    for (const { id, weight } of instances) expect((counts[id] as number) / (weight * 10_000)).toBeCloseTo(1, 1)
  })
})

/** Calls in flight at the fullest of 100 after a thousand. */
function fullest(strategy: Strategy): number {
  const { balancer } = setup(numbered(100), { strategy, random: seededRandom(SEED) })
  for (let i = 0; i < 1_000; i += 1) take(balancer)
  return Math.max(...balancer.explain().map(({ inFlight }) => inFlight))
}

describe('leastConnections', () => {
  it('takes the less busy of two', () => {
    const { balancer } = setup(fleet('ab'), { strategy: leastConnections() })
    const first = take(balancer)
    const second = take(balancer)
    expect(second.instance.id).not.toBe(first.instance.id)
    first.success()
    expect(take(balancer).instance.id).toBe(first.instance.id)
  })

  it('weighs calls in flight by weight', () => {
    for (const choices of [2, 'all'] as const) {
      const { balancer } = setup([instance('a', { weight: 3 }), instance('b')], {
        strategy: leastConnections({ choices }),
      })
      const open = Array.from({ length: 40 }, () => take(balancer).instance.id)
      expect(counted(open)).toEqual({ a: 30, b: 10 })
    }
  })

  it(`keeps the fullest of 100 near the mean, the closer the more it compares (seed ${SEED})`, () => {
    expect(fullest(random())).toBeGreaterThan(15)
    expect(fullest(leastConnections())).toBeLessThanOrEqual(13)
    expect(fullest(leastConnections({ choices: 5 }))).toBeLessThanOrEqual(12)
    expect(fullest(leastConnections({ choices: 'all' }))).toBe(10)
  })

  it('compares two different members, never one with itself', () => {
    // Chance that always says 0 draws the first of all, and the first of the others.
    const { balancer } = setup(fleet('abc'), { strategy: leastConnections(), random: () => 0 })
    expect(take(balancer).instance.id).toBe('a')
    expect(take(balancer).instance.id).toBe('b')
  })

  it("takes turns among equally idle members with 'all', starting at a random one", () => {
    const strategy = leastConnections({ choices: 'all' })
    const { balancer } = setup(fleet('abcd'), { strategy })
    expect(counted(picks(balancer, 40))).toEqual({ a: 10, b: 10, c: 10, d: 10 })
    const source = seededRandom(SEED)
    const firsts = Array.from({ length: 40 }, () => {
      const other = new LoadBalancer({ strategy, random: source })
      other.update(fleet('abcd'))
      return take(other).instance.id
    })
    expect(new Set(firsts).size).toBe(4)
  })

  it("sees calls end with 'all'", () => {
    const { balancer } = setup(fleet('ab'), { strategy: leastConnections({ choices: 'all' }) })
    const leases = Array.from({ length: 4 }, () => take(balancer))
    // The one that had its turn last, so that only the count can bring it to the front.
    const last = leases[3]?.instance.id
    for (const lease of leases) if (lease.instance.id === last) lease.success()
    expect([take(balancer), take(balancer)].map((lease) => lease.instance.id)).toEqual([last, last])
  })

  it("counts calls that began before a change of membership with 'all'", () => {
    const { balancer } = setup(fleet('abc'), { strategy: leastConnections({ choices: 'all' }) })
    const leases = Array.from({ length: 6 }, () => take(balancer))
    balancer.update(fleet('abd'))
    expect([take(balancer), take(balancer)].map((lease) => lease.instance.id)).toEqual(['d', 'd'])
    for (const lease of leases) if (lease.instance.id !== 'b') lease.success()
    expect(take(balancer).instance.id).toBe('a')
  })

  it('refuses other choices by name, value and range', () => {
    expect(() => leastConnections({ choices: 1 })).toThrow(
      new RangeError('leastConnections: choices must be an integer from 2 up to 10, got 1'),
    )
    expect(() => leastConnections({ choices: 'some' as 'all' })).toThrow(/choices must be .* or 'all', got "some"/)
    expect(() => leastConnections({ choice: 2 } as object)).toThrow(/unknown option "choice"/)
  })
})

describe('ipHash', () => {
  const keys = Array.from({ length: 5_000 }, (_, i) => `192.168.${i >> 8}.${i & 255}`)
  const homes = (balancer: LoadBalancer): string[] => keys.map((key) => take(balancer, { key }).instance.id)

  it('sends a key to the same instance in every client, whatever the order of the list', () => {
    const instances = numbered(20, (i) => 1 + (i % 2))
    const one = setup(instances, { strategy: ipHash() }).balancer
    const other = setup(instances.toReversed(), { strategy: ipHash(), random: seededRandom(7) }).balancer
    expect(homes(one)).toEqual(homes(other))
    expect(homes(one)).toEqual(homes(one))
  })

  it('moves only the keys of an instance that went, and gives a newcomer only his own', () => {
    const { balancer } = setup(numbered(20), { strategy: ipHash() })
    const before = homes(balancer)
    balancer.update(numbered(20).filter(({ id }) => id !== 'i7'))
    const without = homes(balancer)
    for (const [i, id] of before.entries()) {
      if (id === 'i7') expect(without[i]).not.toBe('i7')
      else expect(without[i]).toBe(id)
    }
    balancer.update(numbered(21))
    for (const [i, id] of homes(balancer).entries()) if (id !== 'i20') expect(id).toBe(before[i])
  })

  it('spreads keys by weight', () => {
    const instances = numbered(10, (i) => (i < 5 ? 1 : 3))
    const { balancer } = setup(instances, { strategy: ipHash() })
    const many = Array.from({ length: 100_000 }, (_, i) => take(balancer, { key: `user-${i}` }).instance.id)
    const counts = counted(many)
    for (const { id, weight } of instances) expect((counts[id] as number) / (weight * 5_000)).toBeCloseTo(1, 0.9)
  })

  it('has one second place per key, and spreads the keys of an excluded instance over the others', () => {
    const { balancer } = setup(numbered(10), { strategy: ipHash() })
    const owned = keys.filter((key) => take(balancer, { key }).instance.id === 'i3')
    const second = owned.map((key) => take(balancer, { key, exclude: new Set(['i3']) }).instance.id)
    expect(second).toEqual(owned.map((key) => take(balancer, { key, exclude: new Set(['i3']) }).instance.id))
    expect(new Set(second).size).toBe(9)
  })

  it('goes round robin without a key', () => {
    const { balancer } = setup(fleet('abc'), { strategy: ipHash(), random: () => 0 })
    expect(picks(balancer, 6).join('')).toBe('abcabc')
  })
})

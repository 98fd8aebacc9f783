import { describe, expect, it } from 'vitest'
import { LoadBalancer, roundRobin, type SubsetOptions } from 'gateless/balancing'
import { MemberState } from '../../src/balancing/member-state.ts'
import { subsetByIndex, subsetByRank } from '../../src/balancing/subset.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fail, instance, numbered, picks, SEED, setup, why } from './fleet.ts'

function members(count: number): MemberState[] {
  return numbered(count).map((one) => new MemberState(one))
}

const idsOf = (subset: readonly MemberState[]): string[] => subset.map(({ id }) => id)

/** How many of so many clients each instance has. */
function clientsOf(count: number, clients: number, subset: (client: number) => readonly MemberState[]): number[] {
  const loads = new Map(members(count).map(({ id }) => [id, 0]))
  for (let client = 0; client < clients; client += 1) {
    for (const { id } of subset(client)) loads.set(id, (loads.get(id) ?? 0) + 1)
  }
  return [...loads.values()]
}

describe('a subset by rank', () => {
  it('has about as many clients for each instance as chance would give', () => {
    // Random subsetting, mean of 50 runs: 30 % of 300 for 300 clients spreads from 0.76 to 1.26, 10 % from 0.53 to 1.55.
    for (const [size, low, high] of [
      [90, 0.76, 1.26],
      [30, 0.53, 1.55],
    ] as const) {
      const random = seededRandom(SEED)
      const extremes = Array.from({ length: 10 }, () => {
        const all = members(300)
        const loads = clientsOf(300, 300, () => subsetByRank(all, size, Math.floor(random() * 2 ** 32)))
        return [Math.min(...loads) / size, Math.max(...loads) / size] as const
      })
      const mean = (which: 0 | 1): number => extremes.reduce((sum, pair) => sum + pair[which], 0) / extremes.length
      expect(Math.abs(mean(0) - low)).toBeLessThan(0.06)
      expect(Math.abs(mean(1) - high)).toBeLessThan(0.09)
    }
  })

  it('changes by one at most when one instance comes or goes', () => {
    const all = members(101)
    for (let seed = 0; seed < 50; seed += 1) {
      const before = new Set(idsOf(subsetByRank(all.slice(0, 100), 20, seed)))
      const after = idsOf(subsetByRank(all, 20, seed))
      expect(after.filter((id) => !before.has(id)).length).toBeLessThanOrEqual(1)
      expect(after).toHaveLength(20)
    }
  })

  it('is the same whatever the order of the list', () => {
    const all = members(50)
    const backwards = all.toReversed()
    expect(idsOf(subsetByRank(backwards, 10, 7))).toEqual(idsOf(subsetByRank(all, 10, 7)))
  })

  it('decides between equal ranks by the ids', () => {
    const twins = [new MemberState(instance('x')), new MemberState(instance('x')), new MemberState(instance('w'))]
    expect(subsetByRank(twins, 3, 1)).toHaveLength(3)
  })
})

describe('a subset by index', () => {
  it.each([
    [300, 300, 10, 10],
    [300, 300, 90, undefined],
    [12, 10, 3, undefined],
    [100, 50, 10, 5],
  ])('of %d instances for %d clients, %d each, is even', (count, clients, size, each) => {
    const all = members(count)
    const loads = clientsOf(count, clients, (client) => subsetByIndex(all, size, client))
    const spread = Math.max(...loads) - Math.min(...loads)
    if (each !== undefined) expect(new Set(loads)).toEqual(new Set([each]))
    expect(spread).toBeLessThanOrEqual(1)
  })

  it('gives every instance exactly one client of a round, also where the division leaves a rest', () => {
    const all = members(23)
    for (let round = 0; round < 5; round += 1) {
      const seen = Array.from({ length: 4 }, (_, part) => idsOf(subsetByIndex(all, 5, round * 4 + part)))
      expect(seen.flat().toSorted()).toEqual(idsOf(all).toSorted())
      for (const subset of seen) expect([5, 6]).toContain(subset.length)
    }
  })

  it('shuffles each round in its own way, and not by the order of the list', () => {
    const all = members(100)
    expect(idsOf(subsetByIndex(all, 10, 3))).toEqual(idsOf(subsetByIndex(all.toReversed(), 10, 3)))
    expect(idsOf(subsetByIndex(all, 10, 3)).toSorted()).not.toEqual(idsOf(subsetByIndex(all, 10, 13)).toSorted())
  })

  it('is everybody where there are fewer than asked for', () => {
    expect(subsetByIndex(members(3), 20, 5)).toHaveLength(3)
    expect(subsetByIndex([], 20, 5)).toEqual([])
  })
})

describe('a balancer with a subset', () => {
  const options = { strategy: roundRobin(), ejection: { jitter: 0 } }

  it('talks to twenty of them, and says so of the others', () => {
    const { balancer } = setup(numbered(100), { ...options, subset: {} })
    expect(Object.keys(counted(picks(balancer, 200)))).toHaveLength(20)
    expect(counted(Object.values(why(balancer)))).toEqual({ 'in-rotation': 20, 'outside-subset': 80 })
    expect(balancer.metrics).toMatchObject({ known: 100, healthy: 100, pickedFrom: 20 })
  })

  it('is another client with another seed, and the same with the same', () => {
    const of = (subset: SubsetOptions, random = () => 0.25): string => {
      const { balancer } = setup(numbered(40), { ...options, subset, random })
      return balancer
        .explain()
        .filter(({ eligible }) => eligible)
        .map(({ id }) => id)
        .join()
    }
    expect(of({ size: 5, seed: 1 })).toBe(of({ size: 5, seed: 1 }, () => 0.75))
    expect(of({ size: 5, seed: 1 })).not.toBe(of({ size: 5, seed: 2 }))
    expect(of({ size: 5 })).toBe(of({ size: 5 }))
    expect(of({ size: 5 })).not.toBe(of({ size: 5 }, () => 0.75))
    expect(of({ size: 5, clientIndex: 1 })).toBe(of({ size: 5, clientIndex: 1 }, () => 0.75))
  })

  it('keeps its subset from one list to the next', () => {
    const { balancer } = setup(numbered(40), { ...options, subset: { size: 5 }, random: seededRandom(SEED) })
    const chosen = (): string[] => [...new Set(picks(balancer, 20))].toSorted()
    const before = chosen()
    balancer.update(numbered(41))
    expect(chosen().filter((id) => !before.includes(id)).length).toBeLessThanOrEqual(1)
    balancer.update(numbered(40))
    expect(chosen()).toEqual(before)
  })

  it('replaces who is sick or leaves, one by one, and takes it back', () => {
    const { balancer } = setup(numbered(40), { ...options, subset: { size: 5, seed: 9 } })
    const chosen = (): string[] => [...new Set(picks(balancer, 20))].toSorted()
    const before = chosen()
    const [sick = ''] = before
    balancer.setHealth(sick, false)
    const during = chosen()
    expect(during).toHaveLength(5)
    expect(during.filter((id) => !before.includes(id))).toHaveLength(1)
    expect(why(balancer)[sick]).toBe('unhealthy')
    balancer.setHealth(sick, true)
    expect(chosen()).toEqual(before)
    balancer.update(numbered(40).map((one) => (one.id === sick ? { ...one, status: 'stopping' as const } : one)))
    expect(chosen()).toEqual(during)
    expect(why(balancer)[sick]).toBe('stopping')
  })

  it('by index does not look at health, which clients see differently', () => {
    const { balancer } = setup(numbered(40), { ...options, subset: { size: 5, clientIndex: 3 } })
    const before = new Set(picks(balancer, 20))
    const [sick = ''] = before
    balancer.setHealth(sick, false)
    const after = new Set(picks(balancer, 20))
    expect(after.size).toBe(4)
    expect([...after].every((id) => before.has(id))).toBe(true)
  })

  it('caps ejections by its subset, and panics by it', () => {
    const { balancer } = setup(numbered(40), { ...options, subset: { size: 4, clientIndex: 0 } })
    const ids = [...new Set(picks(balancer, 20))]
    for (const id of ids) fail(balancer, id, 6)
    expect(balancer.metrics).toMatchObject({ ejected: 2, pickedFrom: 2 })
    for (const id of ids.slice(2)) balancer.setHealth(id, false)
    expect(balancer.panic).toBe(true)
    expect(new Set(picks(balancer, 20))).toEqual(new Set(ids))
  })

  it('can be given another one at run time, or none', () => {
    const { balancer } = setup(numbered(40), options)
    balancer.configure({ subset: { size: 3 } })
    expect(new Set(picks(balancer, 30)).size).toBe(3)
    balancer.configure({ subset: false })
    expect(new Set(picks(balancer, 40)).size).toBe(40)
  })

  it.each([
    [{ size: 0 }, /LoadBalancer: subset: size must be an integer from 1, got 0/],
    [{ clientIndex: -1 }, /subset: clientIndex must be an integer from 0, got -1/],
    [{ seed: 2 ** 32 }, /subset: seed must be an integer from 0 up to 4294967295, got 4294967296/],
    [{ x: 1 }, /subset: unknown option "x"/],
    [true, 'LoadBalancer: subset: options must be an object, got true'],
  ])('refuses %j by name, value and range', (subset, message) => {
    expect(() => new LoadBalancer({ subset: subset as SubsetOptions })).toThrow(message)
  })
})

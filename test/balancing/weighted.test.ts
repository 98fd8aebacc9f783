import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LoadBalancer, weightedRoundRobin } from 'gateless/balancing'
import { AliasTable } from '../../src/balancing/strategies/alias-table.ts'
import { WeightedPicker } from '../../src/balancing/strategies/weighted-picker.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, numbered, picks, SEED, setup, take } from './fleet.ts'
import { bare, crowd, seated } from './strategies-support.ts'

const ids = (picker: WeightedPicker, count: number): string[] =>
  Array.from({ length: count }, () => picker.pick({})?.id ?? 'nobody')

describe('weighted round robin among many', () => {
  it(`gives everybody his share within 1 %, whatever the weights (seed ${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 50, noNaN: true }), { minLength: 2, maxLength: 60 }),
        (weights) => {
          const members = crowd(weights.length, (i) => weights[i] as number)
          const picker = new WeightedPicker(seededRandom(SEED))
          picker.update(members)
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          const lightest = Math.min(...weights)
          const rounds = Math.min(400_000, Math.ceil((200 * total) / lightest))
          const counts = counted(ids(picker, rounds))
          for (const { id, weight } of members) {
            const fair = (rounds * weight) / total
            // One turn more or less, where a class begins and ends in the middle of a round.
            expect(Math.abs((counts[id] ?? 0) - fair)).toBeLessThan(2 + fair * 0.01)
          }
        },
      ),
      { seed: SEED, numRuns: 40 },
    )
  })

  it('never lets anybody wait much longer than his weight says', () => {
    const members = crowd(40, (i) => 1 + (i % 5))
    const picker = new WeightedPicker(seededRandom(3))
    picker.update(members)
    const seen = new Map<string, number>()
    const longest = new Map<string, number>()
    for (const [i, id] of ids(picker, 20_000).entries()) {
      const last = seen.get(id)
      if (last !== undefined) longest.set(id, Math.max(longest.get(id) ?? 0, i - last))
      seen.set(id, i)
    }
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    for (const { id, weight } of members) expect(longest.get(id)).toBeLessThan((2.2 * total) / weight)
  })

  it('spreads a light one’s turns between those of the heavy', () => {
    const picker = new WeightedPicker(seededRandom(1))
    picker.update(crowd(20, (i) => (i === 0 ? 100 : 1)))
    const run = ids(picker, 1_190)
    const lights = run.flatMap((id, i) => (id === 'i0' ? [] : [i]))
    expect(lights).toHaveLength(190)
    for (const [i, at] of lights.slice(1).entries()) expect(at - (lights[i] as number)).toBeGreaterThanOrEqual(6)
  })

  it('takes an even fleet one after the other', () => {
    const picker = new WeightedPicker(seededRandom(9))
    picker.update(crowd(20, () => 2.5))
    const first = ids(picker, 20)
    expect(new Set(first).size).toBe(20)
    expect(ids(picker, 20)).toEqual(first)
  })

  it('keeps place, savings and classes when the list changes', () => {
    const weights = (i: number): number => (i < 20 ? 3 : 1)
    const members = crowd(40, weights)
    const steady = new WeightedPicker(seededRandom(5))
    const changing = new WeightedPicker(seededRandom(5))
    steady.update(members)
    changing.update(members)
    for (let i = 0; i < 500; i += 1) {
      if (i % 7 === 0) changing.update(members)
      expect(changing.pick({})).toBe(steady.pick({}))
    }
  })

  it('goes on after who was next when somebody leaves', () => {
    const members = crowd(20)
    const picker = new WeightedPicker(() => 0)
    picker.update(members)
    expect(ids(picker, 3)).toEqual(['i0', 'i1', 'i2'])
    const [first, ...left] = members
    if (first !== undefined) first.slot = -1
    picker.update(seated(...left))
    expect(ids(picker, 3)).toEqual(['i3', 'i4', 'i5'])
    // Who was next leaves: from the beginning, as good as any other place.
    const rest = left.filter(({ id }) => id !== 'i6')
    for (const member of left) member.slot = -1
    picker.update(seated(...rest))
    expect(ids(picker, 1)).toEqual(['i1'])
  })

  it('looks at both sides of the line between few and many', () => {
    for (const count of [16, 17]) {
      const picker = new WeightedPicker(() => 0)
      const members = crowd(count, (i) => (i === 0 ? 5 : 1))
      picker.update(members)
      const total = count + 4
      expect(counted(ids(picker, total * 10))['i0']).toBe(50)
    }
  })

  it('is smooth up to sixteen: it begins with the first, whatever chance says', () => {
    for (const [count, first] of [
      [16, 'i0'],
      [17, 'i8'],
    ] as const) {
      const picker = new WeightedPicker(() => 0.5)
      picker.update(crowd(count))
      expect(picker.pick({})?.id).toBe(first)
    }
  })

  it('finds the only one that was not tried', () => {
    for (const count of [5, 30]) {
      const members = crowd(count)
      const picker = new WeightedPicker(seededRandom(1))
      picker.update(members)
      for (const left of members) {
        const exclude = new Set(members.filter((member) => member !== left).map(({ id }) => id))
        expect(picker.pick({ exclude })).toBe(left)
      }
    }
  })

  it('gives up no share for weights that are worlds apart', () => {
    const picker = new WeightedPicker(seededRandom(2))
    picker.update(crowd(60, (i) => (i === 0 ? 1e300 : i === 1 ? 1e-300 : 1e299)))
    const counts = counted(ids(picker, 70_000))
    expect(counts['i0']).toBeGreaterThan(10_000)
    expect(counts['i1'] ?? 0).toBeLessThan(3)
  })

  it('never picks an excluded one while there is another, also when it has all the weight', () => {
    const picker = new WeightedPicker(seededRandom(4))
    picker.update(crowd(30, (i) => (i === 7 ? 1e6 : 1)))
    const exclude = new Set(['i7'])
    const counts = counted(Array.from({ length: 2_900 }, () => picker.pick({ exclude })?.id ?? 'nobody'))
    expect(counts['i7']).toBeUndefined()
    expect(counts['nobody']).toBeUndefined()
    expect(picker.pick({ exclude: new Set(Array.from({ length: 30 }, (_, i) => `i${i}`)) })).toBeUndefined()
  })

  it('picks by other weights than the members’ own when it is given some', () => {
    for (const count of [10, 30]) {
      const members = crowd(count)
      const picker = new WeightedPicker(seededRandom(1))
      picker.update(
        members,
        Float64Array.from(members, (_, i) => (i === 3 ? 4 : 1)),
      )
      const counts = counted(ids(picker, (count + 3) * 25))
      expect(Math.abs((counts['i3'] as number) - 100)).toBeLessThanOrEqual(2)
    }
  })

  it('picks nobody from nobody', () => {
    const picker = new WeightedPicker(() => 0)
    expect(picker.pick({})).toBeUndefined()
    picker.update([bare('a')].slice(1))
    expect(picker.pick({})).toBeUndefined()
  })

  it('does not owe an excluded instance a burst', () => {
    const { balancer } = setup(numbered(20), { strategy: weightedRoundRobin() })
    for (let i = 0; i < 200; i += 1) take(balancer, { exclude: new Set(['i3']) }).success()
    const counts = counted(picks(balancer, 60))
    expect(counts['i3']).toBe(3)
  })

  it('is one description for all', () => {
    expect(weightedRoundRobin()).toBe(weightedRoundRobin())
    expect(weightedRoundRobin().name).toBe('weighted-round-robin')
    expect(() => new LoadBalancer({ strategy: weightedRoundRobin() })).not.toThrow()
  })
})

describe('the alias table', () => {
  it('draws each with exactly its share of all that chance may say', () => {
    const weights = [1, 2, 3, 4]
    const table = new AliasTable(weights)
    const counts = [0, 0, 0, 0]
    const steps = 100_000
    for (let i = 0; i < steps; i += 1) {
      const at = table.draw(() => (i + 0.5) / steps)
      counts[at] = (counts[at] as number) + 1
    }
    for (const [i, weight] of weights.entries()) expect((counts[i] as number) / steps).toBeCloseTo(weight / 10, 4)
  })

  it('stays inside when chance wrongly says 1', () => {
    expect([0, 1]).toContain(new AliasTable([1, 3]).draw(() => 1))
  })
})

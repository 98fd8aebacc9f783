import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maglev, rendezvous, ringHash, type Strategy } from 'gateless/balancing'
import { numbered, SEED, setup, take } from './fleet.ts'

const FACTOR = 1.25
const STRATEGIES: [string, Strategy][] = [
  ['rendezvous', rendezvous({ balanceFactor: FACTOR })],
  ['ringHash', ringHash({ balanceFactor: FACTOR })],
  ['maglev', maglev({ balanceFactor: FACTOR, tableSize: 10_007 })],
]

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ key: fc.option(fc.nat(5).map(String), { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ settle: fc.nat(500) }) },
)

describe.each(STRATEGIES)('%s with bounded loads', (_name, strategy) => {
  it(`never gives a member more than its factor of the calls in flight (seed ${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }),
        fc.array(step, { maxLength: 200 }),
        (weights, steps) => {
          const instances = numbered(weights.length, (i) => weights[i] as number)
          const { balancer } = setup(instances, { strategy, ejection: false })
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          const open: ReturnType<typeof take>[] = []
          for (const action of steps) {
            if ('settle' in action) {
              open.splice(action.settle % Math.max(1, open.length), 1)[0]?.success()
              continue
            }
            const lease = take(balancer, { key: action.key })
            open.push(lease)
            const { inFlight } = balancer.explain().find(({ id }) => id === lease.instance.id) as { inFlight: number }
            const bound = Math.ceil((FACTOR * open.length * lease.instance.weight) / total)
            expect(inFlight).toBeLessThanOrEqual(bound)
          }
          for (const lease of open) lease.success()
          for (const { inFlight } of balancer.explain()) expect(inFlight).toBe(0)
        },
      ),
      { seed: SEED, numRuns: 100 },
    )
  })

  it('keeps keys at home while there is room, and sends what overflows always to the same next place', () => {
    const { balancer } = setup(numbered(10), { strategy })
    const spread = (): string[] =>
      Array.from({ length: 400 }, (_, i) => {
        const lease = take(balancer, { key: `key ${i}` })
        lease.success()
        return lease.instance.id
      })
    expect(spread()).toEqual(spread())
    const hot = (): string[] => {
      const leases = Array.from({ length: 8 }, () => take(balancer, { key: 'hot' }))
      for (const lease of leases) lease.success()
      return leases.map(({ instance }) => instance.id)
    }
    const first = hot()
    expect(new Set(first).size).toBe(8)
    expect(hot()).toEqual(first)
  })

  it('overfills one that was not tried rather than trying one again', () => {
    const { balancer } = setup(numbered(2), { strategy, ejection: false })
    const exclude = new Set(['i0'])
    const ids = Array.from({ length: 5 }, () => take(balancer, { key: 'k', exclude }).instance.id)
    expect(ids).toEqual(['i1', 'i1', 'i1', 'i1', 'i1'])
    expect(take(balancer, { key: 'k', exclude: new Set(['i0', 'i1']) }).instance.id).toBe('i0')
  })

  it('counts what began before the list changed, and not what belongs to who has left', () => {
    const { balancer } = setup(numbered(4), { strategy, ejection: false })
    const leases = Array.from({ length: 8 }, (_, i) => take(balancer, { key: `k${i}` }))
    balancer.update(numbered(5).slice(1))
    for (const lease of leases) if (lease.instance.id === 'i0') lease.success()
    const more = Array.from({ length: 40 }, () => take(balancer, { key: 'hot' }))
    const counts = balancer.explain().map(({ inFlight }) => inFlight)
    const total = counts.reduce((sum, count) => sum + count, 0)
    for (const count of counts) expect(count).toBeLessThanOrEqual(Math.ceil((FACTOR * total) / 4))
    for (const lease of [...leases, ...more]) lease.success()
    for (const { inFlight } of balancer.explain()) expect(inFlight).toBe(0)
  })
})

describe('bounded loads', () => {
  it('displace few keys at a factor of 1.25, where there are many calls', () => {
    const plain = setup(numbered(100), { strategy: rendezvous() }).balancer
    const bounded = setup(numbered(100), { strategy: rendezvous({ balanceFactor: 1.25 }) }).balancer
    let displaced = 0
    for (let i = 0; i < 10_000; i += 1) {
      const key = `key ${i}`
      if (take(plain, { key }).instance.id !== take(bounded, { key }).instance.id) displaced += 1
    }
    expect(displaced / 10_000).toBeLessThan(0.05)
  })
})

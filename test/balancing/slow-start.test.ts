import { describe, expect, it, vi } from 'vitest'
import {
  ipHash,
  leastConnections,
  type Lease,
  LoadBalancer,
  type Member,
  random,
  roundRobin,
  type SlowStartOptions,
  type Strategy,
  weightedRoundRobin,
} from 'gateless/balancing'
import { slowStartFactor } from '../../src/balancing/slow-start.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fail, fleet, instance, numbered, picks, SEED, setup, take, why } from './fleet.ts'

const STRATEGIES: Record<string, Strategy> = {
  roundRobin: roundRobin(),
  random: random(),
  weightedRoundRobin: weightedRoundRobin(),
  leastConnections: leastConnections(),
  leastOfAll: leastConnections({ choices: 'all' }),
}

describe('the formula', () => {
  const rules = { windowMs: 30_000, aggression: 1, minWeight: 0.1 }

  it.each([
    [0, 1, 0.1],
    [2_999, 1, 0.1],
    [6_000, 1, 0.2],
    [15_000, 1, 0.5],
    [29_999, 1, 0.99997],
    [30_000, 1, 1],
    [90_000, 1, 1],
    [7_500, 2, 0.5],
    [15_000, 0.5, 0.25],
    [-5, 1, 0.1],
  ])('after %d ms, with aggression %f, grants %f', (elapsedMs, aggression, expected) => {
    expect(slowStartFactor({ ...rules, aggression }, elapsedMs)).toBeCloseTo(expected, 4)
  })
})

describe('a fresh instance', () => {
  /** A hundred clients of fifty instances learn of one more, and make a thousand calls of 50 ms in the second after. */
  async function stampede(strategy: Strategy, slowStart: SlowStartOptions | false): Promise<number> {
    const clock = new FakeClock()
    const chance = seededRandom(SEED)
    const clients = Array.from({ length: 100 }, () => {
      const balancer = new LoadBalancer({ strategy, clock, random: chance, slowStart })
      balancer.update(numbered(50))
      return balancer
    })
    const open: Lease[] = []
    let onFresh = 0
    const step = (): void => {
      for (const client of clients) {
        const lease = take(client)
        if (lease.instance.id === 'i50') onFresh += 1
        open.push(lease)
      }
      if (open.length > 500) for (const lease of open.splice(0, 100)) lease.success()
    }
    for (let i = 0; i < 20; i += 1) step()
    for (const client of clients) client.update(numbered(51))
    onFresh = 0
    for (let i = 0; i < 100; i += 1) {
      await clock.advance(10)
      step()
    }
    return onFresh / (10_000 / 51)
  }

  it.each(Object.entries(STRATEGIES))(
    `among fifty with a hundred clients gets no more than its share in its first second, under %s (seed ${SEED})`,
    async (_, strategy) => {
      const share = await stampede(strategy, {})
      expect(share).toBeLessThan(0.5)
      expect(share).toBeGreaterThan(0)
    },
  )

  it.each(Object.entries(STRATEGIES))(`grows into its whole share, under %s (seed ${SEED})`, async (name, strategy) => {
    const { balancer, clock } = setup(numbered(10), { strategy, slowStart: {}, random: seededRandom(SEED) })
    balancer.update(numbered(11))
    const shares: number[] = []
    for (let second = 0; second < 40; second += 10) {
      await clock.advance(second === 0 ? 0 : 10_000)
      shares.push(((counted(picks(balancer, 11_000))['i10'] ?? 0) / 11_000) * 11)
    }
    const [first = 0, second = 0, third = 0, last = 0] = shares
    expect(first).toBeGreaterThan(0.03)
    expect(first).toBeLessThan(0.15)
    expect(second).toBeGreaterThan(0.2)
    expect(second).toBeLessThan(0.4)
    expect(third).toBeGreaterThan(name === 'random' ? 0.5 : 0.55)
    expect(third).toBeLessThan(0.75)
    expect(last).toBeGreaterThan(0.85)
    expect(last).toBeLessThan(1.15)
  })

  it('gets its whole share at once unless asked otherwise', () => {
    const { balancer } = setup(fleet('abc'), { strategy: roundRobin() })
    balancer.update(fleet('abcd'))
    expect(counted(picks(balancer, 400))).toEqual({ a: 100, b: 100, c: 100, d: 100 })
    expect(balancer.metrics.starting).toBe(0)
  })

  it('counts by its weight', () => {
    const slowStart = { minWeight: 0.5, windowMs: 1_000_000 }
    const { balancer } = setup(fleet('abcd'), { strategy: weightedRoundRobin(), slowStart })
    balancer.update([...fleet('abcd'), instance('e', { weight: 4 })])
    // Half of four eighths.
    const share = (counted(picks(balancer, 8_000))['e'] ?? 0) / 8_000
    expect(share).toBeGreaterThan(0.24)
    expect(share).toBeLessThan(0.26)
  })

  it('takes over its keys one by one, each once', async () => {
    const { balancer, clock } = setup(fleet('abc'), { strategy: ipHash(), slowStart: {} })
    const keys = Array.from({ length: 500 }, (_, i) => `user ${i}`)
    const owners = (): string[] =>
      keys.map((key) => {
        const lease = take(balancer, { key })
        lease.success()
        return lease.instance.id
      })
    const before = owners()
    balancer.update(fleet('abcd'))
    let former = before
    const gained: number[] = []
    for (let i = 0; i <= 3; i += 1) {
      const now = owners()
      for (const [k, id] of now.entries()) {
        // Each goes to the newcomer for good, and until then stays where it is: that may be its second choice, which it
        // has while its first is not ready for it.
        if (former[k] === 'd') expect(id).toBe('d')
        else if (id !== 'd' && i > 0) expect(id).toBe(former[k])
      }
      former = now
      gained.push(now.filter((id) => id === 'd').length)
      await clock.advance(10_000)
    }
    expect(gained[0]).toBeLessThan(30)
    expect(gained[1]).toBeGreaterThan(25)
    expect(gained[1]).toBeLessThan(70)
    expect(gained).toEqual(gained.toSorted((a, b) => a - b))
    expect(gained[3]).toBeGreaterThan(100)
  })

  it('is told of in the report and in the numbers', async () => {
    const { balancer, clock } = setup(fleet('ab'), { strategy: roundRobin(), slowStart: {} })
    balancer.update([...fleet('ab'), instance('c', { weight: 2 })])
    await clock.advance(15_000)
    expect(balancer.explain()).toMatchObject([{ effectiveWeight: 1 }, {}, { weight: 2, effectiveWeight: 1 }])
    expect(balancer.metrics.starting).toBe(1)
    await clock.advance(15_000)
    picks(balancer, 6)
    expect(balancer.explain()[2]).toMatchObject({ effectiveWeight: 2 })
    expect(balancer.metrics.starting).toBe(0)
  })

  it('is taken all the same when there is nobody else for the call', () => {
    const { balancer } = setup(fleet('abc'), { strategy: roundRobin(), slowStart: {} })
    balancer.update(fleet('abcd'))
    for (let i = 0; i < 20; i += 1) {
      const lease = take(balancer, { exclude: new Set('abc') })
      expect(lease.instance.id).toBe('d')
      lease.success()
    }
    for (let i = 0; i < 50; i += 1) expect(take(balancer, { exclude: new Set('ab') }).instance.id).toMatch(/c|d/)
  })
})

describe('slow start', () => {
  const options = { strategy: roundRobin(), random: () => 0, slowStart: {}, ejection: { jitter: 0 } }

  it('is for who comes later, comes back, or gets well, and not for the first list', async () => {
    const { balancer, clock } = setup([...fleet('abcdef'), instance('g', { status: 'starting' })], options)
    const starting = (): string =>
      balancer
        .explain()
        .filter((report) => report.eligible && report.effectiveWeight < 1)
        .map(({ id }) => id)
        .join('')
    expect(starting()).toBe('')
    balancer.update(fleet('abcdefg'))
    expect(starting()).toBe('g')
    balancer.update(fleet('abcdefgh'))
    expect(starting()).toBe('gh')
    await clock.advance(30_000)
    expect(starting()).toBe('')
    fail(balancer, 'b')
    await clock.advance(30_000)
    take(balancer).success()
    expect([why(balancer)['b'], starting()]).toEqual(['in-rotation', 'b'])
    balancer.setHealth('c', false)
    balancer.setHealth('c', true)
    expect(starting()).toBe('bc')
    await clock.advance(30_000)
    // News that change nothing about its health begin nothing.
    balancer.update(fleet('abcdefgh', { weight: 1, version: '2' }))
    expect(starting()).toBe('')
    // Nor does a newcomer that is not well yet.
    picks(balancer, 20)
    balancer.update([...fleet('abcdefgh'), instance('i', { status: 'starting' })])
    expect(balancer.metrics.starting).toBe(0)
  })

  it('ends with an ejection, and with the instance', async () => {
    const { balancer } = setup(fleet('abcd'), options)
    balancer.update(fleet('abcdef'))
    expect(balancer.metrics.starting).toBe(2)
    fail(balancer, 'e')
    expect(balancer.metrics.starting).toBe(1)
    balancer.update(fleet('abcd'))
    expect(balancer.metrics.starting).toBe(0)
  })

  it('spares nobody when more than half are new', () => {
    const { balancer } = setup(fleet('a'), options)
    balancer.update(fleet('abc'))
    expect(counted(picks(balancer, 300))).toEqual({ a: 100, b: 100, c: 100 })
    const half = setup(fleet('ab'), options).balancer
    half.update(fleet('abcd'))
    const { a = 0, c = 0 } = counted(picks(half, 400))
    expect(c).toBeLessThan(a / 3)
  })

  it('forgets those that are through, although nobody picks them, and so knows who is new', async () => {
    const { balancer, clock } = setup(fleet('ab'), options)
    balancer.update(fleet('abcdef'))
    await clock.advance(30_000)
    balancer.update(fleet('abcdefg'))
    const before = counted(picks(balancer, 700))
    expect(before['g']).toBeLessThan(20)
    expect(balancer.metrics.starting).toBe(1)
  })

  it('reads the clock only for calls that a beginner would get', () => {
    const now = vi.fn<() => number>(() => 1_000)
    const { balancer } = setup(fleet('abc'), { ...options, clock: { now } })
    now.mockClear()
    picks(balancer, 30)
    expect(now).not.toHaveBeenCalled()
    balancer.update(fleet('abcd'))
    now.mockClear()
    picks(balancer, 40)
    expect(now.mock.calls.length).toBeLessThanOrEqual(14)
    expect(now.mock.calls.length).toBeGreaterThan(5)
  })

  it('excludes for one call what only that one excluded', () => {
    const { balancer } = setup(fleet('abc'), { ...options, slowStart: { minWeight: 0 } })
    balancer.update(fleet('abcd'))
    for (let i = 0; i < 3; i += 1) take(balancer, { exclude: new Set('ac') }).success()
    // What the beginner may not have goes to whoever is next in turn.
    const { a = 0, b = 0, c = 0, d = 0 } = counted(picks(balancer, 402))
    expect([a, b, c, d]).toEqual([134, 134, 134, 0])
  })

  it('looks for somebody else three times, and then takes what it has', () => {
    let asked = 0
    let members: readonly Member[] = []
    const strategy: Strategy = {
      name: 'newest first',
      create: () => ({
        update: (given) => {
          members = given.toReversed()
        },
        pick: ({ exclude }) => {
          asked += 1
          return members.find(({ id }) => exclude?.has(id) !== true)
        },
      }),
    }
    const { balancer } = setup(fleet('abcdefgh'), { ...options, strategy, slowStart: { minWeight: 0 } })
    balancer.update(fleet('abcdefghij'))
    expect(take(balancer).instance.id).toBe('h')
    expect(asked).toBe(3)
    balancer.update(fleet('abcdefghijklmn'))
    asked = 0
    expect(take(balancer).instance.id).toBe('k')
    expect(asked).toBe(4)
  })

  it('begins again, and not never, when the clock goes backwards', () => {
    let now = 1_000_000
    const { balancer } = setup(fleet('abc'), { ...options, clock: { now: () => now } })
    balancer.update(fleet('abcd'))
    now = 0
    expect(balancer.explain()[3]?.effectiveWeight).toBe(0.1)
    now = 15_000
    expect(balancer.explain()[3]?.effectiveWeight).toBe(0.5)
    now = 30_000
    picks(balancer, 8)
    expect(balancer.metrics.starting).toBe(0)
  })

  it('can be turned on and off at run time', () => {
    const { balancer } = setup(fleet('abc'), { strategy: roundRobin() })
    balancer.configure({ slowStart: { minWeight: 0 } })
    balancer.update(fleet('abcd'))
    expect(picks(balancer, 100)).not.toContain('d')
    balancer.configure({ slowStart: false })
    expect(balancer.metrics.starting).toBe(0)
    expect(picks(balancer, 8)).toContain('d')
    // Who had its whole share keeps it.
    balancer.configure({ slowStart: {} })
    expect(balancer.explain()[3]?.effectiveWeight).toBe(1)
  })

  it.each([
    [{ windowMs: 0 }, /LoadBalancer: slowStart: windowMs must be a finite number from 1/],
    [{ aggression: 0 }, /slowStart: aggression must be a finite number above 0, got 0/],
    [{ minWeight: 2 }, /slowStart: minWeight must be a finite number from 0 up to 1, got 2/],
    [{ x: 1 }, /slowStart: unknown option "x"/],
    [true, 'LoadBalancer: slowStart: options must be an object, got true'],
  ])('refuses %j by name, value and range', (slowStart, message) => {
    expect(() => new LoadBalancer({ slowStart: slowStart as SlowStartOptions })).toThrow(message)
  })
})

import { describe, expect, it, vi } from 'vitest'
import {
  leastConnections,
  type Lease,
  type LoadBalancerChanges,
  type Member,
  type PickedCall,
  type PickerExtras,
  random,
  roundRobin,
  type Strategy,
} from 'gateless/balancing'
import { fail, fleet, instance, picks, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }

interface Recorder extends PickerExtras {
  readonly log: string[]
  readonly name: string
  members: readonly Member[]
}

/** A strategy that picks the first, and writes down what it is told. */
function recording(name: string, needsLatency = false): { strategy: Strategy; pickers: Recorder[] } {
  const pickers: Recorder[] = []
  const create = (): Recorder => {
    const log: string[] = []
    const nameOf = ({ member }: PickedCall): string => `${member.id}${member.inFlight}`
    const picker: Recorder = {
      log,
      name,
      members: [],
      update: (members) => {
        picker.members = members
        log.push(`update ${members.map(({ id }) => id).join('')}`)
      },
      pick: (_, now) => {
        log.push(`pick ${now}`)
        return picker.members[0]
      },
      started: (call) => log.push(`started ${nameOf(call)}`),
      responded: (call, verdict, latencyMs) => log.push(`responded ${nameOf(call)} ${verdict} ${latencyMs}`),
      settled: (call) => log.push(`settled ${nameOf(call)}`),
      inherit: (former) => log.push(`inherit ${(former as Recorder).name}`),
    }
    pickers.push(picker)
    return picker
  }
  return { strategy: { name, needsLatency, create }, pickers }
}

describe('another strategy', () => {
  it('takes over at once, and keeps calls in flight, ejections and rests', async () => {
    const { balancer, clock } = setup(fleet('abcdef'), exact)
    const open = Array.from({ length: 6 }, () => take(balancer))
    fail(balancer, 'b')
    takeFrom(balancer, 'c').failure({ retryAfterMs: 5_000 })
    await clock.advance(1_000)
    balancer.setStrategy(leastConnections({ choices: 'all' }))
    expect(balancer.explain()).toMatchObject([
      { inFlight: 1 },
      { inFlight: 1, why: 'ejected', ejectedForMs: 29_000 },
      { inFlight: 1, why: 'resting', restingForMs: 4_000, consecutiveFailures: 1 },
      {},
      {},
      {},
    ])
    takeFrom(balancer, 'a')
    // The new one sees the calls in flight: a has two, d, e and f one each.
    expect([take(balancer), take(balancer), take(balancer)].map((lease) => lease.instance.id).toSorted()).toEqual([
      'd',
      'e',
      'f',
    ])
    for (const lease of open) lease.success()
    expect(balancer.explain().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(4)
  })

  it('is told of the end of calls that began before it, and nothing of how they were', () => {
    const before = recording('before')
    const after = recording('after', true)
    const { balancer } = setup(fleet('ab'), { strategy: before.strategy })
    const lease = take(balancer)
    balancer.setStrategy(after.strategy)
    lease.success()
    const next = take(balancer)
    next.success()
    expect(before.pickers[0]?.log).toEqual(['update ab', 'pick undefined', 'started a1'])
    expect(after.pickers[0]?.log).toEqual([
      'inherit before',
      'update ab',
      'settled a0',
      'pick 1000',
      'started a1',
      'responded a1 success 0',
      'settled a0',
    ])
  })

  it('that is the same one begins nothing anew', () => {
    const { strategy, pickers } = recording('one')
    const { balancer } = setup(fleet('ab'), { strategy })
    balancer.setStrategy(strategy)
    expect(pickers).toHaveLength(1)
  })

  it('that cannot begin leaves the former in place', () => {
    const { balancer } = setup(fleet('ab'), exact)
    const broken: Strategy = {
      name: 'broken',
      needsLatency: true,
      create: () => {
        throw new Error('no')
      },
    }
    expect(() => balancer.configure({ strategy: broken, panicThreshold: 0 })).toThrow('no')
    expect(new Set(picks(balancer, 4))).toEqual(new Set('ab'))
    // A retry with the old strategy is no change.
    balancer.setStrategy(exact.strategy)
    expect(() => setup([], { strategy: broken })).toThrow('no')
  })

  it('is refused when it is none', () => {
    const { balancer } = setup(fleet('ab'), exact)
    expect(() => balancer.setStrategy('random' as unknown as Strategy)).toThrow(
      'LoadBalancer.configure: strategy must be an object with create(), got "random"',
    )
  })
})

describe('options at run time', () => {
  it('change what is named, and nothing else', () => {
    const { balancer } = setup(fleet('abcd'), { ...exact, panicThreshold: 0 })
    balancer.configure({ ejection: { consecutiveFailures: 2, baseEjectionMs: 1_000, jitter: 0 } })
    fail(balancer, 'b', 2)
    expect(balancer.explain()[1]).toMatchObject({ why: 'ejected', ejectedForMs: 1_000 })
    balancer.configure({})
    fail(balancer, 'c', 2)
    expect(balancer.explain()[2]).toMatchObject({ why: 'ejected' })
    expect(balancer.panic).toBe(false)
    balancer.configure({ panicThreshold: 0.75 })
    expect(balancer.panic).toBe(true)
    balancer.configure({ maxRestMs: undefined } as unknown as LoadBalancerChanges)
    takeFrom(balancer, 'a').failure({ retryAfterMs: 500 })
    expect(balancer.explain()[0]?.restingForMs).toBe(500)
  })

  it('bring those back that may not be out any more, and leave the others their time', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const restored = vi.fn<(event: unknown) => void>()
    balancer.on('restored', restored)
    fail(balancer, 'a')
    fail(balancer, 'b')
    balancer.configure({ ejection: { maxEjectedShare: 0.25, baseEjectionMs: 60_000 } })
    expect(counts(why(balancer))).toBe(1)
    expect(balancer.explain().find((report) => report.why === 'ejected')?.ejectedForMs).toBe(30_000)
    balancer.configure({ ejection: false })
    expect(counts(why(balancer))).toBe(0)
    expect(restored).toHaveBeenCalledTimes(2)
    expect(restored).toHaveBeenLastCalledWith({
      instance: expect.objectContaining({ id: expect.stringMatching(/a|b/) }),
      reason: 'over-cap',
      ejectedCount: 0,
    })
    fail(balancer, 'c', 50)
    expect(why(balancer)['c']).toBe('in-rotation')
  })

  it('hold for an instance that was ejected before, too', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    take(balancer).success()
    balancer.configure({ ejection: { jitter: 0, probeTimeoutMs: 500 } })
    fail(balancer, 'b')
    await clock.advance(60_000)
    expect(take(balancer).probe).toBe(true)
    await clock.advance(499)
    expect(take(balancer).probe).toBe(false)
    await clock.advance(1)
    expect(take(balancer).probe).toBe(true)
  })

  it.each([
    [{ clock: {} }, /LoadBalancer.configure: unknown option "clock"; known are strategy, /],
    [{ random: () => 0 }, /LoadBalancer.configure: unknown option "random"/],
    [{ panicThreshold: -1 }, /LoadBalancer.configure: panicThreshold must be a finite number from 0 up to 1, got -1/],
    [3, 'LoadBalancer.configure: options must be an object, got 3'],
  ])('refuse %j', (changes, message) => {
    const { balancer } = setup(fleet('ab'), exact)
    expect(() => balancer.configure(changes as LoadBalancerChanges)).toThrow(message)
  })
})

function counts(standing: Record<string, string>): number {
  return Object.values(standing).filter((each) => each === 'ejected').length
}

describe('the numbers', () => {
  it('say what there is', () => {
    const { balancer } = setup([...fleet('abcd'), instance('e', { status: 'unhealthy' })], exact)
    const leases: Lease[] = [take(balancer), take(balancer)]
    fail(balancer, 'a')
    leases[0]?.success()
    balancer.update(fleet('acd'))
    expect(balancer.metrics).toEqual({
      known: 3,
      healthy: 3,
      pickedFrom: 2,
      ejected: 1,
      resting: 0,
      starting: 0,
      panic: false,
      inFlight: 1,
      picks: 7,
      ejections: 1,
    })
  })

  it('count failed probes among the ejections', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'a')
    await clock.advance(30_000)
    take(balancer).failure()
    expect(balancer.metrics).toMatchObject({ ejected: 1, ejections: 2, picks: 6 })
    expect(balancer.explain()[0]?.consecutiveFailures).toBe(6)
  })

  it('come with the instances themselves', () => {
    const { balancer } = setup(fleet('ab'), exact)
    expect(balancer.instances().map(({ id }) => id)).toEqual(['a', 'b'])
    expect(balancer.instance('b')).toMatchObject({ id: 'b', port: 8080 })
    expect(balancer.instance('x')).toBeUndefined()
  })
})

describe('explain', () => {
  it('asks the strategy for its view of those it picks from', () => {
    const { strategy } = recording('one')
    const telling: Strategy = {
      name: 'telling',
      create: (context) => ({
        ...strategy.create(context),
        score: (member: Member) => member.slot + 0.5,
        ewmaMs: (member: Member) => (member.id === 'a' ? 20 : undefined),
      }),
    }
    const { balancer } = setup([...fleet('ab'), instance('c', { weight: 0 })], { strategy: telling })
    expect(balancer.explain()).toMatchObject([
      { score: 0.5, ewmaMs: 20, effectiveWeight: 1 },
      { score: 1.5, ewmaMs: null },
      { score: null, ewmaMs: null, effectiveWeight: 0, why: 'drained' },
    ])
  })

  it('does without, where the strategy has none or throws', () => {
    const throwing: Strategy = {
      name: 'throwing',
      create: () => ({
        update: () => {},
        pick: () => undefined,
        score: () => {
          throw new Error('strategy')
        },
      }),
    }
    expect(setup(fleet('a'), { strategy: throwing }).balancer.explain()).toMatchObject([{ score: null, ewmaMs: null }])
    expect(setup(fleet('a'), { strategy: random() }).balancer.explain()).toEqual([
      {
        id: 'a',
        weight: 1,
        effectiveWeight: 1,
        score: null,
        ewmaMs: null,
        inFlight: 0,
        eligible: true,
        why: 'in-rotation',
        ejectedForMs: null,
        restingForMs: null,
        consecutiveFailures: 0,
      },
    ])
  })
})

describe('setHealth', () => {
  it('takes an instance out until it is taken back, whatever the list says', () => {
    const { balancer } = setup(fleet('abc'), exact)
    expect(balancer.setHealth('b', false)).toBe(true)
    expect(balancer.explain()[1]).toMatchObject({ why: 'unhealthy', eligible: false })
    expect(picks(balancer, 6)).not.toContain('b')
    balancer.update(fleet('abc', { version: '2' }))
    balancer.update(fleet('abc', { weight: 2 }))
    expect(picks(balancer, 6)).not.toContain('b')
    expect(balancer.refusal()).toMatchObject({ known: 3, unhealthy: 1 })
    expect(balancer.setHealth('b', true)).toBe(true)
    expect(picks(balancer, 6)).toContain('b')
  })

  it('does not overrule the registry', () => {
    const { balancer } = setup([...fleet('ab'), instance('c', { status: 'unhealthy' })], exact)
    balancer.setHealth('c', true)
    expect(picks(balancer, 6)).not.toContain('c')
  })

  it('is not believed in panic, and forgotten with the instance', () => {
    const { balancer } = setup(fleet('abc'), exact)
    balancer.setHealth('a', false)
    balancer.setHealth('b', false)
    expect(balancer.panic).toBe(true)
    expect(new Set(picks(balancer, 6))).toEqual(new Set('abc'))
    balancer.update(fleet('abc', { port: 9 }))
    expect(why(balancer)).toEqual({ a: 'in-rotation', b: 'in-rotation', c: 'in-rotation' })
  })

  it('does nothing where it says nothing new, or nobody is known', () => {
    const { strategy, pickers } = recording('one')
    const { balancer } = setup(fleet('abc'), { strategy })
    expect(balancer.setHealth('a', true)).toBe(true)
    expect(balancer.setHealth('x', false)).toBe(false)
    balancer.setHealth('a', false)
    balancer.setHealth('a', false)
    expect(pickers[0]?.log).toEqual(['update abc', 'update bc'])
    expect(() => balancer.setHealth('a', 'yes' as unknown as boolean)).toThrow(
      new TypeError('setHealth: healthy must be a boolean, got "yes"'),
    )
  })

  it('makes room for fewer ejections', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const restored = vi.fn<(event: unknown) => void>()
    balancer.on('restored', restored)
    fail(balancer, 'a')
    fail(balancer, 'b')
    balancer.setHealth('c', false)
    expect(restored).toHaveBeenCalledOnce()
    expect(balancer.metrics).toMatchObject({ healthy: 3, ejected: 1 })
  })
})

describe('a strategy of the user’s own', () => {
  it('whose hooks throw changes nothing for the call, and is reported', () => {
    const broken = (): never => {
      throw new Error('hook')
    }
    let members: readonly Member[] = []
    const strategy: Strategy = {
      name: 'throwing',
      create: () => ({
        update: (given) => {
          members = given
        },
        pick: () => members[0],
        started: broken,
        responded: broken,
        settled: broken,
      }),
    }
    const { balancer } = setup(fleet('ab'), { strategy })
    const faults = vi.fn<(fault: unknown) => void>()
    balancer.on('error', faults)
    take(balancer).success()
    expect(faults.mock.calls).toEqual(
      Array.from({ length: 3 }, () => [{ event: 'strategy', error: new Error('hook') }]),
    )
    expect(balancer.explain()[0]).toMatchObject({ inFlight: 0 })
  })

  it.each(['started', 'responded', 'settled'] as const)('is told what it wants to hear, if only `%s`', (hook) => {
    const heard = vi.fn<(call: PickedCall) => void>()
    let members: readonly Member[] = []
    const strategy: Strategy = {
      name: 'listening',
      create: () => ({
        update: (given) => {
          members = given
        },
        pick: () => members[0],
        [hook]: heard,
      }),
    }
    const { balancer } = setup(fleet('ab'), { strategy })
    take(balancer).success()
    expect(heard).toHaveBeenCalledOnce()
    expect(heard.mock.calls[0]?.[0].member.id).toBe('a')
  })
})

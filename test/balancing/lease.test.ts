import { describe, expect, it } from 'vitest'
import { type PickedCall, type Picker, roundRobin, type Strategy } from 'gateless/balancing'
import { fail, fleet, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }

describe('a lease', () => {
  it('counts as in flight until it is settled, exactly once', () => {
    const { balancer } = setup(fleet('a'))
    const first = take(balancer)
    const second = take(balancer)
    const inFlight = (): number | undefined => balancer.explain()[0]?.inFlight
    expect(inFlight()).toBe(2)
    first.responded('success')
    expect(inFlight()).toBe(2)
    first.success()
    first.failure()
    first.ignore()
    first.responded('failure')
    expect(inFlight()).toBe(1)
    second.ignore()
    second.responded('failure')
    expect(balancer.explain()[0]).toMatchObject({ inFlight: 0, consecutiveFailures: 0 })
  })

  it('gives its verdict once: at the headers, or else at the end', () => {
    const { balancer } = setup(fleet('ab'), exact)
    const early = takeFrom(balancer, 'a')
    early.responded('failure')
    early.responded('failure')
    expect(balancer.explain()[0]?.consecutiveFailures).toBe(1)
    early.failure()
    expect(balancer.explain()[0]?.consecutiveFailures).toBe(1)
    const undecided = takeFrom(balancer, 'a')
    undecided.responded('ignore')
    undecided.failure()
    expect(balancer.explain()[0]).toMatchObject({ consecutiveFailures: 1, inFlight: 0 })
  })

  it('takes an instance out that always answers and never finishes, however good its headers are', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    for (let i = 0; i < 5; i += 1) {
      expect(why(balancer)['b']).toBe('in-rotation')
      const lease = takeFrom(balancer, 'b')
      lease.responded('success')
      lease.failure()
      expect(balancer.explain()[1]?.consecutiveFailures).toBe(i + 1)
    }
    expect(why(balancer)['b']).toBe('ejected')
  })

  it('does not bring earlier failures back when others have succeeded since', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    fail(balancer, 'b', 4)
    const stream = takeFrom(balancer, 'b')
    stream.responded('success')
    takeFrom(balancer, 'b').success()
    stream.failure()
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 1 })
  })

  it('ends a probe at the headers: a slow reader neither blocks nor blames', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const probe = take(balancer)
    probe.responded('success')
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', inFlight: 1 })
    await clock.advance(3_600_000)
    probe.ignore()
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', inFlight: 0, consecutiveFailures: 0 })
  })

  it('counts the broken body of a probe against the restored instance, as one failure', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const probe = take(balancer)
    probe.responded('success')
    probe.failure()
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 1 })
  })

  it('drops the broken body of a call from before an ejection', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const old = takeFrom(balancer, 'b')
    old.responded('success')
    fail(balancer, 'b')
    old.failure()
    expect(balancer.explain()[1]).toMatchObject({ ejectedForMs: 30_000, consecutiveFailures: 5 })
  })

  it('keeps the instance it was made for when news about it come in', () => {
    const { balancer } = setup(fleet('a'))
    const lease = take(balancer)
    balancer.update(fleet('a', { version: '2' }))
    expect(lease.instance.version).toBeUndefined()
    expect(take(balancer).instance.version).toBe('2')
  })
})

function recorder(needsLatency: boolean): { strategy: Strategy; log: unknown[][] } {
  const log: unknown[][] = []
  const calls: PickedCall[] = []
  const nameOf = (call: PickedCall): string => {
    if (!calls.includes(call)) calls.push(call)
    return `${call.member.id}${calls.indexOf(call)}`
  }
  const create = (): Picker => {
    let members: Parameters<Picker['update']>[0] = []
    return {
      update: (given) => {
        members = given
        log.push(['update', given.map(({ id, slot }) => `${id}${slot}`).join(' ')])
      },
      pick: () => members[0],
      started: (call) => log.push(['started', nameOf(call), call.startedAt, call.member.inFlight]),
      responded: (call, verdict, latencyMs, info) => log.push(['responded', nameOf(call), verdict, latencyMs, info]),
      settled: (call) => log.push(['settled', nameOf(call), call.member.inFlight]),
    }
  }
  return { strategy: { name: 'recorder', needsLatency, create }, log }
}

describe('a picker', () => {
  it('is told of every call: began, answered, over', async () => {
    const { strategy, log } = recorder(true)
    const { balancer, clock } = setup(fleet('ab'), { strategy })
    const lease = take(balancer)
    await clock.advance(20)
    lease.responded('success', { load: 0.5 })
    await clock.advance(20)
    const error = new Error('reset')
    lease.failure({ error })
    take(balancer).ignore()
    expect(log).toEqual([
      ['update', 'a0 b1'],
      ['started', 'a0', 1_000, 1],
      ['responded', 'a0', 'success', 20, { load: 0.5 }],
      ['responded', 'a0', 'failure', 40, { error }],
      ['settled', 'a0', 0],
      ['started', 'a1', 1_040, 1],
      ['responded', 'a1', 'ignore', 0, undefined],
      ['settled', 'a1', 0],
    ])
  })

  it('that asks for no latency costs no clock', () => {
    const { strategy, log } = recorder(false)
    const { balancer } = setup(fleet('ab'), { strategy })
    take(balancer).success()
    expect(log.slice(1)).toEqual([
      ['started', 'a0', Number.NaN, 1],
      ['responded', 'a0', 'success', Number.NaN, undefined],
      ['settled', 'a0', 0],
    ])
  })

  it('is given the members anew only when who may be picked changed', () => {
    const { strategy, log } = recorder(false)
    const { balancer } = setup(fleet('abcd'), { strategy })
    fail(balancer, 'b', 5)
    fail(balancer, 'a', 5)
    balancer.update(fleet('abcd', { version: '2' }))
    balancer.update(fleet('dcba'))
    // Excluding is no concern of this picker: all the failures were a's.
    expect(log.filter(([what]) => what === 'update').map(([, members]) => members)).toEqual([
      'a0 b1 c2 d3',
      'b0 c1 d2',
      'c0 d1',
    ])
  })

  it('gets a clock that cannot make latency negative', () => {
    let now = 5_000
    const { strategy, log } = recorder(true)
    const { balancer } = setup(fleet('a'), { strategy, clock: { now: () => now } })
    const lease = take(balancer)
    now = 0
    lease.success()
    expect(log[2]).toEqual(['responded', 'a0', 'success', 0, undefined])
  })
})

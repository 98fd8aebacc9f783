import { describe, expect, it } from 'vitest'
import { type PickedCall, roundRobin, type Strategy } from 'gateless/balancing'
import { fail, fleet, setup, take, takeFrom, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }

describe('one lost connection', () => {
  it('counts once, however many streams it carried', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const streams = Array.from({ length: 100 }, () => takeFrom(balancer, 'b'))
    const lostConnection = {}
    for (const stream of streams) stream.failure({ error: new Error('GOAWAY'), lostConnection })
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 1, inFlight: 0 })
  })

  it('counts once for each connection', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const connections = Array.from({ length: 5 }, () => ({}))
    for (const lostConnection of connections) {
      takeFrom(balancer, 'b').failure({ lostConnection })
      takeFrom(balancer, 'b').failure({ lostConnection })
    }
    expect(why(balancer)['b']).toBe('ejected')
  })

  it('counts once for bodies that break with it', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    const streams = Array.from({ length: 10 }, () => takeFrom(balancer, 'b'))
    for (const stream of streams) stream.responded('success')
    const lostConnection = {}
    for (const stream of streams) stream.failure({ lostConnection })
    expect(balancer.explain()[1]).toMatchObject({ why: 'in-rotation', consecutiveFailures: 1, inFlight: 0 })
  })

  it('is not used up by streams whose word no longer counts', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const old = takeFrom(balancer, 'b')
    const oldBody = takeFrom(balancer, 'b')
    oldBody.responded('success')
    fail(balancer, 'b')
    await clock.advance(30_000)
    take(balancer).success()
    const lostConnection = {}
    const current = takeFrom(balancer, 'b')
    old.failure({ lostConnection })
    oldBody.failure({ lostConnection })
    current.failure({ lostConnection })
    expect(balancer.explain()[1]?.consecutiveFailures).toBe(1)
  })

  it('decides a probe, even when it has been counted', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    const lostConnection = {}
    takeFrom(balancer, 'b').failure({ lostConnection })
    fail(balancer, 'b', 4)
    await clock.advance(30_000)
    take(balancer).failure({ lostConnection })
    expect(balancer.explain()[1]).toMatchObject({ why: 'ejected', ejectedForMs: 60_000 })
  })

  it('is one failure to the strategy, too', () => {
    const verdicts: string[] = []
    const strategy: Strategy = {
      name: 'recorder',
      create: () => {
        let first: readonly PickedCall['member'][] = []
        return {
          update: (members) => {
            first = members
          },
          pick: () => first[0],
          responded: (_, verdict) => verdicts.push(verdict),
        }
      },
    }
    const { balancer } = setup(fleet('abc'), { strategy })
    const lostConnection = {}
    const body = take(balancer)
    body.responded('success')
    take(balancer).failure({ lostConnection })
    take(balancer).failure({ lostConnection })
    take(balancer).ignore()
    body.failure({ lostConnection })
    expect(verdicts).toEqual(['success', 'failure', 'ignore', 'ignore'])
  })

  it('is told by an object, and by nothing else', () => {
    const { balancer } = setup(fleet('abcd'), exact)
    for (const lostConnection of [null, undefined, 'c1', 7]) {
      takeFrom(balancer, 'b').failure({ lostConnection: lostConnection as unknown as object })
    }
    expect(balancer.explain()[1]?.consecutiveFailures).toBe(4)
  })
})

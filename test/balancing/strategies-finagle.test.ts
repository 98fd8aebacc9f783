import { describe, expect, it } from 'vitest'
import { leastConnections, peakEwma, type Strategy } from 'gateless/balancing'
import { seededRandom } from '../../src/time/random.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { SEED } from './fleet.ts'
import { type BareMember, callTo, crowd } from './strategies-support.ts'

/**
 * Finagle's P2CTest, re-expressed: N = 100 members, R = 100,000 calls that never end, ε = 10. Source: finagle-core,
 * com.twitter.finagle.loadbalancer.p2c.P2CTest, "Balances evenly".
 */

const N = 100
const R = 100_000
const EPSILON = 10

function loads(strategy: Strategy, members: BareMember[], calls: number): number[] {
  const picker = strategy.create({ random: seededRandom(SEED), clock: new FakeClock(0) })
  picker.update(members)
  for (let i = 0; i < calls; i += 1) {
    const call = callTo(picker.pick({}, 0) as BareMember, 0)
    picker.started?.(call)
  }
  return members.map(({ inFlight }) => inFlight)
}

describe.each([
  ['leastConnections', leastConnections()],
  ['peakEwma', peakEwma()],
])(`Finagle's P2C under %s (seed ${SEED})`, (_name, strategy) => {
  it('balances evenly: every member within ±10 of the mean', () => {
    for (const load of loads(strategy, crowd(N), R)) expect(Math.abs(load - R / N)).toBeLessThanOrEqual(EPSILON)
  })

  it('balances evenly when calls have been there before', () => {
    const members = crowd(N)
    for (const [i, member] of members.entries()) member.inFlight = i % 2 === 0 ? 500 : 0
    for (const load of loads(strategy, members, R - 250 * N)) {
      expect(Math.abs(load - R / N)).toBeLessThanOrEqual(EPSILON)
    }
  })

  it('balances by weight', () => {
    const members = crowd(N, (i) => (i < N / 2 ? 2 : 1))
    const calls = loads(strategy, members, R)
    for (const [i, load] of calls.entries()) {
      expect(Math.abs(load - (R / (1.5 * N)) * (i < N / 2 ? 2 : 1))).toBeLessThanOrEqual(2 * EPSILON)
    }
  })
})

import { describe, expect, it } from 'vitest'
import { LoadBalancer } from '../../src/balancing/load-balancer.ts'
import { leastConnections } from '../../src/balancing/strategies/least-connections.ts'
import { roundRobin } from '../../src/balancing/strategies/round-robin.ts'
import type { Strategy } from '../../src/balancing/strategy.ts'
import { arrivals } from '../../src/testing/arrivals.ts'
import { constant, exponential } from '../../src/testing/distributions.ts'
import { failing } from '../../src/testing/faults.ts'
import { SimulatedClient } from '../../src/testing/simulated-client.ts'
import { SimulatedServer } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { mean, print, SEEDS, within } from './support.ts'

/**
 * One bad replica among eleven, at 1,000 calls per second, without queueing and without retries. A slow one answers after
 * 2 s where the others need 10 ms on average. One that fails fast answers with an error after a millisecond where the others
 * need 50 ms, and so looks like the least busy of all.
 */

const STRATEGIES: Readonly<Record<string, Strategy>> = {
  'round robin': roundRobin(),
  'least connections of 2': leastConnections(),
  'least connections of all': leastConnections({ choices: 'all' }),
}

type Ejection = 'no ejection' | 'ejection'

interface Fleet {
  /** Share of the calls that were answered well within a second, in per cent. */
  readonly good: number
  /** Share of the calls that went to the bad replica, in per cent. */
  readonly share: number
}

function withOneBad(seed: number, strategy: Strategy, bad: 'slow' | 'fails fast', ejection: Ejection): Fleet {
  const simulation = new Simulation({ seed })
  const normal = exponential(bad === 'slow' ? 10 : 50)
  const servers = Array.from({ length: 11 }, (_, i) => {
    const serviceMs = i === 0 && bad === 'slow' ? constant(2_000) : normal
    return new SimulatedServer(simulation, { name: `replica ${i}`, serviceMs, concurrency: 10_000 })
  })
  const worst = servers[0] as SimulatedServer
  if (bad === 'fails fast') worst.set(failing(1, 1))
  const shared = { strategy, clock: simulation, random: simulation.random }
  const balancer = new LoadBalancer(ejection === 'ejection' ? shared : { ...shared, ejection: false })
  // Only a time limit makes a failure of slowness; without ejection the replica keeps what it has for its two seconds.
  const limits = ejection === 'ejection' ? { attemptTimeoutMs: 1_000 } : {}
  const client = new SimulatedClient(simulation, { servers, balancer, ...limits })
  let good = 0
  arrivals(simulation, { perSecond: 1_000, untilMs: 30_000 }, () => {
    const beganMs = simulation.now()
    client.call((succeeded) => {
      if (succeeded && simulation.now() - beganMs <= 1_000) good += 1
    })
  })
  simulation.run()
  const { attempts, calls } = client.meter
  return { good: (100 * good) / calls, share: (100 * worst.requests) / attempts }
}

function overSeeds(strategy: Strategy, bad: 'slow' | 'fails fast', ejection: Ejection): Fleet {
  const fleets = SEEDS.map((seed) => withOneBad(seed, strategy, bad, ejection))
  return { good: mean(fleets.map(({ good }) => good)), share: mean(fleets.map(({ share }) => share)) }
}

describe('one bad replica of eleven', { timeout: 120_000 }, () => {
  it('that is slow spoils its share of a round robin, and next to nothing where the calls in flight are counted', () => {
    const results = Object.entries(STRATEGIES).map(([name, strategy]) => ({
      name,
      alone: overSeeds(strategy, 'slow', 'no ejection'),
      ejecting: overSeeds(strategy, 'slow', 'ejection'),
    }))
    print('A slow replica, 1 of 11: share of calls answered within 1 s', [
      ['', 'no ejection', 'ejection', 'reference'],
      ...results.map(({ name, alone, ejecting }, i) => [
        name,
        `${alone.good.toFixed(2)} %`,
        `${ejecting.good.toFixed(2)} %`,
        ['90.9 %', '99.85 %', ''][i] as string,
      ]),
    ])
    const [robin, ofTwo, ofAll] = results.map(({ alone }) => alone)
    expect(robin?.good).toBeCloseTo((100 * 10) / 11, 0)
    expect(ofTwo?.good).toBeGreaterThan(99.7)
    expect(ofAll?.good).toBeGreaterThan(99.7)
    // Five time-outs in a row, and it is out: even a round robin is well again.
    for (const { ejecting, name } of results) expect(ejecting.good, name).toBeGreaterThan(99.2)
  })

  it('that fails fast draws traffic where the calls in flight are counted, and is ejected', () => {
    const results = Object.entries(STRATEGIES).map(([name, strategy]) => ({
      name,
      alone: overSeeds(strategy, 'fails fast', 'no ejection'),
      ejecting: overSeeds(strategy, 'fails fast', 'ejection'),
    }))
    print('A replica that fails fast, 1 of 11: its share of the calls (fair: 9.1 %)', [
      ['', 'no ejection', 'ejection', 'reference'],
      ...results.map(({ name, alone, ejecting }, i) => [
        name,
        `${alone.share.toFixed(1)} %`,
        `${ejecting.share.toFixed(2)} %`,
        ['', '18 %', '66 %'][i] as string,
      ]),
    ])
    const [robin, ofTwo, ofAll] = results.map(({ alone }) => alone)
    expect(robin?.share).toBeCloseTo(100 / 11, 1)
    // Whenever it is one of the two, it wins: 2 of 11.
    expect(ofTwo?.share).toBeGreaterThanOrEqual(within(18)[0])
    expect(ofTwo?.share).toBeLessThanOrEqual(within(18)[1])
    expect(ofAll?.share).toBeGreaterThan(50)
    for (const { ejecting, name } of results) expect(ejecting.share, name).toBeLessThan(0.1)
  })
})

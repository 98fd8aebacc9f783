import { describe, expect, it } from 'vitest'
import { type EjectionOptions, LoadBalancer, roundRobin } from '../../src/balancing/index.ts'
import { readEjectionOptions } from '../../src/balancing/ejection-options.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fleet, takeFrom } from '../balancing/fleet.ts'

/**
 * Envoy's unit cases for outlier detection, and gRFC A50's rules: the numbers, said to this balancer. Origin:
 * envoyproxy/envoy, test/common/upstream/outlier_detection_impl_test.cc; grpc/proposal, A50-xds-outlier-detection.md.
 *
 * What differs on purpose: an ejected instance comes back by a probe that succeeds, not by time alone; and an interval is
 * over with the first failure after its time, for there is no timer.
 */

interface Cluster {
  readonly balancer: LoadBalancer
  readonly clock: FakeClock
  /** Calls to one host, with this result. */
  load(host: string, times: number, status: 200 | 500): void
  ejected(): string
  /** What Envoy's timer does: the interval ends, and who is due comes back. */
  tick(atMs: number): Promise<void>
}

const HOSTS = 'abcde'

function cluster(ejection: EjectionOptions, hosts = HOSTS): Cluster {
  const clock = new FakeClock()
  const balancer = new LoadBalancer({
    strategy: roundRobin(),
    clock,
    random: () => 0,
    panicThreshold: 0,
    ejection: { jitter: 0, successRate: false, ...ejection },
  })
  balancer.update(fleet(hosts))
  return {
    balancer,
    clock,
    load: (host, times, status) => {
      for (let i = 0; i < times; i += 1) {
        const lease = takeFrom(balancer, host)
        if (status === 200) lease.success()
        else lease.failure()
      }
    },
    ejected: () =>
      balancer
        .explain()
        .filter(({ why }) => why === 'ejected' || why === 'probing')
        .map(({ id }) => id)
        .join(''),
    tick: async (atMs) => {
      await clock.advance(atMs - clock.now())
      for (let lease = balancer.acquire(); lease !== undefined; lease = balancer.acquire()) {
        if (!lease.probe) return lease.ignore()
        lease.success()
      }
    },
  }
}

describe('Envoy’s outlier detection', () => {
  it('DetectorStaticConfig: the defaults', () => {
    expect(readEjectionOptions({ failurePercentage: {} })).toMatchObject({
      consecutiveFailures: 5,
      intervalMs: 10_000,
      baseEjectionMs: 30_000,
      maxEjectionMs: 300_000,
      successRate: { minimumInstances: 5, requestVolume: 100, stdevFactor: 1.9 },
      failurePercentage: { threshold: 0.85, minimumInstances: 5, requestVolume: 50 },
    })
  })

  it('DetectorStaticConfigBaseLargerThanMaxNoMax and InvalidMaxEjectTime: the maximum is never below the base', () => {
    expect(readEjectionOptions({ baseEjectionMs: 400_000 })).toMatchObject({ maxEjectionMs: 400_000 })
    expect(() => readEjectionOptions({ baseEjectionMs: 10_000, maxEjectionMs: 3_000 })).toThrow(RangeError)
  })

  it('BasicFlow5xx: five in a row eject, not four; not back after 9,999 ms, back after 30,001; then for longer', async () => {
    const { load, ejected, tick, balancer } = cluster({})
    load('a', 1, 500)
    load('a', 1, 200)
    load('a', 4, 500)
    expect(ejected()).toBe('')
    load('a', 1, 500)
    expect(ejected()).toBe('a')
    await tick(9_999)
    expect(ejected()).toBe('a')
    await tick(30_001)
    expect(ejected()).toBe('')
    await tick(40_000)
    load('a', 5, 500)
    expect(ejected()).toBe('a')
    expect(balancer.explain()[0]?.ejectedForMs).toBe(60_000)
    balancer.update(fleet('bcde'))
    expect(balancer.metrics).toMatchObject({ ejected: 0, ejections: 2 })
  })

  it('ExternalOriginEventsWithSplit: a success in between takes a failure back, a hundred times over', () => {
    const { load, ejected } = cluster({})
    for (let i = 0; i < 100; i += 1) {
      load('a', 1, 500)
      load('a', 1, 200)
    }
    expect(ejected()).toBe('')
    load('a', 5, 500)
    expect(ejected()).toBe('a')
  })

  it('BasicFlowSuccessRate: 200 calls each, half of one host’s fail; later, with 50 calls, it stays', async () => {
    const { load, ejected, tick, clock } = cluster({ consecutiveFailures: 1_000, successRate: {} })
    for (const host of 'abcd') load(host, 200, 200)
    load('e', 200, 200)
    load('e', 200, 500)
    await clock.advance(10_000)
    load('a', 1, 500)
    expect(ejected()).toBe('e')
    await tick(19_999)
    expect(ejected()).toBe('e')
    await tick(50_001)
    expect(ejected()).toBe('')
    for (const host of HOSTS) load(host, 25, 200)
    load('e', 25, 500)
    await clock.advance(10_001)
    load('a', 1, 500)
    expect(ejected()).toBe('')
  })

  it('EmptySuccessRate: nobody there, nothing to divide by', () => {
    const { balancer } = cluster({ successRate: { minimumInstances: 2 } }, '')
    expect(balancer.acquire()).toBeUndefined()
  })

  it('BasicFlowFailurePercentage: 250 of 300 stay, 300 of 350 go', async () => {
    const { load, ejected, tick, clock } = cluster({ consecutiveFailures: 1_000, failurePercentage: {} })
    for (const host of HOSTS) load(host, 50, 200)
    load('d', 250, 500)
    load('e', 300, 500)
    await clock.advance(10_000)
    load('a', 1, 500)
    expect(ejected()).toBe('e')
    await tick(19_999)
    expect(ejected()).toBe('e')
    await tick(50_001)
    expect(ejected()).toBe('')
    for (const host of HOSTS) load(host, 25, 200)
    load('e', 25, 500)
    await clock.advance(10_001)
    load('a', 1, 500)
    expect(ejected()).toBe('')
  })

  it('RemoveWhileEjected: a host that leaves takes its ejection with it', () => {
    const { load, balancer } = cluster({})
    load('a', 5, 500)
    expect(balancer.metrics.ejected).toBe(1)
    balancer.update(fleet('bcde'))
    expect(balancer.metrics.ejected).toBe(0)
    balancer.update(fleet('abcde'))
    expect(balancer.explain().every(({ why }) => why === 'in-rotation')).toBe(true)
  })

  it('Overflow: beyond the cap nobody is ejected', () => {
    const { load, ejected } = cluster({ maxEjectedShare: 0.01 }, 'abc')
    load('a', 5, 500)
    expect(ejected()).toBe('a')
    load('b', 50, 500)
    expect(ejected()).toBe('a')
  })

  it('Consecutive_5xxAlreadyEjected: more failures of calls from before change nothing', () => {
    const { load, balancer } = cluster({})
    const late = Array.from({ length: 10 }, () => takeFrom(balancer, 'a'))
    load('a', 5, 500)
    for (const lease of late) lease.failure()
    expect(balancer.metrics).toMatchObject({ ejected: 1, ejections: 1 })
  })

  it('EjectTimeBackoff: 10 s, 20 s, 30 s in a row; two good intervals later 20 s; after a long time 10 s', async () => {
    const { load, ejected, tick } = cluster({ baseEjectionMs: 10_000 })
    const timeline: [atSeconds: number, ejected: string][] = [
      [10, ''],
      [20, 'a'],
      [30, ''],
      [40, 'a'],
      [50, 'a'],
      [60, ''],
      [80, ''],
      [90, 'a'],
      [100, ''],
      [610, ''],
      [620, ''],
    ]
    // After each of these the host fails again.
    const relapses = new Set([10, 30, 80, 610])
    load('a', 5, 500)
    for (const [at, expected] of timeline) {
      await tick(at * 1_000)
      expect([at, ejected()]).toEqual([at, expected])
      if (relapses.has(at)) load('a', 5, 500)
    }
  })

  it.each([
    [300_000, 30],
    [305_000, 31],
  ])('MaxEjectTime: grows by the base of 10 s up to %d ms, and stays there', async (maxEjectionMs, steps) => {
    const { load, balancer, tick, clock } = cluster({ baseEjectionMs: 10_000, maxEjectionMs })
    for (let i = 1; i <= steps + 9; i += 1) {
      load('a', 5, 500)
      const forMs = balancer.explain()[0]?.ejectedForMs as number
      // Envoy waits for its next sweep beyond a maximum that is no multiple of the base; here it is exact.
      expect(forMs).toBe(Math.min(i * 10_000, maxEjectionMs))
      await tick(clock.now() + forMs)
    }
  })

  it('EjectionTimeJitterIsInRange: jitter is added, within its range', () => {
    for (const [random, expected] of [
      [0, 30_000],
      [0.5, 31_500],
      [0.999, 32_997],
    ] as const) {
      const balancer = new LoadBalancer({ strategy: roundRobin(), clock: new FakeClock(), random: () => random })
      balancer.update(fleet(HOSTS))
      for (let i = 0; i < 5; i += 1) takeFrom(balancer, 'a').failure()
      expect(balancer.explain()[0]?.ejectedForMs).toBeCloseTo(expected, 6)
    }
  })
})

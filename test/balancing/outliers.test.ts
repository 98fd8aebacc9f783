import { describe, expect, it, vi } from 'vitest'
import { type BalancerEvents, type EjectionOptions, type LoadBalancer, roundRobin } from 'gateless/balancing'
import { successRateThreshold } from '../../src/balancing/outliers.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { fleet, numbered, setup, takeFrom, why } from './fleet.ts'

/** No run of failures is long enough here, so that only the rules that compare are seen. */
const rules: EjectionOptions = { jitter: 0, consecutiveFailures: 1_000_000 }

function fleetOf(count: number, ejection: EjectionOptions = {}): { balancer: LoadBalancer; clock: FakeClock } {
  return setup(numbered(count), {
    strategy: roundRobin(),
    random: () => 0,
    ejection: { ...rules, ...ejection },
  })
}

/** Failures last: the run of them is what other rules would see. */
function calls(balancer: LoadBalancer, id: string, successes: number, failures: number): void {
  for (let i = 0; i < successes; i += 1) takeFrom(balancer, id).success()
  for (let i = 0; i < failures; i += 1) takeFrom(balancer, id).failure()
}

function ejections(balancer: LoadBalancer): [id: string, reason: string][] {
  const seen: [string, string][] = []
  balancer.on('ejected', ({ instance, reason }) => seen.push([instance.id, reason]))
  return seen
}

/** Ends the interval: it is over with the first failure after its time. */
async function endInterval(balancer: LoadBalancer, clock: FakeClock, ms = 10_000): Promise<void> {
  await clock.advance(ms)
  takeFrom(balancer, 'i0').failure()
}

describe('success rate', () => {
  it.each([
    [[0.5, 1, 1, 1, 1], 1.9, 0.9, 0.52],
    [[1, 1, 1, 1, 1], 1.9, 1, 1],
    [[0.9, 1], 1, 0.95, 0.9],
    [[0.9, 1], 0, 0.95, 0.95],
  ])('of %j with factor %f has the mean %f, and the threshold %f', (rates, factor, mean, threshold) => {
    const found = successRateThreshold(rates, factor)
    expect(found.mean).toBeCloseTo(mean, 10)
    expect(found.threshold).toBeCloseTo(threshold, 10)
  })

  it('takes out who succeeds less often than the others, at the first failure after the interval', async () => {
    const { balancer, clock } = fleetOf(5)
    const seen = vi.fn<(event: BalancerEvents['ejected']) => void>()
    balancer.on('ejected', seen)
    for (const id of ['i0', 'i1', 'i2', 'i3']) calls(balancer, id, 99, 1)
    calls(balancer, 'i4', 50, 50)
    await clock.advance(9_999)
    takeFrom(balancer, 'i0').failure()
    expect(seen).not.toHaveBeenCalled()
    await clock.advance(1)
    for (let i = 0; i < 10; i += 1) takeFrom(balancer, 'i0').success()
    expect(seen).not.toHaveBeenCalled()
    takeFrom(balancer, 'i0').failure()
    expect(seen).toHaveBeenCalledExactlyOnceWith({
      instance: expect.objectContaining({ id: 'i4' }),
      reason: 'success-rate',
      forMs: 30_000,
      ejectedCount: 1,
    })
    expect(why(balancer)).toMatchObject({ i3: 'in-rotation', i4: 'ejected' })
    expect(balancer.metrics).toMatchObject({ ejected: 1, ejections: 1, pickedFrom: 4 })
  })

  it('can be its own last straw: the failure that ends the interval is not counted twice', async () => {
    const { balancer, clock } = fleetOf(5, { consecutiveFailures: 51 })
    const seen = ejections(balancer)
    for (const id of ['i0', 'i1', 'i2', 'i3']) calls(balancer, id, 100, 0)
    calls(balancer, 'i4', 50, 50)
    await clock.advance(10_000)
    takeFrom(balancer, 'i4').failure()
    expect(seen).toEqual([['i4', 'success-rate']])
    expect(balancer.explain()[4]?.consecutiveFailures).toBe(50)
  })

  it('compares no fewer than five instances with a hundred calls each', async () => {
    for (const [count, each] of [
      [4, 100],
      [5, 99],
    ] as const) {
      const { balancer, clock } = fleetOf(count)
      const seen = ejections(balancer)
      for (let i = 0; i < count - 1; i += 1) calls(balancer, `i${i}`, each, 0)
      calls(balancer, `i${count - 1}`, 0, each)
      await endInterval(balancer, clock)
      expect(seen).toEqual([])
    }
  })

  it('leaves out of the comparison who has had too few calls', async () => {
    const { balancer, clock } = fleetOf(7)
    const seen = ejections(balancer)
    for (let i = 0; i < 5; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i5', 0, 99)
    calls(balancer, 'i6', 40, 60)
    await endInterval(balancer, clock)
    expect(seen).toEqual([['i6', 'success-rate']])
  })

  it('spares who is hardly worse than the others, unless told to be as strict as Envoy', async () => {
    for (const [minimumGap, expected] of [
      [undefined, []],
      [0, [['i4', 'success-rate']]],
    ] as const) {
      const { balancer, clock } = fleetOf(5, { successRate: minimumGap === undefined ? {} : { minimumGap } })
      const seen = ejections(balancer)
      for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
      calls(balancer, 'i4', 99, 1)
      await endInterval(balancer, clock)
      expect(seen).toEqual(expected)
    }
  })

  it('asks for more than the gap, exactly the gap is not enough', async () => {
    // Rates 1, 1, 1, 1, 0.75 have the mean 0.95; the gap of the last is 0.2.
    for (const [minimumGap, out] of [
      [0.2 - 1e-9, 1],
      [0.2 + 1e-9, 0],
    ] as const) {
      const { balancer, clock } = fleetOf(5, { successRate: { minimumGap } })
      const seen = ejections(balancer)
      for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
      calls(balancer, 'i4', 75, 25)
      await endInterval(balancer, clock)
      expect(seen).toHaveLength(out)
    }
  })

  it('does not compare when turned off', async () => {
    const { balancer, clock } = fleetOf(5, { successRate: false })
    const seen = ejections(balancer)
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i4', 50, 50)
    await endInterval(balancer, clock)
    expect(seen).toEqual([])
  })

  it('takes the worst when not all may go, and nobody beyond the cap', async () => {
    const { balancer, clock } = fleetOf(6, { maxEjectedShare: 0.2, successRate: { stdevFactor: 0.5 } })
    const seen = ejections(balancer)
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i4', 50, 50)
    calls(balancer, 'i5', 40, 60)
    await endInterval(balancer, clock)
    expect(seen).toEqual([['i5', 'success-rate']])
  })

  it('neither counts nor ejects who is out already, or unhealthy', async () => {
    const { balancer, clock } = fleetOf(7)
    const seen = ejections(balancer)
    for (let i = 0; i < 5; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i5', 20, 80)
    calls(balancer, 'i6', 30, 70)
    balancer.setHealth('i6', false)
    await endInterval(balancer, clock)
    expect(seen).toEqual([['i5', 'success-rate']])
  })
})

describe('failure percentage', () => {
  const on: EjectionOptions = { successRate: false, failurePercentage: {} }

  it('takes out who fails 85 of a hundred calls, and not who fails one less', async () => {
    const { balancer, clock } = fleetOf(6, on)
    const seen = ejections(balancer)
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 50, 0)
    calls(balancer, 'i4', 16, 84)
    calls(balancer, 'i5', 15, 85)
    await endInterval(balancer, clock)
    expect(seen).toEqual([['i5', 'failure-percentage']])
  })

  it('judges fifty calls and more, of five instances and more', async () => {
    for (const [count, each, out] of [
      [5, 50, 1],
      [5, 49, 0],
      [4, 50, 0],
    ] as const) {
      const { balancer, clock } = fleetOf(count, on)
      const seen = ejections(balancer)
      for (let i = 0; i < count - 1; i += 1) calls(balancer, `i${i}`, each, 0)
      calls(balancer, `i${count - 1}`, 0, each)
      await endInterval(balancer, clock)
      expect(seen).toHaveLength(out)
    }
  })

  it('is off unless asked for', async () => {
    const { balancer, clock } = fleetOf(5, { successRate: false })
    const seen = ejections(balancer)
    for (let i = 0; i < 5; i += 1) calls(balancer, `i${i}`, 0, 100)
    await endInterval(balancer, clock)
    expect(seen).toEqual([])
  })

  it('names an instance once when both rules find it', async () => {
    const { balancer, clock } = fleetOf(5, { failurePercentage: { threshold: 0.5 } })
    const seen = ejections(balancer)
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i4', 10, 90)
    await endInterval(balancer, clock)
    expect(seen).toEqual([['i4', 'success-rate']])
  })
})

describe('an interval', () => {
  const bad = (balancer: LoadBalancer): void => {
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 100, 0)
    calls(balancer, 'i4', 50, 50)
  }

  it('begins with the first failure, and counts everything since the one before', async () => {
    const { balancer, clock } = fleetOf(5)
    const seen = ejections(balancer)
    await clock.advance(1_000_000)
    bad(balancer)
    await endInterval(balancer, clock)
    expect(seen).toHaveLength(1)
  })

  it('takes its counts with it', async () => {
    const { balancer, clock } = fleetOf(5, { successRate: { requestVolume: 60 } })
    const seen = ejections(balancer)
    for (let i = 0; i < 5; i += 1) calls(balancer, `i${i}`, 40, 10)
    await endInterval(balancer, clock)
    for (let i = 0; i < 4; i += 1) calls(balancer, `i${i}`, 50, 0)
    calls(balancer, 'i4', 10, 40)
    await endInterval(balancer, clock)
    expect(seen).toEqual([])
  })

  it('is not judged when it is older than twice its length', async () => {
    for (const [ms, out] of [
      [19_999, 1],
      [20_000, 0],
    ] as const) {
      const { balancer, clock } = fleetOf(5)
      const seen = ejections(balancer)
      bad(balancer)
      await endInterval(balancer, clock, ms)
      expect(seen).toHaveLength(out)
      await endInterval(balancer, clock)
      expect(seen).toHaveLength(out)
    }
  })

  it('is begun again when the clock goes backwards', () => {
    let now = 1_000_000
    const { balancer } = setup(numbered(5), { strategy: roundRobin(), ejection: rules, clock: { now: () => now } })
    const seen = ejections(balancer)
    bad(balancer)
    now = 0
    takeFrom(balancer, 'i0').failure()
    expect(seen).toEqual([])
    bad(balancer)
    now = 10_000
    takeFrom(balancer, 'i0').failure()
    expect(seen).toEqual([['i4', 'success-rate']])
  })

  it('costs successes no look at the clock', () => {
    const now = vi.fn<() => number>(() => 1_000)
    const { balancer } = setup(fleet('abcde'), { strategy: roundRobin(), clock: { now } })
    now.mockClear()
    for (let i = 0; i < 20; i += 1) balancer.acquire()?.success()
    expect(now).not.toHaveBeenCalled()
  })

  it('is changed at run time with the rules', async () => {
    const { balancer, clock } = fleetOf(5)
    const seen = ejections(balancer)
    balancer.configure({ ejection: { ...rules, intervalMs: 1_000 } })
    bad(balancer)
    await endInterval(balancer, clock, 1_000)
    expect(seen).toHaveLength(1)
  })
})

describe('the options', () => {
  it.each([
    [{ successRate: true }, 'LoadBalancer: ejection: successRate: options must be an object, got true'],
    [{ successRate: { minimumInstances: 1 } }, /successRate: minimumInstances must be an integer from 2, got 1/],
    [{ successRate: { requestVolume: 0 } }, /successRate: requestVolume must be an integer from 1, got 0/],
    [{ successRate: { stdevFactor: -1 } }, /successRate: stdevFactor must be a finite number from 0, got -1/],
    [{ successRate: { minimumGap: 1.1 } }, /successRate: minimumGap must be a finite number from 0 up to 1, got 1.1/],
    [{ successRate: { x: 1 } }, /successRate: unknown option "x"/],
    [{ failurePercentage: { threshold: 0 } }, /failurePercentage: threshold must be a finite number above 0 up to 1/],
    [{ failurePercentage: { minimumInstances: 0 } }, /failurePercentage: minimumInstances must be an integer from 1/],
    [{ failurePercentage: { requestVolume: 0.5 } }, /failurePercentage: requestVolume must be an integer from 1/],
    [{ failurePercentage: { x: 1 } }, /failurePercentage: unknown option "x"/],
    [{ intervalMs: 0 }, /ejection: intervalMs must be a finite number from 1 .*milliseconds, got 0/],
  ])('refuse %j by name, value and range', (ejection, message) => {
    expect(() => setup([], { ejection: ejection as EjectionOptions })).toThrow(message)
  })
})

import { describe, expect, it } from 'vitest'
import { type LoadReport, serverLoad, type ServerLoadOptions } from 'gateless/balancing'
import { ReportedMeter } from '../../src/balancing/loads/reported-meter.ts'
import { ReportedWeights } from '../../src/balancing/loads/reported-weights.ts'
import type { OutcomeInfo } from '../../src/core/outcome.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fleet, setup, take, takeFrom } from './fleet.ts'
import { bare, type BareMember, callTo, crowd, seated } from './strategies-support.ts'

const RULES = { blackoutMs: 10_000, expirationMs: 180_000, errorPenalty: 1 }
const busy = (requestsPerSecond: number, utilization: number, errorsPerSecond = 0): LoadReport => ({
  requestsPerSecond,
  applicationUtilization: utilization,
  errorsPerSecond,
})

function weightsOf(count: number, rules: Partial<typeof RULES> = {}, weight: (i: number) => number = () => 1) {
  const weights = new ReportedWeights({ ...RULES, ...rules })
  const members = crowd(count, weight)
  weights.update(members)
  return { weights, members }
}

describe('weights by report', () => {
  it.each([
    [busy(100, 0.5), 200],
    [busy(100, 1), 100],
    // A tenth of the requests fail: as if a tenth of the machine were busier.
    [busy(100, 0.5, 10), 100 / 0.6],
    [{ requestsPerSecond: 100, cpuUtilization: 0.25 }, 400],
    [{ requestsPerSecond: 100, cpuUtilization: 0.25, applicationUtilization: 0 }, 400],
    [{ requestsPerSecond: 100, cpuUtilization: 0.25, applicationUtilization: 1 }, 100],
    [{ requestsPerSecond: 100, memoryUtilization: 0.5 }, 0],
    [busy(0, 0.5), 0],
    [busy(100, 0), 0],
    [{ cpuUtilization: 0.5 }, 0],
    [{ inFlight: 3 }, 0],
    [busy(1e300, 1e-300), 0],
    [busy(1e-300, 1e300), 0],
  ])('of %j is %f', (report, weight) => {
    const { weights } = weightsOf(1, { blackoutMs: 0 })
    weights.report(0, report, 1_000)
    expect(weights.weight(0, 1_000)).toBeCloseTo(weight, 9)
  })

  it('takes the penalty of errors from the options', () => {
    const { weights } = weightsOf(1, { blackoutMs: 0, errorPenalty: 3 })
    weights.report(0, busy(100, 0.5, 10), 1_000)
    expect(weights.weight(0, 1_000)).toBeCloseTo(125, 9)
  })

  it('count after the blackout, from the first report on', () => {
    const { weights } = weightsOf(1)
    weights.report(0, busy(100, 1), 1_000)
    weights.report(0, busy(100, 0.5), 5_000)
    expect(weights.weight(0, 10_999)).toBe(0)
    expect(weights.weight(0, 11_000)).toBe(200)
  })

  it('expire, and then have another blackout', () => {
    const { weights } = weightsOf(1)
    weights.report(0, busy(100, 1), 0)
    expect(weights.weight(0, 179_999)).toBe(100)
    expect(weights.weight(0, 180_000)).toBe(0)
    weights.report(0, busy(100, 1), 200_000)
    expect(weights.weight(0, 209_999)).toBe(0)
    expect(weights.weight(0, 210_000)).toBe(100)
  })

  it('begin anew when the clock goes backwards', () => {
    const { weights } = weightsOf(1)
    weights.report(0, busy(100, 1), 1_000_000)
    expect(weights.weight(0, 50)).toBe(0)
    expect(weights.weight(0, 10_050)).toBe(100)
    expect(weights.weight(0, 180_050)).toBe(0)
  })

  it('who has none gets the mean of the others, and nobody a weight where fewer than two have one', () => {
    const { weights } = weightsOf(3, { blackoutMs: 0 })
    weights.report(0, busy(100, 1), 0)
    expect([...weights.weights(0)]).toEqual([1, 1, 1])
    weights.report(1, busy(300, 1), 0)
    expect([...weights.weights(0)]).toEqual([100, 300, 200])
  })

  it('multiply with those of the operator', () => {
    const { weights } = weightsOf(3, { blackoutMs: 0 }, (i) => i + 1)
    expect([...weights.weights(0)]).toEqual([1, 2, 3])
    weights.report(0, busy(100, 1), 0)
    weights.report(1, busy(300, 1), 0)
    expect([...weights.weights(0)]).toEqual([100, 600, 600])
  })

  it('stay with their member', () => {
    const { weights, members } = weightsOf(2, { blackoutMs: 0 })
    weights.report(0, busy(100, 1), 0)
    weights.report(1, busy(300, 1), 0)
    weights.update(seated(...members.toReversed()))
    expect([...weights.weights(0)]).toEqual([300, 100])
  })
})

function drive(options: ServerLoadOptions, count: number) {
  const members = crowd(count)
  let now = 0
  const clock = { now: () => now }
  const picker = serverLoad(options).create({ random: seededRandom(1), clock: clock as never })
  picker.update(members)
  const call = (load: unknown, member = picker.pick({}, now) as BareMember): string => {
    const picked = callTo(member, now)
    picker.started?.(picked)
    picker.responded?.(picked, 'success', 0, { load } as OutcomeInfo)
    member.inFlight -= 1
    picker.settled?.(picked)
    return member.id
  }
  return { members, picker, call, go: (ms: number) => (now = ms) }
}

describe("serverLoad, 'weighted'", () => {
  it('gives who can take three times as many three times as many, from the next update of weights on', () => {
    const { members, call, go } = drive({ blackoutMs: 0 }, 2)
    const [a, b] = members as [BareMember, BareMember]
    call(busy(100, 0.5), a)
    call(busy(100, 0.5 / 3), b)
    go(999)
    expect(counted(Array.from({ length: 40 }, () => call(undefined)))).toEqual({ i0: 20, i1: 20 })
    go(1_000)
    expect(counted(Array.from({ length: 40 }, () => call(undefined)))).toEqual({ i0: 10, i1: 30 })
  })

  it('does not starve an instance whose weight is 0 among others of 200 (it gets the mean of them)', () => {
    // grpc-js 1.14: 8 of a million.
    const { members, call, go } = drive({ blackoutMs: 0 }, 4)
    for (const member of members.slice(0, 3)) call(busy(200, 1), member)
    go(1_000)
    const counts = counted(Array.from({ length: 10_000 }, () => call(undefined)))
    expect(counts).toEqual({ i0: 2_500, i1: 2_500, i2: 2_500, i3: 2_500 })
  })

  it('changes weights less often in a fleet so large that it would cost something', () => {
    const { members, call, go, picker } = drive({ blackoutMs: 0, updateMs: 100 }, 2_000)
    for (const member of members) call(busy(100, member.id === 'i7' ? 0.01 : 1), member)
    const sevens = (): number => Array.from({ length: 2_100 }, () => call(undefined)).filter((id) => id === 'i7').length
    go(199)
    expect(sevens()).toBeLessThan(5)
    go(200)
    expect(sevens()).toBeGreaterThan(90)
    expect(picker.pick({})).toBeDefined()
  })

  it('weighs anew when the clock went backwards', () => {
    const { members, call, go } = drive({ blackoutMs: 0 }, 2)
    go(1_000_000)
    call(undefined)
    go(5)
    call(busy(100, 1), members[0])
    call(busy(300, 1), members[1])
    call(undefined)
    go(1_005)
    expect(counted(Array.from({ length: 40 }, () => call(undefined)))).toEqual({ i0: 10, i1: 30 })
  })

  it('works through a balancer, which hands over what the headers said', async () => {
    const { balancer, clock } = setup(fleet('ab'), { strategy: serverLoad() })
    for (const [id, utilization] of [
      ['a', 1],
      ['b', 0.25],
    ] as const) {
      takeFrom(balancer, id).success({ load: busy(100, utilization) } as unknown as OutcomeInfo)
    }
    await clock.advance(9_999)
    expect(counted(Array.from({ length: 10 }, () => take(balancer).instance.id))).toEqual({ a: 5, b: 5 })
    await clock.advance(1_000)
    expect(counted(Array.from({ length: 10 }, () => take(balancer).instance.id))).toEqual({ a: 2, b: 8 })
  })

  it('hears nothing of who has left', () => {
    const { members, picker, call, go } = drive({ blackoutMs: 0 }, 3)
    const gone = members[2] as BareMember
    gone.slot = -1
    picker.update(seated(...members.slice(0, 2)))
    call(busy(1, 1), gone)
    call(busy(100, 1), members[0])
    go(1_000)
    expect(counted(Array.from({ length: 20 }, () => call(undefined)))).toEqual({ i0: 10, i1: 10 })
  })
})

describe("serverLoad, 'least-loaded'", () => {
  const meterOf = (...members: BareMember[]) => {
    const meter = new ReportedMeter()
    meter.update(seated(...members))
    const report = (member: BareMember, load: unknown, at: number, latencyMs = 0) => {
      const call = callTo(member, at - latencyMs)
      meter.responded(call, 'success', latencyMs, { load } as OutcomeInfo)
      member.inFlight -= 1
    }
    return { meter, report }
  }

  it('adds our own calls, as they are now, to those of others, as they were', () => {
    const [a, b] = [bare('a'), bare('b', 2)]
    const { meter, report } = meterOf(a, b)
    report(a, 11, 1_000)
    // Ours was one of the eleven.
    expect(meter.load(0, 1_000)).toBe(11)
    a.inFlight = 4
    expect(meter.load(0, 1_000)).toBe(15)
    report(b, { inFlight: 11 }, 900, 400)
    expect(meter.load(1, 900)).toBe(5.5)
  })

  it('takes who reported nothing for the mean of the others, and lets a report fade into it', () => {
    const [a, b] = [bare('a'), bare('b')]
    const { meter, report } = meterOf(a, b)
    expect(meter.load(1, 0)).toBe(1)
    report(a, 33, 1_000)
    expect(meter.load(1, 1_000)).toBe(2)
    for (let i = 0; i < 1_000; i += 1) report(a, 33, 1_000)
    expect(meter.load(1, 1_000)).toBeCloseTo(33, 6)
    report(a, 1, 1_000)
    expect(meter.load(0, 1_000)).toBe(1)
    expect(meter.load(0, 2_000)).toBeCloseTo(1 + 31 * (1 - Math.exp(-1)), 6)
    expect(meter.load(0, 2_000)).toBeLessThan(meter.load(1, 2_000))
  })

  it('remembers of each member when it reported', () => {
    const [a, b, c] = [bare('a'), bare('b'), bare('c')]
    const { meter, report } = meterOf(a, b, c)
    report(b, 3, 1_000)
    report(c, 3, 2_000)
    expect(meter.load(2, 2_000)).toBe(3)
    expect(meter.load(1, 2_000)).toBeLessThan(2)
    expect(meter.load(1, 1_000)).toBe(3)
  })

  it('never takes fewer than none for the calls of others, and no nonsense at all', () => {
    const [a] = [bare('a')]
    const { meter, report } = meterOf(a)
    a.inFlight = 5
    report(a, 2, 1_000)
    expect(meter.load(0, 1_000)).toBe(6)
    for (const load of [Number.NaN, -3, undefined, { cpuUtilization: 1 }]) report(a, load, 1_000)
    expect(meter.load(0, 1_000)).toBe(6)
    meter.responded({ member: bare('gone'), startedAt: 0 }, 'success', 0, { load: 50 })
    expect(meter.load(0, 1_000)).toBe(6)
  })

  it('goes where others are not', () => {
    const { balancer } = setup(fleet('ab'), { strategy: serverLoad({ choose: 'least-loaded' }) })
    takeFrom(balancer, 'a').success({ load: 9 })
    takeFrom(balancer, 'b').success({ load: 1 })
    const ids = Array.from({ length: 10 }, () => take(balancer).instance.id)
    expect(counted(ids)).toEqual({ a: 1, b: 9 })
  })
})

describe('the options of serverLoad', () => {
  it.each([
    [{ choose: 'best' }, `serverLoad: choose must be one of 'weighted', 'least-loaded', got "best"`],
    [{ blackoutMs: -1 }, 'serverLoad: blackoutMs must be a finite number from 0 up to 2073600000 milliseconds, got -1'],
    [
      { expirationMs: 0 },
      'serverLoad: expirationMs must be a finite number from 1 up to 2073600000 milliseconds, got 0',
    ],
    [{ updateMs: 99 }, 'serverLoad: updateMs must be a finite number from 100 up to 2073600000 milliseconds, got 99'],
    [{ errorPenalty: 1_001 }, 'serverLoad: errorPenalty must be a finite number from 0 up to 1000, got 1001'],
    [
      { choose: 'least-loaded', updateMs: 200 },
      "serverLoad: updateMs must be left out with choose 'least-loaded', got 200",
    ],
    [
      { choose: 'least-loaded', blackoutMs: 0 },
      "serverLoad: blackoutMs must be left out with choose 'least-loaded', got 0",
    ],
    [
      { choose: 'least-loaded', expirationMs: 9 },
      "serverLoad: expirationMs must be left out with choose 'least-loaded', got 9",
    ],
    [
      { choose: 'least-loaded', errorPenalty: 2 },
      "serverLoad: errorPenalty must be left out with choose 'least-loaded', got 2",
    ],
    [{ weights: 1 }, 'serverLoad: unknown option "weights"'],
  ])('refuse %j', (options, message) => {
    expect(() => serverLoad(options as ServerLoadOptions)).toThrow(message)
  })

  it('make a frozen description that asks for the time', () => {
    expect(serverLoad()).toMatchObject({ name: 'server-load', needsLatency: true })
    expect(serverLoad({ choose: 'least-loaded' })).toMatchObject({ name: 'server-load, least loaded' })
    expect(Object.isFrozen(serverLoad())).toBe(true)
  })

  it('have the defaults of gRFC A58', () => {
    const { members, call, go } = drive({}, 2)
    for (const at of [0, 9_000]) {
      go(at)
      call(busy(100, 1), members[0])
      call(busy(300, 1), members[1])
    }
    const heavy = (): number => Array.from({ length: 40 }, () => call(undefined)).filter((id) => id === 'i1').length
    expect(heavy()).toBe(20)
    go(10_000)
    expect(heavy()).toBe(30)
    go(188_999)
    expect(heavy()).toBe(30)
    go(190_000)
    expect(heavy()).toBe(20)
  })
})

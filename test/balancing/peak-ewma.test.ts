import { describe, expect, it, vi } from 'vitest'
import { LoadBalancer, peakEwma } from 'gateless/balancing'
import { PeakEwmaMeter } from '../../src/balancing/loads/peak-ewma-meter.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { toClock } from '../../src/time/clock.ts'
import { fleet, setup, take, takeFrom } from './fleet.ts'
import { bare, type BareMember, callTo, crowd, seated } from './strategies-support.ts'

const RULES = { decayMs: 10_000, failurePenalty: 20, reprobeMs: 3_000 }

/** A meter, its members, and the time. */
function world(members: BareMember[], rules: Partial<typeof RULES> = {}) {
  const meter = new PeakEwmaMeter({ ...RULES, ...rules })
  meter.update(members)
  const begin = (member: BareMember, at: number) => {
    const call = callTo(member, at)
    meter.started(call)
    return call
  }
  const end = (call: ReturnType<typeof begin>, verdict: 'success' | 'failure' | 'ignore', latencyMs: number): void => {
    meter.responded(call, verdict, latencyMs)
    ;(call.member as BareMember).inFlight -= 1
    meter.settled(call)
  }
  /** One whole call that is answered at `at`. */
  const answered = (member: BareMember, latencyMs: number, at: number, verdict: 'success' | 'failure' = 'success') =>
    end(begin(member, at - latencyMs), verdict, latencyMs)
  return { meter, begin, end, answered }
}

describe('the load by peak EWMA', () => {
  it('is latency times the calls in flight with one more, divided by the weight', () => {
    const [a, b] = seated(bare('a', 2), bare('b')) as [BareMember, BareMember]
    const { meter, answered, begin } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    expect(meter.load(0, 1_000)).toBe(50)
    expect(meter.load(1, 1_000)).toBe(100)
    begin(a, 1_000)
    begin(a, 1_000)
    expect(meter.load(0, 1_000)).toBe(150)
  })

  it('takes a slow answer at once, and is won back by good ones over the decay', () => {
    const [a] = crowd(1) as [BareMember]
    const { meter, answered } = world([a])
    answered(a, 100, 1_000)
    answered(a, 400, 1_000)
    expect(meter.latencyMs(0, 1_000)).toBe(400)
    answered(a, 100, 11_000)
    // Alone it is its own median, towards which it does not fade.
    expect(meter.latencyMs(0, 11_000)).toBeCloseTo(100 + 300 * Math.exp(-1), 6)
    answered(a, 100, 11_005)
    expect(meter.latencyMs(0, 11_005)).toBeCloseTo(100 + 300 * Math.exp(-1), 6)
  })

  it('fades into the median of the others, from above and from below', () => {
    const members = crowd(5)
    const { meter, answered } = world(members)
    const latencies = [10, 100, 100, 100, 1_000]
    for (const [i, member] of members.entries()) answered(member, latencies[i] as number, 1_000)
    meter.update(members)
    expect(meter.latencyMs(0, 1_000)).toBe(10)
    expect(meter.latencyMs(0, 11_000)).toBeCloseTo(100 - 90 * Math.exp(-1), 6)
    expect(meter.latencyMs(4, 11_000)).toBeCloseTo(100 + 900 * Math.exp(-1), 6)
    expect(meter.latencyMs(4, 1_000_000)).toBeCloseTo(100, 6)
  })

  it('takes who was never measured for the median of those who were', () => {
    const members = crowd(4)
    const { meter, answered } = world(members)
    expect(meter.load(3, 0)).toBe(1)
    for (const [i, latency] of [50, 80, 200].entries()) answered(members[i] as BareMember, latency, 1_000)
    meter.update(members)
    expect(meter.load(3, 1_000)).toBe(80)
    answered(members[3] as BareMember, 500, 2_000)
    expect(meter.latencyMs(3, 2_000)).toBe(500)
  })

  it('looks for the median at the first answers, and then seldom', () => {
    const members = crowd(3)
    const { meter, answered } = world(members)
    answered(members[0] as BareMember, 70, 1_000)
    answered(members[0] as BareMember, 70, 1_000)
    expect(meter.latencyMs(2, 1_000)).toBe(70)
    answered(members[1] as BareMember, 60, 1_000)
    expect(meter.latencyMs(2, 1_000)).toBe(70)
    for (let i = 0; i < 600; i += 1) answered(members[1] as BareMember, 60, 1_000)
    expect(meter.latencyMs(2, 1_000)).toBe(60)
  })

  it('finds the median of a large fleet from a sample that is spread over all of it', () => {
    const members = crowd(1_000)
    const { meter, answered } = world(members)
    for (const [i, member] of members.entries()) answered(member, 1 + i, 1_000)
    meter.update(seated(...members, bare('new')))
    expect(meter.latencyMs(1_000, 1_000)).toBeGreaterThan(450)
    expect(meter.latencyMs(1_000, 1_000)).toBeLessThan(550)
  })

  it('counts the age of a call that is still out, from the moment it is more than is usual', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered, begin, end } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    const hangs = begin(a, 1_000)
    const later = begin(a, 1_050)
    expect(meter.load(0, 1_100)).toBe(300)
    expect(meter.load(0, 1_101)).toBeCloseTo(303, 6)
    expect(meter.load(0, 1_600)).toBe(1_800)
    expect(meter.load(1, 1_600)).toBe(100)
    // The one that was watched is back; the next that begins is watched, not the one that began meanwhile.
    end(hangs, 'success', 600)
    expect(meter.load(0, 1_600)).toBe(1_200)
    const watched = begin(a, 2_000)
    expect(meter.load(0, 3_000)).toBe(3_000)
    end(later, 'success', 1_950)
    expect(meter.load(0, 4_000)).toBe(4_000)
    meter.responded(watched, 'success', 2_000)
    expect(meter.load(0, 12_000)).toBeLessThan(2_100)
  })

  it('stops watching at the headers: a stream that goes on is nobody hanging', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered, begin } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    const stream = begin(a, 1_000)
    meter.responded(stream, 'success', 100)
    expect(meter.load(0, 61_000)).toBe(200)
  })

  it('never takes the time of an error for that of an answer, and costs it', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    answered(a, 1, 1_000, 'failure')
    expect(meter.latencyMs(0, 1_000)).toBe(100)
    // A tenth of the way to failing everything, which counts twenty average members: 100 ms × (0 + 2) / 2 each.
    expect(meter.load(0, 1_000)).toBeCloseTo(100 + 0.1 * 20 * 100, 6)
    answered(a, 1, 1_000, 'failure')
    expect(meter.load(0, 1_000)).toBeCloseTo(100 + 0.19 * 20 * 100, 6)
    answered(a, 100, 1_000)
    expect(meter.load(0, 1_000)).toBeCloseTo(100 + 0.171 * 20 * 100, 6)
    expect(meter.load(0, 11_000)).toBeCloseTo(100 + 0.171 * Math.exp(-1) * 20 * 100, 6)
  })

  it('costs failures by how busy the others are, so that a busy fleet sends nothing to who fails', () => {
    const members = crowd(4, () => 2)
    const { meter, answered, begin } = world(members)
    for (const member of members) answered(member, 100, 1_000)
    answered(members[0] as BareMember, 1, 1_000, 'failure')
    for (const member of members.slice(1)) for (let i = 0; i < 20; i += 1) begin(member, 1_000)
    // Sixty calls in flight among four of weight 2.
    expect(meter.load(0, 1_000)).toBeCloseTo(50 + 0.1 * 20 * ((100 * 64) / 8), 6)
    expect(meter.load(0, 1_000)).toBeGreaterThan(meter.load(1, 1_000))
  })

  it('costs failures by the fleet as it is now, whatever updates there were and whoever has left', () => {
    const members = crowd(2)
    const [a, b] = members as [BareMember, BareMember]
    const { meter, answered, begin } = world(members)
    for (const member of members) answered(member, 100, 1_000)
    answered(a, 1, 1_000, 'failure')
    for (let i = 0; i < 3; i += 1) meter.update(members)
    expect(meter.load(0, 1_000)).toBeCloseTo(300, 6)
    b.slot = -1
    begin(b, 1_000)
    expect(meter.load(0, 1_000)).toBeCloseTo(300, 6)
  })

  it('lets a share of failures fade before it takes in the next call', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    answered(a, 1, 1_000, 'failure')
    answered(a, 100, 11_000)
    expect(meter.load(0, 11_000)).toBeCloseTo(100 + 0.09 * Math.exp(-1) * 20 * 100, 6)
  })

  it('looks at no errors with a penalty of 0', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered } = world([a, b], { failurePenalty: 0 })
    answered(a, 100, 1_000)
    answered(a, 1, 1_000, 'failure')
    expect(meter.load(0, 1_000)).toBe(100)
  })

  it('keeps an unmeasured member unmeasured when all it did was fail', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered } = world([a, b])
    answered(a, 1, 1_000, 'failure')
    answered(b, 200, 1_000)
    answered(b, 200, 1_000)
    expect(meter.latencyMs(0, 1_000)).toBe(200)
  })

  it('takes a call that was given up for one of at least that time, and for no failure', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered, begin, end } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    end(begin(a, 1_000), 'ignore', 40)
    end(begin(a, 1_000), 'ignore', 100)
    expect(meter.load(0, 1_100)).toBe(100)
    end(begin(a, 1_000), 'ignore', 5_000)
    expect(meter.load(0, 6_000)).toBe(5_000)
  })

  it('still counts calls in flight where answers take no time at all', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered, begin } = world([a, b])
    answered(a, 0, 1_000)
    answered(b, 0, 1_000)
    begin(a, 1_000)
    expect(meter.load(0, 1_000)).toBeGreaterThan(meter.load(1, 1_000))
    expect(meter.load(1, 1_000)).toBe(0.01)
  })

  it('gives who was not asked for long its turn, at most one call in fifty, and not while it is busy', () => {
    const members = crowd(3)
    const [a, b, c] = members as [BareMember, BareMember, BareMember]
    const { meter, answered, begin, end } = world(members)
    answered(a, 9_000, 10_000)
    answered(c, 100, 10_000)
    for (let i = 0; i < 50; i += 1) answered(b, 100, 13_999)
    // a began at 1_000: more than 3 s ago.
    expect(meter.load(0, 13_999)).toBe(0)
    expect(meter.load(0, 4_000)).toBeGreaterThan(0)
    expect(meter.load(0, 4_001)).toBe(0)
    const turn = begin(a, 14_000)
    expect(meter.load(0, 14_000)).toBeGreaterThan(0)
    for (let i = 0; i < 60; i += 1) answered(b, 100, 17_500)
    expect(meter.load(0, 17_500)).toBeGreaterThan(0)
    end(turn, 'success', 3_500)
    expect(meter.load(0, 17_500)).toBe(0)
    // c had its turn: for fifty calls nobody else does.
    begin(c, 17_500)
    expect(meter.load(0, 17_500)).toBeGreaterThan(0)
    for (let i = 0; i < 49; i += 1) answered(b, 100, 17_500)
    expect(meter.load(0, 17_500)).toBeGreaterThan(0)
    answered(b, 100, 17_500)
    expect(meter.load(0, 17_500)).toBe(0)
  })

  it('does not hang on to what it saw when the clock goes backwards', () => {
    const members = crowd(2)
    const [a, b] = members as [BareMember, BareMember]
    const { meter, answered } = world(members)
    answered(a, 5_000, 1_000_000)
    for (let i = 0; i < 51; i += 1) answered(b, 100, 1_000_000)
    expect(meter.load(0, 10)).toBe(0)
    answered(a, 100, 200)
    expect(meter.latencyMs(0, 200)).toBeGreaterThan(100)
    expect(meter.latencyMs(0, 60_000)).toBeLessThan(200)
  })

  it('keeps what it knows of members across updates, also of those that were away', () => {
    const [a, b, c] = crowd(3) as [BareMember, BareMember, BareMember]
    const { meter, answered, begin } = world([a, b, c])
    answered(a, 50, 1_000)
    answered(b, 500, 1_000)
    answered(c, 60, 1_000)
    const out = begin(b, 1_000)
    a.slot = -1
    meter.update(seated(b, c))
    expect(meter.latencyMs(0, 1_000)).toBe(500)
    expect(meter.load(0, 3_000)).toBe(4_000)
    meter.responded(out, 'success', 2_000)
    expect(meter.latencyMs(0, 3_000)).toBe(2_000)
    // Answered: it is not watched any more, wherever its member sits now.
    expect(meter.load(0, 3_001)).toBeLessThanOrEqual(4_000)
    meter.update(seated(a, b, c))
    expect(meter.latencyMs(0, 1_000)).toBe(50)
    expect(meter.load(1, 3_000)).toBe(4_000)
  })

  it('hears nothing of a call to who has left, and counts right when it is back', () => {
    const [a, b] = crowd(2) as [BareMember, BareMember]
    const { meter, answered, begin, end } = world([a, b])
    answered(a, 100, 1_000)
    answered(b, 100, 1_000)
    const late = begin(b, 1_000)
    b.slot = -1
    meter.update(seated(a))
    begin(b, 1_000)
    end(late, 'success', 7_000)
    expect(meter.latencyMs(0, 1_000)).toBe(100)
    meter.update(seated(a, b))
    expect(meter.latencyMs(1, 1_000)).toBe(100)
    // One call in flight at b, and none of which it knows when it began.
    expect(meter.load(1, 9_000)).toBe(200)
  })
})

describe('peakEwma', () => {
  it('prefers the quick one of two, until it has so many more calls in flight', async () => {
    const { balancer, clock } = setup(fleet('ab'), { strategy: peakEwma() })
    const a = takeFrom(balancer, 'a')
    const b = takeFrom(balancer, 'b')
    await clock.advance(100)
    a.success()
    await clock.advance(250)
    b.success()
    expect(Array.from({ length: 4 }, () => take(balancer).instance.id).join('')).toBe('aaab')
  })

  it('leaves an instance that hangs alone before any of its calls ends', async () => {
    const { balancer, clock } = setup(fleet('ab'), { strategy: peakEwma(), ejection: false })
    for (const id of 'ab') {
      const lease = takeFrom(balancer, id)
      await clock.advance(10)
      lease.success()
    }
    takeFrom(balancer, 'a')
    await clock.advance(1_000)
    for (let i = 0; i < 50; i += 1) {
      const lease = take(balancer)
      expect(lease.instance.id).toBe('b')
      await clock.advance(10)
      lease.success()
    }
  })

  it('draws nothing to an instance that fails fast, without ejection', async () => {
    const { balancer, clock } = setup(fleet('abcde'), { strategy: peakEwma(), ejection: false })
    let failures = 0
    const open: { end: () => void; at: number }[] = []
    for (let ms = 0; ms < 20_000; ms += 5) {
      await clock.advance(5)
      while (open[0] !== undefined && open[0].at <= ms) open.shift()?.end()
      const lease = take(balancer)
      if (lease.instance.id === 'a') {
        failures += 1
        lease.failure()
      } else open.push({ at: ms + 50, end: () => lease.success() })
    }
    expect(failures).toBeGreaterThan(2)
    expect(failures).toBeLessThan(30)
  })

  it('reads the clock twice a call', () => {
    const clock = new FakeClock(1_000)
    const now = vi.fn<() => number>(clock.now)
    const balancer = new LoadBalancer({ strategy: peakEwma(), clock: { now } })
    balancer.update(fleet('abcd'))
    now.mockClear()
    for (let i = 0; i < 10; i += 1) take(balancer).success()
    expect(now).toHaveBeenCalledTimes(20)
  })

  it('reads its own clock where nobody hands it the time', () => {
    const now = vi.fn<() => number>(() => 5)
    const picker = peakEwma().create({ random: () => 0, clock: toClock({ now }) })
    const members = crowd(2)
    picker.update(members)
    expect(picker.pick({})).toBe(members[0])
    expect(now).toHaveBeenCalledTimes(1)
    picker.pick({}, 7)
    expect(now).toHaveBeenCalledTimes(1)
  })

  it('says how it rates each member', async () => {
    const { balancer, clock } = setup(fleet('ab'), { strategy: peakEwma() })
    const lease = takeFrom(balancer, 'a')
    await clock.advance(40)
    lease.success()
    const picker = peakEwma().create({ random: () => 0, clock })
    const members = crowd(2)
    picker.update(members)
    const extras = picker as unknown as Record<'score' | 'ewmaMs', (member: BareMember) => number | undefined>
    expect(extras.score(members[1] as BareMember)).toBe(1)
    expect(extras.ewmaMs(members[1] as BareMember)).toBe(1)
    expect(extras.score(bare('gone'))).toBeUndefined()
    expect(extras.ewmaMs(bare('gone'))).toBeUndefined()
  })

  it('takes over what one with other options learned', () => {
    const clock = new FakeClock(1_000)
    const former = peakEwma().create({ random: () => 0, clock })
    const members = crowd(2)
    former.update(members)
    const call = callTo(members[0] as BareMember, 1_000)
    former.started?.(call)
    former.responded?.(call, 'success', 300, undefined)
    const heir = peakEwma({ choices: 3 }).create({ random: () => 0, clock }) as ReturnType<
      ReturnType<typeof peakEwma>['create']
    > & { inherit(other: unknown): void; ewmaMs(member: BareMember): number }
    heir.inherit({})
    heir.inherit(former)
    heir.update(members)
    expect(heir.ewmaMs(members[0] as BareMember)).toBe(300)
    expect(heir.ewmaMs(members[1] as BareMember)).toBe(300)
  })

  it.each([
    [{ choices: 1 }, 'peakEwma: choices must be an integer from 2 up to 10, got 1'],
    [{ choices: 11 }, 'peakEwma: choices must be an integer from 2 up to 10, got 11'],
    [{ decayMs: 0 }, 'peakEwma: decayMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'],
    [{ failurePenalty: -1 }, 'peakEwma: failurePenalty must be a finite number from 0 up to 1000, got -1'],
    [{ failurePenalty: 1_001 }, 'peakEwma: failurePenalty must be a finite number from 0 up to 1000, got 1001'],
    [{ reprobeMs: 0 }, 'peakEwma: reprobeMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'],
  ])('refuses %j', (options, message) => {
    expect(() => peakEwma(options)).toThrow(new RangeError(message))
  })

  it('refuses names it does not know', () => {
    expect(() => peakEwma({ decay: 1 } as object)).toThrow(/unknown option "decay"/)
  })

  it('is a frozen description that asks for latency', () => {
    expect(peakEwma()).toMatchObject({ name: 'peak-ewma', needsLatency: true })
    expect(Object.isFrozen(peakEwma())).toBe(true)
  })
})

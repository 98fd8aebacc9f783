import { describe, expect, it, vi } from 'vitest'
import { LoadBalancer, type LoadProbe, prequal, type ProbedLoad } from 'gateless/balancing'
import { type ProbeJudge, ProbePool, type ProbeResult } from '../../src/balancing/loads/probe-pool.ts'
import { planPool } from '../../src/balancing/loads/pool-plan.ts'
import { Probing } from '../../src/balancing/loads/probing.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { deadlinesOf } from '../../src/time/deadlines.ts'
import { seededRandom } from '../../src/time/random.ts'
import { counted, fleet, numbered, setup, take } from './fleet.ts'
import { bare, type BareMember, callTo, crowd, seated } from './strategies-support.ts'

const members = crowd(8)
const of = (i: number): BareMember => members[i] as BareMember

function result(i: number, inFlight: number, latencyMs: number, at = 0, uses = 9): ProbeResult {
  return { member: of(i), inFlight, latencyMs, at, uses }
}

const coldUpTo = (hotAbove: number): ProbeJudge => ({ hotAbove, handicap: () => 0 })

function pool(judge: ProbeJudge, ...results: ProbeResult[]): ProbePool {
  const made = new ProbePool(1_000, judge)
  for (const each of results) made.add(each, 16)
  return made
}

describe('the pool of probes', () => {
  it('chooses the fastest of those that are not too busy', () => {
    const some = pool(coldUpTo(3), result(0, 4, 1), result(1, 3, 50), result(2, 0, 60))
    expect(some.choose(0, undefined)?.member).toBe(of(1))
  })

  it('chooses the least busy where all are too busy', () => {
    const some = pool(coldUpTo(3), result(0, 9, 1), result(1, 7, 50), result(2, 8, 2))
    expect(some.choose(0, undefined)?.member).toBe(of(1))
  })

  it('has nothing to choose from with fewer than two', () => {
    expect(pool(coldUpTo(3)).choose(0, undefined)).toBeUndefined()
    expect(pool(coldUpTo(3), result(0, 1, 1)).choose(0, undefined)).toBeUndefined()
  })

  it('passes over excluded members', () => {
    const some = pool(coldUpTo(3), result(0, 1, 1), result(1, 1, 2))
    expect(some.choose(0, new Set(['i0']))?.member).toBe(of(1))
    expect(some.choose(0, new Set(['i0', 'i1']))).toBeUndefined()
  })

  it('believes nothing that is too old, or from before the clock went backwards', () => {
    const some = pool(coldUpTo(3), result(0, 1, 1, 0), result(1, 1, 2, 500), result(2, 1, 3, 500))
    expect(some.choose(1_000, undefined)?.member).toBe(of(0))
    expect(some.choose(1_001, undefined)?.member).toBe(of(1))
    expect(some.size).toBe(2)
    expect(some.choose(499, undefined)).toBeUndefined()
    expect(some.size).toBe(0)
  })

  it('keeps one result per member, the last, and the youngest of all', () => {
    const some = pool(coldUpTo(3), result(0, 1, 1), result(1, 1, 2))
    some.add(result(0, 1, 9), 16)
    expect(some.size).toBe(2)
    expect(some.choose(0, undefined)?.member).toBe(of(1))
    some.add(result(2, 1, 30), 2)
    expect(some.size).toBe(2)
    expect(some.choose(0, undefined)?.member).toBe(of(0))
  })

  it('charges each call to the result that sent it, and uses results up', () => {
    const some = pool(coldUpTo(3), result(0, 2, 1, 0, 9), result(1, 2, 5, 0, 2))
    const first = some.choose(0, undefined) as ProbeResult
    some.use(first)
    expect(some.choose(0, undefined)?.member).toBe(of(0))
    some.use(first)
    expect(first.inFlight).toBe(4)
    const second = some.choose(0, undefined) as ProbeResult
    expect(second.member).toBe(of(1))
    some.use(second)
    expect(some.size).toBe(2)
    some.use(second)
    expect(some.size).toBe(1)
  })

  it('removes the oldest, and the one it would choose last', () => {
    const some = pool(coldUpTo(3), result(0, 1, 1), result(1, 2, 80), result(2, 9, 1), result(3, 8, 1))
    some.removeOldest()
    expect(some.choose(0, undefined)?.member).toBe(of(1))
    some.removeWorst(0)
    expect(some.choose(0, new Set(['i1']))?.member).toBe(of(3))
    some.removeWorst(0)
    some.removeWorst(0)
    some.removeWorst(0)
    some.removeOldest()
    expect(some.size).toBe(0)
  })

  it('drops a member, and keeps only who is still there', () => {
    const some = pool(coldUpTo(3), result(0, 1, 1), result(1, 1, 2), result(2, 1, 3))
    some.drop(of(0))
    expect(some.choose(0, undefined)?.member).toBe(of(1))
    some.keep((member) => member === of(2))
    expect(some.size).toBe(1)
  })

  it('weighs calls in flight by weight, and by what is held against a member', () => {
    const heavy = bare('heavy', 4)
    const judge: ProbeJudge = { hotAbove: 3, handicap: (member) => (member === of(1) ? 10 : 0) }
    const some = new ProbePool(1_000, judge)
    some.add({ member: heavy, inFlight: 12, latencyMs: 70, at: 0, uses: 9 }, 16)
    some.add(result(1, 0, 1), 16)
    expect(some.choose(0, undefined)?.member).toBe(heavy)
  })
})

describe('the plan of the pool', () => {
  it('is the paper’s with the paper’s numbers', () => {
    const plan = planPool(100, 16, 3)
    expect(plan).toMatchObject({ size: 16, removalsPerCall: 1 })
    expect(plan.uses).toBeCloseTo(1.316, 3)
  })

  it.each([
    [0, 3, { size: 2, uses: 16, removalsPerCall: 0 }],
    [1, 3, { size: 2, uses: 16, removalsPerCall: 0 }],
    [2, 3, { size: 2, uses: 16, removalsPerCall: 0 }],
    [4, 3, { size: 2, uses: 2 / 0.75, removalsPerCall: 0.75 }],
    [5, 3, { size: 2, uses: 2 / 0.9, removalsPerCall: 0.9 }],
    [10, 3, { size: 5, uses: 2 / 0.75, removalsPerCall: 0.75 }],
    [31, 2, { size: 15, uses: 2 / (16 / 31), removalsPerCall: 16 / 31 }],
    [1_000, 10, { size: 16, uses: 1, removalsPerCall: 1 }],
    [100, 0.1, { size: 16, uses: 16, removalsPerCall: 0.042 }],
  ])('has an answer for %i members and %f probes per call', (count, probes, expected) => {
    const plan = planPool(count, 16, probes)
    expect(plan.size).toBe(expected.size)
    expect(plan.uses).toBeCloseTo(expected.uses, 9)
    expect(plan.removalsPerCall).toBeCloseTo(expected.removalsPerCall, 9)
  })

  it('keeps to the size it is given', () => {
    expect(planPool(100, 4, 3).size).toBe(4)
  })
})

function probing(probe: LoadProbe, timeoutMs = 100) {
  const clock = new FakeClock(0)
  const ended: [string, ProbedLoad | undefined][] = []
  const sender = new Probing(probe, timeoutMs, deadlinesOf(clock), ({ id }, load) => ended.push([id, load]))
  return { clock, ended, sender }
}

describe('probes', () => {
  it('tell what the instance says, and leave no timer', async () => {
    const { clock, ended, sender } = probing(async ({ id }) => ({ inFlight: Number(id.slice(1)), latencyMs: 5 }))
    sender.send(of(3), 0)
    expect(clock.pending).toBe(1)
    await clock.advance(0)
    expect(ended).toEqual([['i3', { inFlight: 3, latencyMs: 5 }]])
    await clock.advance(100)
    expect(clock.pending).toBe(0)
    expect(ended).toHaveLength(1)
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('down'))],
    [
      'throws',
      () => {
        throw new Error('bug')
      },
    ],
    ['says nothing', () => Promise.resolve(undefined)],
    ['says null', () => Promise.resolve(null)],
    ['says NaN', () => Promise.resolve({ inFlight: Number.NaN, latencyMs: 1 })],
    ['says less than nothing', () => Promise.resolve({ inFlight: -1, latencyMs: 1 })],
    ['says no latency', () => Promise.resolve({ inFlight: 1 })],
    ['says a negative one', () => Promise.resolve({ inFlight: 1, latencyMs: -1 })],
    ['says a text', () => Promise.resolve('busy')],
  ])('are no answer when one %s', async (_how, probe) => {
    const { clock, ended, sender } = probing(probe as unknown as LoadProbe)
    sender.send(of(0), 0)
    await clock.advance(0)
    expect(ended).toEqual([['i0', undefined]])
  })

  it('take 0 for an answer', async () => {
    const { clock, ended, sender } = probing(async () => ({ inFlight: 0, latencyMs: 0 }))
    sender.send(of(0), 0)
    await clock.advance(0)
    expect(ended).toEqual([['i0', { inFlight: 0, latencyMs: 0 }]])
  })

  it('end in time, abort what they started, and hear nothing of it any more', async () => {
    let answer: (load: ProbedLoad) => void = () => {}
    let signal: AbortSignal | undefined
    const { clock, ended, sender } = probing((_instance, given) => {
      signal = given
      return new Promise((resolve) => (answer = resolve))
    })
    sender.send(of(0), 0)
    await clock.advance(99)
    expect(ended).toEqual([])
    expect(signal?.aborted).toBe(false)
    await clock.advance(1)
    expect(ended).toEqual([['i0', undefined]])
    expect(signal?.aborted).toBe(true)
    answer({ inFlight: 1, latencyMs: 1 })
    await clock.advance(1)
    expect(ended).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('are one per member at a time, and a bounded number in all', async () => {
    const probe = vi.fn<LoadProbe>(() => new Promise(() => {}))
    const { clock, sender } = probing(probe)
    sender.send(of(0), 0)
    sender.send(of(0), 0)
    expect(probe).toHaveBeenCalledTimes(1)
    for (const member of crowd(200)) sender.send(member, 0)
    expect(probe).toHaveBeenCalledTimes(Probing.MOST)
    await clock.advance(100)
    sender.send(of(0), 100)
    expect(probe).toHaveBeenCalledTimes(Probing.MOST + 1)
    await clock.advance(100)
    expect(clock.pending).toBe(0)
  })
})

/** A balancer whose instances answer probes by these loads. */
function fleetOf(loads: Record<string, ProbedLoad>, options: Partial<Parameters<typeof prequal>[0]> = {}) {
  const probe = vi.fn<LoadProbe>(async ({ id }) => loads[id] ?? { inFlight: 0, latencyMs: 1 })
  const ids = Object.keys(loads)
  const { balancer, clock } = setup(
    numbered(ids.length).map((one, i) => ({ ...one, id: ids[i] as string })),
    { strategy: prequal({ probe, ...options }), ejection: false },
  )
  const warm = async (calls = 12): Promise<void> => {
    for (let i = 0; i < calls; i += 1) {
      take(balancer).success()
      await clock.advance(1)
    }
  }
  return { balancer, clock, probe, warm }
}

const even = (ids: string, load: ProbedLoad = { inFlight: 3, latencyMs: 10 }): Record<string, ProbedLoad> =>
  Object.fromEntries(Array.from(ids, (id) => [id, load]))

describe('prequal', () => {
  it('goes where probes say that it is quick', async () => {
    const loads = { ...even('abcdefgh'), c: { inFlight: 3, latencyMs: 1 } }
    const { balancer, clock, warm } = fleetOf(loads)
    await warm()
    const ids: string[] = []
    for (let i = 0; i < 100; i += 1) {
      const lease = take(balancer)
      ids.push(lease.instance.id)
      await clock.advance(1)
      lease.success()
    }
    // An eighth would be its share.
    expect(counted(ids)['c']).toBeGreaterThan(20)
  })

  it('does not go where it is quick, but crowded', async () => {
    const loads = { ...even('abcdefgh'), c: { inFlight: 30, latencyMs: 1 } }
    const { balancer, clock, warm } = fleetOf(loads)
    await warm()
    const ids: string[] = []
    for (let i = 0; i < 100; i += 1) {
      const lease = take(balancer)
      ids.push(lease.instance.id)
      await clock.advance(1)
      lease.success()
    }
    expect(counted(ids)['c'] ?? 0).toBeLessThan(6)
  })

  it('sends so many probes per call, also a fraction of one, and none without calls', async () => {
    for (const [probesPerCall, calls, expected] of [
      [0.25, 40, 10],
      [2.5, 8, 20],
    ] as const) {
      const probe = vi.fn<LoadProbe>(async () => ({ inFlight: 1, latencyMs: 1 }))
      const { balancer, clock } = setup(numbered(100), { strategy: prequal({ probe, probesPerCall }) })
      for (let i = 0; i < calls; i += 1) {
        take(balancer).success()
        await clock.advance(1)
      }
      // Two of one call may have meant the same instance.
      expect(Math.abs(probe.mock.calls.length - expected)).toBeLessThanOrEqual(1)
      await clock.advance(60_000)
      expect(clock.pending).toBe(0)
    }
  })

  it('asks three per call, waits 100 ms, and believes for a second, where nothing else is said', async () => {
    const signals: AbortSignal[] = []
    const probe = vi.fn<LoadProbe>((_instance, signal) => {
      signals.push(signal)
      return new Promise(() => {})
    })
    const { balancer, clock } = setup(numbered(1_000), { strategy: prequal({ probe }) })
    take(balancer)
    expect(probe).toHaveBeenCalledTimes(3)
    await clock.advance(99)
    expect(signals.some(({ aborted }) => aborted)).toBe(false)
    await clock.advance(1)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
  })

  it('asks nobody where there is nobody to choose from', () => {
    const probe = vi.fn<LoadProbe>(async () => ({ inFlight: 1, latencyMs: 1 }))
    const { balancer } = setup(fleet('a'), { strategy: prequal({ probe }) })
    for (let i = 0; i < 5; i += 1) take(balancer).success()
    expect(probe).not.toHaveBeenCalled()
  })

  it('balances by its own calls in flight until it knows, and when what it knew is old', async () => {
    const { balancer, clock, warm } = fleetOf({ ...even('ab'), a: { inFlight: 0, latencyMs: 0 } })
    const first = take(balancer)
    expect(take(balancer).instance.id).not.toBe(first.instance.id)
    await warm()
    await clock.advance(5_000)
    const next = [take(balancer), take(balancer)].map(({ instance }) => instance.id)
    expect(new Set(next).size).toBe(2)
  })

  it.each([2, 3, 4, 5, 8, 16, 31, 40])('balances a fleet of %i, and starves nobody', async (count) => {
    const load = new Map<string, number>()
    const probe: LoadProbe = async ({ id }) => ({ inFlight: load.get(id) ?? 0, latencyMs: 10 })
    const { balancer, clock } = setup(numbered(count), { strategy: prequal({ probe }), ejection: false })
    const counts: Record<string, number> = {}
    for (let i = 0; i < 60 * count; i += 1) {
      const lease = take(balancer)
      const { id } = lease.instance
      counts[id] = (counts[id] ?? 0) + 1
      load.set(id, (load.get(id) ?? 0) + 1)
      void (async () => {
        await clock.advance(0)
      })()
      clock.setTimeout(() => {
        load.set(id, (load.get(id) ?? 0) - 1)
        lease.success()
      }, 20)
      await clock.advance(1)
    }
    for (const times of Object.values(counts)) expect(times).toBeGreaterThan(20)
    expect(Object.keys(counts)).toHaveLength(count)
  })

  it('does not fall for an instance that fails fast, and so is never busy', async () => {
    const loads = { ...even('abcdefgh'), c: { inFlight: 0, latencyMs: 0 } }
    const { balancer, clock, warm } = fleetOf(loads)
    await warm(4)
    let failures = 0
    for (let i = 0; i < 400; i += 1) {
      const lease = take(balancer)
      if (lease.instance.id === 'c') {
        failures += 1
        lease.failure()
      } else lease.success()
      await clock.advance(5)
    }
    expect(failures).toBeLessThan(12)
  })

  it('forgives with time', async () => {
    const loads = { ...even('abcdefgh'), c: { inFlight: 0, latencyMs: 0 } }
    const { balancer, clock, warm } = fleetOf(loads)
    for (let i = 0; i < 5; i += 1) {
      const exclude = new Set(Array.from('abdefgh'))
      take(balancer, { exclude }).failure()
    }
    await clock.advance(60_000)
    await warm()
    const ids: string[] = []
    for (let i = 0; i < 60; i += 1) {
      const lease = take(balancer)
      ids.push(lease.instance.id)
      lease.success()
      await clock.advance(1)
    }
    expect(counted(ids)['c']).toBeGreaterThan(15)
  })

  it('forgets what a member said when it fails, or does not answer, or leaves', async () => {
    const clock = new FakeClock(0)
    const answers = new Map<string, ProbedLoad>()
    const probe: LoadProbe = async ({ id }) => answers.get(id) ?? Promise.reject(new Error('down'))
    const two = crowd(2)
    const [a, b] = two as [BareMember, BareMember]
    let at = 0
    const picker = prequal({ probe, probesPerCall: 1, maxAgeMs: 10_000, hotQuantile: 1 }).create({
      random: () => (at === 0 ? 0 : 0.99),
      clock,
    })
    picker.update(two)
    const ask = async (member: BareMember): Promise<void> => {
      at = member.slot
      const call = callTo(member, clock.now())
      picker.started?.(call)
      await clock.advance(0)
      member.inFlight = 0
    }
    const chooses = (): BareMember => {
      at = 0
      return picker.pick({}, clock.now()) as BareMember
    }
    answers.set('i0', { inFlight: 50, latencyMs: 50 })
    answers.set('i1', { inFlight: 5, latencyMs: 1 })
    await ask(a)
    await ask(b)
    expect(chooses()).toBe(b)
    // Without b's answer there is one left, which is no choice: the first drawn of two that are equally idle.
    picker.responded?.({ member: b, startedAt: 0 }, 'ignore', 1, undefined)
    expect(chooses()).toBe(b)
    picker.responded?.({ member: b, startedAt: 0 }, 'failure', 1, undefined)
    expect(chooses()).toBe(a)
    await ask(b)
    answers.delete('i1')
    await ask(b)
    expect(chooses()).toBe(a)
    answers.set('i1', { inFlight: 5, latencyMs: 1 })
    await ask(b)
    b.slot = -1
    picker.update(seated(a))
    picker.responded?.({ member: b, startedAt: 0 }, 'failure', 1, undefined)
    expect(picker.pick({}, 0)).toBe(a)
  })

  /** A picker on a clock that stands, and answers that come when it is told who is asked. */
  function scripted(
    count: number,
    loads: (i: number) => ProbedLoad | undefined,
    options: Partial<Parameters<typeof prequal>[0]> = {},
  ) {
    const START = 1_000_000
    const clock = new FakeClock(START)
    const all = crowd(count)
    let next = 0
    const picker = prequal({
      probe: async ({ id }) => loads(Number(id.slice(1))) ?? Promise.reject(new Error('down')),
      probesPerCall: 1,
      maxAgeMs: 100_000,
      hotQuantile: 1,
      ...options,
    }).create({ random: () => next / count, clock })
    picker.update(all)
    const ask = async (i: number): Promise<void> => {
      next = i
      const first = all[0] as BareMember
      picker.started?.(callTo(first, START))
      first.inFlight -= 1
      await clock.advance(0)
      next = 0
    }
    const respond = (i: number, verdict: 'success' | 'failure' | 'ignore'): void =>
      picker.responded?.({ member: all[i] as BareMember, startedAt: START }, verdict, 0, undefined)
    return { picker, all, ask, respond, choose: () => picker.pick({}, START)?.id }
  }

  it('uses an answer so many times and no more, and counts each use as a call in flight', async () => {
    // Four members: 2 / 0.75 uses, 2 when chance says 0 at the answer; removals are of 0.25 per call.
    const { ask, choose } = scripted(4, (i) => ({ inFlight: i, latencyMs: 10 - i }), {
      hotQuantile: 1,
      probesPerCall: 1,
    })
    await ask(2)
    await ask(3)
    // Hot above 3. i3 is the faster one; after that it is hot, and i2 is not.
    expect([choose(), choose(), choose()]).toEqual(['i3', 'i2', 'i2'])
  })

  it.each([
    // 40 members, 16 kept, one probe per call: 0.6 are fresh, and 0.3 removed per call. At the fourth call the oldest, 9.
    [
      [9, 5, 7, 3],
      ['i3', 'i5', 'i7'],
    ],
    // At the seventh the worst, 20.
    [
      [9, 5, 7, 3, 8, 20, 4],
      ['i3', 'i4', 'i5', 'i7', 'i8'],
    ],
    // At the tenth the oldest again, 5; at the fourteenth the worst again, 33.
    [
      [9, 5, 7, 3, 8, 20, 4, 30, 31, 32, 2, 33, 6, 1],
      ['i1', 'i2', 'i3', 'i4', 'i6', 'i7', 'i8', 'i30', 'i31', 'i32'],
    ],
  ])('removes the oldest and the worst in turn: of %j it keeps %j', async (asked, kept) => {
    const { ask, picker } = scripted(40, (i) => ({ inFlight: 1, latencyMs: i }))
    for (const i of asked) await ask(i)
    const exclude = new Set<string>()
    for (const id of kept) {
      expect(picker.pick({ exclude }, 1_000_000)?.id).toBe(id)
      exclude.add(id)
    }
    // Nothing more is known: the one it would have drawn anyway.
    for (const i of asked)
      if (!kept.includes(`i${i}`)) expect(picker.pick({ exclude }, 1_000_000)?.id).not.toBe(`i${i}`)
  })

  it('forgets answers of members that are gone', async () => {
    const { ask, choose, all, picker } = scripted(4, () => ({ inFlight: 1, latencyMs: 1 }))
    await ask(2)
    await ask(3)
    const gone = all[2] as BareMember
    gone.slot = -1
    picker.update(seated(...all.filter((member) => member !== gone)))
    for (let i = 0; i < 20; i += 1) expect(choose()).not.toBe('i2')
  })

  it('forgets what a member said when it does not answer any more', async () => {
    let down = false
    const { ask, choose } = scripted(6, (i) =>
      down && i === 1 ? undefined : { inFlight: 50 - i, latencyMs: i === 1 ? 1 : 10 + i },
    )
    await ask(1)
    await ask(2)
    await ask(3)
    down = true
    await ask(1)
    expect(choose()).toBe('i2')
  })

  it('holds against each member its own failures, the first as well, and no call that was given up for anything', async () => {
    const { ask, respond, choose } = scripted(6, (i) => ({ inFlight: 0, latencyMs: i + 1 }))
    respond(0, 'failure')
    for (let i = 0; i < 60; i += 1) respond(0, 'ignore')
    await ask(0)
    await ask(1)
    await ask(2)
    // A tenth of failures makes i0 two calls busier than it says, and hot, although it is the fastest.
    expect(choose()).toBe('i1')
    expect(choose()).toBe('i2')
    for (let i = 0; i < 60; i += 1) respond(0, 'success')
    await ask(0)
    expect(choose()).toBe('i0')
  })

  it('holds no timer once the last probe is over, on plain fake timers', async () => {
    vi.useFakeTimers()
    try {
      const balancer = new LoadBalancer({
        strategy: prequal({ probe: () => new Promise(() => {}) }),
        random: seededRandom(1),
      })
      balancer.update(fleet('abcd'))
      take(balancer).success()
      expect(vi.getTimerCount()).toBeGreaterThan(0)
      await vi.advanceTimersByTimeAsync(100)
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it.each([
    [{}, new TypeError('prequal: probe must be a function, got undefined')],
    [{ probe: 7 }, new RangeError('prequal: probe must be a function, got 7')],
    [{ probesPerCall: 0 }, new RangeError('prequal: probesPerCall must be a finite number above 0 up to 10, got 0')],
    [{ probesPerCall: 11 }, new RangeError('prequal: probesPerCall must be a finite number above 0 up to 10, got 11')],
    [{ hotQuantile: 1.1 }, new RangeError('prequal: hotQuantile must be a finite number from 0 up to 1, got 1.1')],
    [{ poolSize: 1 }, new RangeError('prequal: poolSize must be an integer from 2 up to 64, got 1')],
    [{ poolSize: 65 }, new RangeError('prequal: poolSize must be an integer from 2 up to 64, got 65')],
    [
      { probeTimeoutMs: 0 },
      new RangeError('prequal: probeTimeoutMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'),
    ],
    [
      { maxAgeMs: 0 },
      new RangeError('prequal: maxAgeMs must be a finite number from 1 up to 2073600000 milliseconds, got 0'),
    ],
  ])('refuses %j', (options, error) => {
    const probe: LoadProbe = async () => ({ inFlight: 0, latencyMs: 0 })
    expect(() => prequal((Object.keys(options).length === 0 ? {} : { probe, ...options }) as never)).toThrow(error)
  })

  it('refuses names it does not know, and is frozen', () => {
    const probe: LoadProbe = async () => ({ inFlight: 0, latencyMs: 0 })
    expect(() => prequal({ probe, probes: 3 } as never)).toThrow(/unknown option "probes"/)
    expect(Object.isFrozen(prequal({ probe }))).toBe(true)
    expect(prequal({ probe })).toMatchObject({ name: 'prequal', needsLatency: true })
  })
})

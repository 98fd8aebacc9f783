import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallContext } from '../../src/core/context.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import { isRefusal } from '../../src/core/policy.ts'
import { Bulkhead, LoadShedder, LoadShedError, type LoadShedderOptions } from '../../src/limits/index.ts'
import { outcome, scopeWith } from './support.ts'

/** A shedder and the load it is told. */
function loaded(options: Partial<LoadShedderOptions> = {}): {
  shedder: LoadShedder
  at: (load: number) => LoadShedder
} {
  let now = 0
  const shedder = new LoadShedder({ load: () => now, ...options })
  return {
    shedder,
    at: (load) => {
      now = load
      return shedder
    },
  }
}

/** Which of the priorities get through. */
const through = (shedder: LoadShedder, priorities: readonly number[] = [-2, -1, 0, 1]): number[] =>
  priorities.filter((priority) => shedder.tryAcquire(priority) !== undefined)

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a load shedder', () => {
  it('sheds the lowest priorities first, one more with every step of the load', () => {
    const { at } = loaded()
    expect(through(at(0.69))).toEqual([-2, -1, 0, 1])
    expect(through(at(0.7))).toEqual([-1, 0, 1])
    expect(through(at(0.79))).toEqual([-1, 0, 1])
    expect(through(at(0.81))).toEqual([0, 1])
    expect(through(at(0.91))).toEqual([1])
    expect(through(at(0.99))).toEqual([1])
    expect(through(at(1))).toEqual([])
    expect(through(at(7))).toEqual([])
  })

  it('lets each back in when the load is clearly below what shed it', () => {
    const { at } = loaded({ startAt: 0.5, fullAt: 0.8, hysteresis: 0.1 })
    through(at(0.8))
    expect(through(at(0.71))).toEqual([])
    expect(through(at(0.69))).toEqual([1])
    expect(through(at(0.61))).toEqual([1])
    expect(through(at(0.45))).toEqual([-1, 0, 1])
    expect(through(at(0.4))).toEqual([-1, 0, 1])
    expect(through(at(0.39))).toEqual([-2, -1, 0, 1])
  })

  it('wants five hundredths of distance unless told otherwise', () => {
    const { at } = loaded()
    through(at(0.7))
    expect(through(at(0.655))).toEqual([-1, 0, 1])
    expect(through(at(0.645))).toEqual([-2, -1, 0, 1])
  })

  it('does not flap around a threshold', () => {
    const { shedder, at } = loaded()
    const told = vi.fn()
    shedder.on('shedding', told)
    for (let i = 0; i < 50; i += 1) through(at(i % 2 === 0 ? 0.71 : 0.69))
    expect(told).toHaveBeenCalledTimes(1)
  })

  it('puts each call in the highest priority that it reaches, and what is below all in the lowest', () => {
    const { at } = loaded()
    expect(through(at(0.85), [-100, -1.5, -0.5, -0.001, 0, 0.5, 99])).toEqual([0, 0.5, 99])
    expect(through(at(0.95), [0.999, 1, 1.5])).toEqual([1, 1.5])
  })

  it('takes a call about which nobody said anything for priority 0', async () => {
    const { shedder, at } = loaded()
    at(0.95)
    expect(shedder.tryAcquire()).toBeUndefined()
    await expect(shedder.execute(() => 1)).rejects.toMatchObject({ priority: 0 })
    await expect(shedder.execute(() => 1, { priority: 1 })).resolves.toBe(1)
    at(0.89)
    expect(shedder.tryAcquire()).toBeUndefined()
    at(0.84)
    await expect(shedder.execute(() => 1)).resolves.toBe(1)
  })

  it('tells apart the priorities it is given', () => {
    const { at } = loaded({ priorities: [0, 10, 20], startAt: 0.5, fullAt: 0.9 })
    expect(through(at(0.5), [0, 10, 20])).toEqual([10, 20])
    expect(through(at(0.7), [0, 10, 20])).toEqual([20])
    expect(through(at(0.9), [0, 10, 20])).toEqual([])
  })

  it('sheds all of a single priority at once', () => {
    const { at } = loaded({ priorities: [0] })
    expect(through(at(0.69), [-1, 5])).toEqual([-1, 5])
    expect(through(at(0.7), [-1, 5])).toEqual([])
  })

  it('sheds all priorities at once where there is no room between', () => {
    const { at } = loaded({ startAt: 0.8, fullAt: 0.8 })
    expect(through(at(0.79))).toHaveLength(4)
    expect(through(at(0.8))).toHaveLength(0)
  })

  it('says what it refuses with', async () => {
    const { shedder, at } = loaded({ name: 'front' })
    at(0.756)
    const { error } = (await outcome(shedder.execute(() => 1, { priority: -2 }))) as { error: LoadShedError }
    expect(error).toBeInstanceOf(LoadShedError)
    expect(error).toMatchObject({
      name: 'LoadShedError',
      code: 'ERR_GATELESS_LOAD_SHED',
      message: 'front sheds calls of priority -2 at a load of 0.76',
      shedder: 'front',
      priority: -2,
      load: 0.756,
      local: true,
      retryAfterMs: undefined,
    })
  })

  it('says what it was refused at, also when asked later', () => {
    const { shedder, at } = loaded()
    at(0.75)
    const answer = shedder.admit(scopeWith({ priority: -2 }))
    through(at(0.99))
    expect(isRefusal(answer) && answer.error()).toMatchObject({ load: 0.75, priority: -2 })
  })

  it('says what it is', () => {
    expect(loaded().shedder.info).toEqual({
      kind: 'shedder',
      name: 'load shedder',
      summary: 'sheds priority -2 from a load of 70 %, up to priority 1 from 100 %',
    })
    expect(loaded({ priorities: [3], name: 'x' }).shedder.info).toMatchObject({
      name: 'x',
      summary: 'sheds priority 3 from a load of 70 %',
    })
  })

  it('asks for the load at every call, and remembers the last', () => {
    const load = vi.fn(() => 0.75)
    const shedder = new LoadShedder({ load })
    expect(shedder.metrics).toEqual({ load: 0, shedding: 0, rejected: 0 })
    shedder.tryAcquire(-2)
    shedder.tryAcquire(0)
    expect(load).toHaveBeenCalledTimes(2)
    expect(shedder.metrics).toEqual({ load: 0.75, shedding: 1, rejected: 1 })
  })

  it.each([
    ['throws', new Error('broken'), 'broken'],
    ['gives no number', undefined, 'load must give a number, got undefined'],
    ['gives NaN', Number.NaN, 'load must give a number, got NaN'],
  ])('goes on as before when the load %s, and reports it', (_, answer, message) => {
    let now: unknown = 0.75
    const shedder = new LoadShedder({
      load: () => {
        if (now instanceof Error) throw now
        return now as number
      },
    })
    const faults: { event: string; error: Error }[] = []
    shedder.on('error', (fault) => faults.push(fault as { event: string; error: Error }))
    through(shedder)
    now = answer
    expect(through(shedder)).toEqual([-1, 0, 1])
    expect(faults.map(({ event, error }) => [event, error.message])).toEqual(
      Array.from({ length: 4 }, () => ['load', message]),
    )
    expect(shedder.metrics.load).toBe(0.75)
  })

  it.each([
    [undefined, 'LoadShedder: load must be given, a function, got undefined'],
    [{ load: 0.5 }, 'LoadShedder: load must be a function, got 0.5'],
    [{ startAt: 0 }, 'LoadShedder: startAt must be a finite number above 0, got 0'],
    [{ fullAt: 0 }, 'LoadShedder: fullAt must be a finite number above 0, got 0'],
    [{ startAt: 0.9, fullAt: 0.8 }, 'LoadShedder: startAt must be up to fullAt, which is 0.8, got 0.9'],
    [{ hysteresis: -0.1 }, 'LoadShedder: hysteresis must be a finite number from 0, got -0.1'],
    [{ hysteresis: 0.7 }, 'LoadShedder: hysteresis must be below startAt, which is 0.7, got 0.7'],
    [{ priorities: [] }, 'LoadShedder: priorities must be a list of finite numbers in ascending order, at least one'],
    [{ priorities: [1, 1] }, 'LoadShedder: priorities must be a list'],
    [{ priorities: [2, 1] }, 'LoadShedder: priorities must be a list'],
    [{ priorities: [0, Number.POSITIVE_INFINITY] }, 'LoadShedder: priorities must be a list'],
    [{ priorities: 3 }, 'LoadShedder: priorities must be a list'],
    [{ dryRun: 1 }, 'LoadShedder: dryRun must be true or false, got 1'],
    [{ name: '' }, 'LoadShedder: name must be a string that is not empty, got ""'],
    [
      { threshold: 1 },
      'LoadShedder: unknown option "threshold"; known are load, startAt, fullAt, hysteresis, priorities, dryRun, name, clock',
    ],
  ])('refuses the options %j: %s', (options, message) => {
    const given = options === undefined ? undefined : { load: () => 0, ...options }
    expect(() => new LoadShedder(given as LoadShedderOptions)).toThrow(message)
  })

  it('keeps its own copy of the priorities', () => {
    const priorities = [0, 1]
    const { at } = loaded({ priorities })
    priorities[1] = 50
    expect(through(at(0.7), [0, 1])).toEqual([1])
  })

  it('never sheds a priority while it lets a lower one through, and agrees with its thresholds (property)', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.double({ min: 0, max: 1.2, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (levels, loads) => {
          const priorities = levels.toSorted((a, b) => a - b)
          const { at } = loaded({ priorities, startAt: 0.5, fullAt: 1, hysteresis: 0.1 })
          const step = priorities.length === 1 ? 0 : 0.5 / (priorities.length - 1)
          let shed = priorities.map(() => false)
          for (const load of loads) {
            shed = shed.map((was, index) => {
              const threshold = 0.5 + index * step
              return load >= threshold || (was && load >= threshold - 0.1)
            })
            expect(through(at(load), priorities)).toEqual(priorities.filter((_, index) => shed[index] === false))
          }
        },
      ),
    )
  })
})

describe('a load shedder in use', () => {
  it('keeps room in a bulkhead for what matters', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 10 })
    const shedder = new LoadShedder({ load: () => bulkhead.utilization })
    const guarded = pipeline(shedder, bulkhead)
    const never = (): Promise<never> => new Promise(() => {})
    for (let call = 0; call < 20; call += 1) void guarded.execute(never, { priority: -2 }).catch(() => {})
    expect(bulkhead.metrics.inFlight).toBe(7)
    for (let call = 0; call < 20; call += 1) void guarded.execute(never).catch(() => {})
    expect(bulkhead.metrics.inFlight).toBe(9)
    await expect(guarded.execute(() => 'ran', { priority: 1 })).resolves.toBe('ran')
  })

  it('wraps a function, and gives permits that need not be given back', async () => {
    const { shedder } = loaded()
    await expect(shedder.wrap((a: number, b: number) => a + b)(2, 3)).resolves.toBe(5)
    const permit = shedder.tryAcquire()
    permit?.success()
    permit?.failure()
    permit?.ignore()
    expect(shedder.metrics.rejected).toBe(0)
  })

  it('takes a priority that is no number for 0', () => {
    const { shedder, at } = loaded()
    at(0.85)
    const odd = { priority: Number.NaN } as CallContext
    expect(isRefusal(shedder.admit(odd))).toBe(false)
    at(0.95)
    expect(isRefusal(shedder.admit(odd))).toBe(true)
  })

  it('tells what it sheds, and survives a listener that throws', () => {
    const { shedder, at } = loaded()
    const told: unknown[] = []
    for (const event of ['shedding', 'rejected'] as const) {
      shedder.on(event, (payload) => told.push([event, payload]))
      shedder.on(event, () => {
        throw new Error('listener')
      })
    }
    shedder.on('error', () => {})
    at(0.85).tryAcquire(-1)
    at(0.1).tryAcquire(-1)
    expect(told).toEqual([
      ['shedding', { from: 0, to: 2, load: 0.85 }],
      ['rejected', { priority: -1, load: 0.85, dryRun: false }],
      ['shedding', { from: 2, to: 0, load: 0.1 }],
    ])
  })

  it('lets everything through in a dry run, and says what it would have refused', async () => {
    const { shedder, at } = loaded({ dryRun: true })
    const told = vi.fn()
    shedder.on('rejected', told)
    at(0.75)
    await expect(shedder.execute(() => 'ran', { priority: -2 })).resolves.toBe('ran')
    expect(told.mock.calls).toEqual([[{ priority: -2, load: 0.75, dryRun: true }]])
    expect(shedder.metrics.rejected).toBe(1)
  })
})

describe('configuring a load shedder', () => {
  it('sheds by the new numbers from the next call on', () => {
    const { shedder, at } = loaded()
    through(at(0.95))
    expect(shedder.metrics.shedding).toBe(3)
    shedder.configure({ startAt: 0.96 })
    expect(through(shedder)).toEqual([1])
    shedder.configure({ hysteresis: 0 })
    expect(through(shedder)).toHaveLength(4)
    expect(shedder.info.summary).toBe('sheds priority -2 from a load of 96 %, up to priority 1 from 100 %')
  })

  it('sheds no more priorities than there are', () => {
    const { shedder, at } = loaded()
    const told = vi.fn()
    through(at(1))
    shedder.on('shedding', told)
    shedder.configure({ priorities: [0, 1] })
    expect(shedder.metrics.shedding).toBe(2)
    expect(told.mock.calls).toEqual([[{ from: 4, to: 2, load: 1 }]])
  })

  it('asks another load', () => {
    const { shedder } = loaded()
    shedder.configure({ load: () => 2 })
    expect(through(shedder)).toEqual([])
  })

  it.each([
    [{ name: 'x' }, 'LoadShedder.configure: name cannot change, got "x"'],
    [{ clock: {} }, 'LoadShedder.configure: clock cannot change, got an object'],
    [{ load: undefined }, 'LoadShedder: load must be given, a function, got undefined'],
    [{ startAt: 2 }, 'LoadShedder: startAt must be up to fullAt, which is 1, got 2'],
  ])('refuses %j, and changes nothing: %s', (patch, message) => {
    const { shedder } = loaded()
    const { info } = shedder
    expect(() => shedder.configure(patch as object)).toThrow(message)
    expect(shedder.info).toBe(info)
  })
})

describe('a single priority', () => {
  it('is shed from `startAt` on, whatever `fullAt` is, and comes back below the hysteresis', () => {
    let load = 0.49
    const shedder = new LoadShedder({ load: () => load, priorities: [0], startAt: 0.5, hysteresis: 0.1 })
    expect(shedder.tryAcquire(9)).toBeDefined()
    load = 0.5
    expect(shedder.tryAcquire(9)).toBeUndefined()
    load = 0.4
    expect(shedder.tryAcquire(9)).toBeUndefined()
    load = 0.39
    expect(shedder.tryAcquire(9)).toBeDefined()
  })
})

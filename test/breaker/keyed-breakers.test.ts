import * as fc from 'fast-check'
import {
  CircuitBreaker,
  CircuitOpenError,
  KeyedBreakers,
  type KeyedBreakersOptions,
  slowCallRate,
} from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fail, succeed } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const brittle = (maxKeys: number, options: KeyedBreakersOptions = {}): KeyedBreakers =>
  new KeyedBreakers({
    name: 'tenants',
    maxKeys,
    breaker: { failureThreshold: 1, recoveryTimeoutMs: 1_000 },
    ...options,
  })

const open = (breakers: KeyedBreakers, ...keys: string[]): void => {
  for (const key of keys) breakers.tryAcquire(key)?.failure()
}

describe('breakers by key', () => {
  it('are one for each key, made when it is first used', async () => {
    const breakers = brittle(10)
    await expect(breakers.execute(fail, { key: 'a' })).rejects.toThrow('down')
    await expect(breakers.execute(succeed, { key: 'a' })).rejects.toMatchObject({
      message: 'tenants[a] is open',
      breaker: 'tenants[a]',
      retryAfterMs: 1_000,
    })
    await expect(breakers.execute(succeed, { key: 'b' })).resolves.toBe('up')
    expect([...breakers.keys()]).toEqual(['a', 'b'])
    expect(breakers.metrics).toEqual({ keys: 2, notClosed: 1, evicted: 0 })
    expect(breakers.get('a')).toBe(breakers.get('a'))
    expect(breakers.get('a')).toBeInstanceOf(CircuitBreaker)
  })

  it('can be looked at without being made', () => {
    const breakers = brittle(10)
    expect(breakers.peek('a')).toBeUndefined()
    expect(breakers.metrics.keys).toBe(0)
    expect(breakers.get('a')).toBe(breakers.peek('a'))
  })

  it('want a key', async () => {
    const breakers = brittle(10)
    await expect(breakers.execute(succeed)).rejects.toThrow("tenants: the call's key must be a string, got undefined")
    await expect(breakers.execute(succeed, {})).rejects.toThrow(TypeError)
    expect(() => breakers.get(5 as never)).toThrow('got 5')
    expect(() => breakers.tryAcquire(null as never)).toThrow('got null')
    await expect(pipeline(breakers).execute(succeed)).rejects.toThrow("the call's key must be a string")
    expect(breakers.metrics.keys).toBe(0)
  })

  it('take any string: the empty one, and the names of what objects have', () => {
    const breakers = brittle(10)
    for (const key of ['', '__proto__', 'constructor']) expect(breakers.get(key).state).toBe('closed')
    expect(breakers.metrics.keys).toBe(3)
  })

  it('stand in a pipeline, and judge what they let in', async () => {
    const breakers = brittle(10)
    const call = pipeline(breakers)
    await expect(call.execute(fail, { key: 'a' })).rejects.toThrow('down')
    await expect(call.execute(succeed, { key: 'a' })).rejects.toBeInstanceOf(CircuitOpenError)
    await expect(call.execute(succeed, { key: 'b' })).resolves.toBe('up')
  })

  it('say what they do', () => {
    const breakers = brittle(7)
    expect(breakers.info).toEqual({
      kind: 'breaker',
      name: 'tenants',
      summary: 'opens at the first failure, for 1 s; closes after 3 successful probes; one for each key, up to 7',
      windowMs: undefined,
    })
    expect(breakers.info).toBe(breakers.info)
    expect(new KeyedBreakers().name).toBe('keyed breakers')
    expect(new KeyedBreakers().info.summary).toContain('up to 10000')
  })

  it('can all be reconfigured at once, with those to come', () => {
    const breakers = brittle(10)
    breakers.get('a')
    open(breakers, 'b')
    breakers.configure({ failureThreshold: 2 })
    open(breakers, 'a', 'c')
    expect(['a', 'b', 'c'].map((key) => breakers.get(key).state)).toEqual(['closed', 'open', 'closed'])
    open(breakers, 'a')
    expect(breakers.get('a').state).toBe('open')
    expect(breakers.info.summary).toContain('2 consecutive failures')
    expect(() => breakers.configure({ failureThreshold: 0 })).toThrow('failureThreshold must be')
  })

  it.each([
    [{ maxKeys: 0 }, 'KeyedBreakers: maxKeys must be an integer from 1, got 0'],
    [{ maxKeys: 1.5 }, 'got 1.5'],
    [{ name: '' }, 'KeyedBreakers: name must be a string that is not empty'],
    [{ keys: 5 }, 'KeyedBreakers: unknown option "keys"'],
    [{ breaker: { failureThreshold: 0 } }, 'failureThreshold must be an integer from 1, got 0'],
    [{ breaker: { name: 'x' } }, 'KeyedBreakers: breaker: name must be left out: each has its key'],
    [{ breaker: 5 }, 'KeyedBreakers: breaker: options must be an object, got 5'],
  ])('refuse %j', (options, message) => {
    expect(() => new KeyedBreakers(options as never)).toThrow(message)
  })
})

describe('their number', () => {
  it('is bounded, with a hundred thousand keys as with ten', () => {
    const breakers = brittle(500)
    for (let i = 0; i < 100_000; i += 1) {
      const permit = breakers.tryAcquire(`key-${i}`)
      if (i % 3 === 0) permit?.failure()
      else permit?.success()
    }
    expect(breakers.metrics.keys).toBe(500)
    expect(breakers.metrics.evicted).toBe(99_500)
  })

  it('is kept by forgetting the key that was not used for longest', () => {
    const breakers = brittle(3)
    for (const key of ['a', 'b', 'c', 'a', 'd']) breakers.get(key)
    expect([...breakers.keys()].toSorted()).toEqual(['a', 'c', 'd'])
    breakers.peek('c')
    breakers.get('e')
    expect([...breakers.keys()].toSorted()).toEqual(['a', 'd', 'e'])
  })

  it('is kept by forgetting closed breakers before open ones', () => {
    const breakers = brittle(3)
    open(breakers, 'open')
    for (const key of ['a', 'b', 'c', 'd']) breakers.get(key)
    expect([...breakers.keys()].toSorted()).toEqual(['c', 'd', 'open'])
  })

  it('makes no exception for one whose open time is over, when its turn comes', async () => {
    const breakers = brittle(2)
    open(breakers, 'open')
    breakers.get('a')
    await vi.advanceTimersByTimeAsync(999)
    breakers.get('b')
    expect([...breakers.keys()]).toEqual(['open', 'b'])
    await vi.advanceTimersByTimeAsync(1)
    breakers.get('c')
    expect([...breakers.keys()]).toEqual(['b', 'c'])
  })

  it('does not prefer to forget an open one that was used more recently', async () => {
    const breakers = brittle(2)
    breakers.get('a')
    open(breakers, 'open')
    await vi.advanceTimersByTimeAsync(1_000)
    breakers.get('b')
    expect([...breakers.keys()]).toEqual(['open', 'b'])
  })

  it('falls back on open ones when there are no others', () => {
    const breakers = brittle(2)
    open(breakers, 'a', 'b', 'c')
    expect([...breakers.keys()]).toEqual(['b', 'c'])
  })

  it('does not take a change of state for use', async () => {
    const breakers = brittle(2)
    open(breakers, 'a', 'b')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breakers.peek('a')?.state).toBe('half-open')
    breakers.get('c')
    expect([...breakers.keys()]).toEqual(['b', 'c'])
  })

  it('spares what somebody isolated, as long as there is another', async () => {
    const breakers = brittle(2)
    breakers.get('isolated').isolate()
    for (const key of ['a', 'b']) breakers.get(key)
    await vi.advanceTimersByTimeAsync(3_600_000)
    breakers.get('c')
    expect([...breakers.keys()]).toEqual(['isolated', 'c'])
    expect(breakers.metrics.notClosed).toBe(1)
    breakers.get('isolated').reset()
    expect(breakers.metrics.notClosed).toBe(0)
    for (const key of ['d', 'e']) breakers.get(key)
    expect([...breakers.keys()]).toEqual(['d', 'e'])
  })

  it('spares a disabled one as well, whose open time is none', () => {
    const breakers = brittle(2)
    breakers.get('disabled').setMode('disabled')
    for (const key of ['a', 'b', 'c']) breakers.get(key)
    expect([...breakers.keys()]).toEqual(['disabled', 'c'])
  })

  it('takes the mode they are all made with for nothing special', () => {
    const breakers = brittle(2, { breaker: { failureThreshold: 1, mode: 'dry-run' } })
    for (const key of ['a', 'b', 'c']) breakers.get(key)
    expect([...breakers.keys()]).toEqual(['b', 'c'])
    expect(breakers.metrics.notClosed).toBe(0)
  })

  it('counts a breaker that closed again among the closed', async () => {
    const breakers = brittle(10, { breaker: { failureThreshold: 1, recoveryTimeoutMs: 100, successThreshold: 1 } })
    open(breakers, 'a')
    await vi.advanceTimersByTimeAsync(100)
    expect(breakers.metrics.notClosed).toBe(1)
    breakers.tryAcquire('a')?.success()
    expect(breakers.metrics.notClosed).toBe(0)
  })

  it('is one less after a key was deleted', () => {
    const breakers = brittle(10)
    open(breakers, 'a')
    expect([breakers.delete('a'), breakers.delete('a')]).toEqual([true, false])
    expect(breakers.metrics).toEqual({ keys: 0, notClosed: 0, evicted: 0 })
    expect(breakers.get('a').state).toBe('closed')
  })

  it('never breaks its bound, nor loses the order of use (property)', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      what: fc.constantFrom('use' as const, 'fail' as const, 'isolate' as const, 'reset' as const, 'delete' as const),
      wait: fc.constantFrom(0, 0, 0, 400),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, maxKeys) => {
        let now = 0
        const clock = { now: () => now }
        const breakers = new KeyedBreakers({
          maxKeys,
          breaker: { failureThreshold: 1, recoveryTimeoutMs: 1_000, clock },
        })
        /** In the order of use, oldest first. `busyUntil`: open until then; Infinity: isolated. */
        let model: { key: string; state: 'closed' | 'open' | 'isolated'; until: number }[] = []
        const take = (key: string): (typeof model)[number] => {
          const known = model.find((each) => each.key === key)
          if (known === undefined && model.length >= maxKeys) {
            const calm = model.find(({ state }) => state === 'closed')
            const busy = model.find(({ state }) => state !== 'closed')
            const due = busy !== undefined && busy.state === 'open' && busy.until <= now
            const busyFirst = busy !== undefined && calm !== undefined && model.indexOf(busy) < model.indexOf(calm)
            const victim = busy !== undefined && (calm === undefined || (due && busyFirst)) ? busy : calm
            model = model.filter((each) => each !== victim)
          }
          const entry = known ?? { key, state: 'closed' as const, until: 0 }
          model = [...model.filter((each) => each !== entry), entry]
          return entry
        }
        for (const { key, what, wait } of steps) {
          now += wait
          if (what === 'delete') {
            expect(breakers.delete(key)).toBe(model.some((each) => each.key === key))
            model = model.filter((each) => each.key !== key)
          } else {
            const entry = take(key)
            const breaker = breakers.get(key)
            if (what === 'isolate') {
              breaker.isolate()
              entry.state = 'isolated'
            } else if (what === 'reset') {
              breaker.reset()
              entry.state = 'closed'
            } else if (what === 'fail') {
              const permit = breaker.tryAcquire()
              permit?.failure()
              if (permit !== undefined) Object.assign(entry, { state: 'open', until: now + 1_000 })
            }
          }
          expect([...breakers.keys()].toSorted()).toEqual(model.map((each) => each.key).toSorted())
          expect(breakers.metrics.notClosed).toBe(model.filter(({ state }) => state !== 'closed').length)
          expect(breakers.metrics.keys).toBeLessThanOrEqual(maxKeys)
        }
      }),
    )
  })
})

describe('a breaker that is forgotten with calls in flight', () => {
  it('lets them end, and the key begins anew', async () => {
    const breakers = brittle(1)
    let finish: (value: string) => void = () => {}
    const call = breakers.execute(() => new Promise<string>((resolve) => (finish = resolve)), { key: 'a' })
    const permit = breakers.tryAcquire('a')
    breakers.get('b')
    permit?.failure()
    expect(breakers.get('a').state).toBe('closed')
    finish('late')
    await expect(call).resolves.toBe('late')
  })

  it('settles their permits with the breaker they came from, not with its heir', async () => {
    const breakers = brittle(1)
    const call = pipeline(breakers).execute(
      () => {
        breakers.get('b')
        breakers.get('a')
        throw new Error('down')
      },
      { key: 'a' },
    )
    await expect(call).rejects.toThrow('down')
    expect(breakers.peek('a')?.state).toBe('closed')
    expect(breakers.metrics.keys).toBe(1)
  })

  it('tells nobody of it any more', () => {
    const breakers = brittle(1)
    const seen = vi.fn()
    breakers.on('transition', seen)
    const permit = breakers.tryAcquire('a')
    const orphan = breakers.get('a')
    breakers.get('b')
    permit?.failure()
    orphan.isolate()
    expect(orphan.state).toBe('open')
    expect(seen).not.toHaveBeenCalled()
    expect(breakers.metrics).toMatchObject({ keys: 1, notClosed: 0 })
  })

  it('warns of what goes wrong in it when nobody listens', async () => {
    const classify = (): never => {
      throw new Error('bug')
    }
    const breakers = brittle(1, { breaker: { classify } })
    const faults = vi.fn()
    breakers.on('error', faults)
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const orphan = breakers.get('a')
    breakers.get('b')
    await expect(orphan.execute(succeed)).resolves.toBe('up')
    expect(warn.mock.calls).toEqual([[expect.stringContaining('bug'), { type: 'GatelessWarning' }]])
    expect(faults).not.toHaveBeenCalled()
    warn.mockRestore()
  })

  it('wakes those who wait in it', async () => {
    const breakers = brittle(1, {
      breaker: { failureThreshold: 1, recoveryTimeoutMs: 100, successThreshold: 1, halfOpen: { whenBusy: 'queue' } },
    })
    open(breakers, 'a')
    await vi.advanceTimersByTimeAsync(100)
    const probe = breakers.tryAcquire('a')
    const call = breakers.execute(succeed, { key: 'a' })
    breakers.get('b')
    probe?.success()
    await expect(call).resolves.toBe('up')
  })

  it('ignores a permit that is not theirs', () => {
    const settled = vi.fn()
    const foreign = { success: settled, failure: settled, ignore: settled }
    brittle(1).judge(foreign, { ok: true, value: 1 }, {} as never)
    expect(settled).not.toHaveBeenCalled()
  })
})

describe('events of breakers by key', () => {
  it('carry the key', async () => {
    const breakers = brittle(10)
    const seen: unknown[] = []
    breakers.on('transition', ({ key, from, to, metrics }) => seen.push([key, from, to, metrics.failures]))
    breakers.on('rejected', ({ key, state }) => seen.push([key, 'rejected', state]))
    breakers.on('would-reject', ({ key, mode }) => seen.push([key, 'would-reject', mode]))
    breakers.on('mode', ({ key, to }) => seen.push([key, to]))
    open(breakers, 'a')
    breakers.tryAcquire('a')
    breakers.get('a').setMode('dry-run')
    breakers.tryAcquire('a')
    expect(seen).toEqual([
      ['a', 'closed', 'open', 1],
      ['a', 'rejected', 'open'],
      ['a', 'dry-run'],
      ['a', 'would-reject', 'dry-run'],
    ])
  })

  it('reach the listeners of one breaker as well', () => {
    const breakers = brittle(10)
    const [all, one] = [vi.fn(), vi.fn()]
    breakers.get('a').on('transition', one)
    open(breakers, 'a')
    expect([all.mock.calls.length, one.mock.calls.length]).toEqual([0, 1])
    breakers.on('transition', all)
    breakers.get('a').reset()
    expect([all.mock.calls.length, one.mock.calls.length]).toEqual([1, 2])
    expect(one.mock.calls[0]?.[0]).not.toHaveProperty('key')
  })

  it('tell what was forgotten, and in which state', () => {
    const breakers = brittle(1)
    const seen: unknown[] = []
    breakers.on('evicted', (event) => seen.push(event))
    open(breakers, 'a')
    breakers.get('b')
    breakers.get('c')
    breakers.delete('c')
    expect(seen).toEqual([
      { key: 'a', state: 'open' },
      { key: 'b', state: 'closed' },
    ])
  })

  it('survive listeners that ask for keys themselves', () => {
    const breakers = brittle(2)
    breakers.on('evicted', ({ key }) => {
      if (key === 'a') breakers.get('d')
    })
    for (const key of ['a', 'b', 'c', 'd']) breakers.get(key)
    expect(breakers.metrics.keys).toBe(2)
    const again = brittle(1)
    again.on('evicted', ({ key }) => {
      if (key === 'a') expect(again.get('b')).toBeDefined()
    })
    again.get('a')
    expect(again.get('b')).toBe(again.peek('b'))
    expect(again.metrics).toMatchObject({ keys: 1, evicted: 1 })
  })

  it('survive listeners that delete what is about to be forgotten', async () => {
    const breakers = brittle(2)
    open(breakers, 'a')
    breakers.get('b')
    await vi.advanceTimersByTimeAsync(1_000)
    breakers.on('transition', ({ key }) => breakers.delete(key))
    breakers.get('c')
    expect([...breakers.keys()]).toEqual(['b', 'c'])
    expect(breakers.metrics).toEqual({ keys: 2, notClosed: 0, evicted: 0 })
  })

  it('survive listeners that make anew what is about to be forgotten', async () => {
    const breakers = brittle(1)
    const seen: unknown[] = []
    open(breakers, 'a')
    await vi.advanceTimersByTimeAsync(1_000)
    breakers.on('evicted', (event) => seen.push(event))
    breakers.on('transition', ({ key }) => {
      breakers.delete(key)
      breakers.get(key)
    })
    breakers.get('b')
    breakers.get('c')
    expect([...breakers.keys()]).toEqual(['c'])
    expect(seen).toEqual([
      { key: 'a', state: 'closed' },
      { key: 'b', state: 'closed' },
    ])
    expect(breakers.metrics).toEqual({ keys: 1, notClosed: 0, evicted: 2 })
  })

  it('report a fault of a listener or classifier, to the breaker if it listens, else to all', async () => {
    const classify = (): never => {
      throw new Error('bug')
    }
    const breakers = brittle(10, { breaker: { classify } })
    const [all, one] = [vi.fn(), vi.fn()]
    breakers.on('error', all)
    await breakers.execute(succeed, { key: 'a' })
    expect([all.mock.calls.length, one.mock.calls.length]).toEqual([1, 0])
    expect(all.mock.calls[0]?.[0]).toMatchObject({ event: 'classify', key: 'a', error: { message: 'bug' } })
    breakers.get('a').on('error', one)
    await breakers.execute(succeed, { key: 'a' })
    expect([all.mock.calls.length, one.mock.calls.length]).toEqual([1, 1])
    const orphan = breakers.get('b')
    orphan.on('error', one)
    breakers.delete('b')
    await orphan.execute(succeed)
    expect(one.mock.calls.length).toBe(2)
  })

  it('measure calls by key, for rules that measure', async () => {
    const breakers = brittle(10, { breaker: { trip: slowCallRate({ thresholdMs: 10, windowCalls: 1 }) } })
    const permit = breakers.tryAcquire('a')
    await vi.advanceTimersByTimeAsync(11)
    permit?.success()
    expect([breakers.get('a').state, breakers.get('b').state]).toEqual(['open', 'closed'])
  })
})

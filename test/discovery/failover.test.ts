import { describe, expect, it } from 'vitest'
import { GatelessError } from '../../src/core/errors.ts'
import { Failover, FailoverError, type FailoverOptions } from '../../src/discovery/failover.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

function setUp(options: FailoverOptions = {}, names = ['a', 'b', 'c']) {
  const clock = new FakeClock()
  const failover = new Failover(names, { clock, random: () => 0, ...options })
  const asked: string[] = []
  const down = new Set<string>()
  const run = (signal?: AbortSignal): Promise<string> =>
    failover.run(async (name) => {
      asked.push(name)
      if (down.has(name)) throw new Error(`${name} is down`)
      return name
    }, signal)
  const askedNow = (): string => asked.splice(0).join('')
  return { clock, failover, run, down, askedNow }
}

describe('Failover', () => {
  it('asks one, and the next ones when it fails', async () => {
    const { run, down, askedNow } = setUp()
    expect(await run()).toBe('a')
    down.add('a').add('b')
    expect(await run()).toBe('c')
    expect(askedNow()).toBe('aabc')
  })

  it('stays with who worked last', async () => {
    const { run, down, askedNow, clock } = setUp()
    down.add('a')
    await run()
    await clock.advance(60_000)
    down.clear()
    expect(await run()).toBe('b')
    expect(askedNow()).toBe('abb')
  })

  it('begins with any of them, so that many processes are spread', () => {
    expect(
      setUp({ random: () => 0.34 })
        .failover.order()
        .join(''),
    ).toBe('bca')
    expect(
      setUp({ random: () => 0.99 })
        .failover.order()
        .join(''),
    ).toBe('cab')
  })

  it('in the given order goes back to the first when that has rested', async () => {
    const { run, down, askedNow, clock } = setUp({ order: 'given', random: () => 0.99 })
    down.add('a')
    expect(await run()).toBe('b')
    down.clear()
    await clock.advance(29_999)
    expect(await run()).toBe('b')
    await clock.advance(1)
    expect(await run()).toBe('a')
    expect(askedNow()).toBe('abba')
  })

  it('asks one that rests after all when the others fail as well', async () => {
    const { run, down } = setUp({ order: 'given' })
    down.add('a')
    await run()
    down.clear()
    down.add('b').add('c')
    expect(await run()).toBe('a')
  })

  it('lets nobody rest for ever when the clock is set back', async () => {
    let now = 1e9
    const { run, down, failover } = setUp({ order: 'given', clock: { now: () => now } })
    down.add('a')
    await run()
    expect(failover.order()[0]).toBe('b')
    now = 0
    expect(failover.order()[0]).toBe('a')
  })

  it('gives each a limit of its own: one that hangs does not use up the time of all', async () => {
    const { failover, clock } = setUp()
    const signals: AbortSignal[] = []
    const answer = failover.run((name, signal) => {
      signals.push(signal)
      return name === 'a' ? new Promise<string>(() => {}) : Promise.resolve(name)
    })
    await clock.advance(1_999)
    expect(signals).toHaveLength(1)
    await clock.advance(1)
    expect(await answer).toBe('b')
    expect(signals[0]?.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('says what each of them said, and the shortest time one of them asked for', async () => {
    const { failover } = setUp()
    const errors = [
      new GatelessError('ERR_GATELESS_X', 'busy', { retryAfterMs: 9_000 }),
      new Error('refused'),
      new GatelessError('ERR_GATELESS_X', 'busier', { retryAfterMs: 5_000 }),
    ]
    const queue = [...errors]
    const error = await failover.run(() => Promise.reject(queue.shift())).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(FailoverError)
    expect(error).toMatchObject({
      name: 'FailoverError',
      code: 'ERR_GATELESS_FAILOVER',
      message: 'all 3 failed: busy; refused; busier',
      retryAfterMs: 5_000,
      local: false,
      cause: { errors, message: 'busy; refused; busier' },
    })
    expect(new FailoverError([new Error('x')]).retryAfterMs).toBeUndefined()
  })

  it('stops at once when its caller does, and holds that against nobody', async () => {
    const { failover, clock } = setUp()
    const controller = new AbortController()
    const answer = failover.run(() => new Promise<string>(() => {}), controller.signal).catch((error: unknown) => error)
    const reason = new Error('left')
    controller.abort(reason)
    expect(await answer).toBe(reason)
    expect(failover.order().join('')).toBe('abc')
    expect(clock.pending).toBe(0)
  })

  it.each([
    [[], {}, RangeError, 'Failover: targets must not be empty'],
    [['a'], { order: 'x' }, TypeError, "order must be one of 'sticky', 'given'"],
    [['a'], { timeoutMs: 0 }, RangeError, 'timeoutMs must be a finite number from 1'],
    [['a'], { restMs: -1 }, RangeError, 'restMs must be a finite number from 0'],
    [['a'], { rest: 1 }, TypeError, 'unknown option "rest"'],
  ])('refuses %j with %j', (targets, options, Complaint, message) => {
    const make = () => new Failover(targets, options as never)
    expect(make).toThrow(Complaint)
    expect(make).toThrow(message)
  })
})

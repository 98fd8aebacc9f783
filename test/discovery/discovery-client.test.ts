import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GatelessError, isGatelessError } from '../../src/core/errors.ts'
import type { ServiceInstance } from '../../src/core/instance.ts'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../../src/discovery/options.ts'
import type { ListAnswer } from '../../src/discovery/provider.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { ids, instance, NOT_FOUND, ok, type Script, ScriptedProvider } from './scripted-provider.ts'

function names(instances: readonly ServiceInstance[]): string {
  return instances.map((one) => one.id).join()
}

/** Everything a client says, in order, as short lines. */
function listen(client: DiscoveryClient): string[] {
  const heard: string[] = []
  client.on('changed', ({ added, removed, updated }) => {
    heard.push(`changed +${names(added)} -${names(removed)} ~${names(updated)}`)
  })
  client.on('stale', ({ ageMs }) => heard.push(`stale ${ageMs}`))
  client.on('load-failed', ({ retryInMs }) => heard.push(`load-failed ${retryInMs}`))
  client.on('recovered', () => heard.push('recovered'))
  return heard
}

function throwAtOnce(): never {
  throw new Error('at once')
}

function busy(retryAfterMs: number): GatelessError {
  return new GatelessError('ERR_GATELESS_X', 'busy', { retryAfterMs })
}

/** A list whose instances beat at that time. */
function beat(at: string, ...known: string[]): ListAnswer {
  return { kind: 'ok', instances: known.map((id) => instance(id, { last_heartbeat: at, metadata: { k: 'v' } })) }
}

let clients: DiscoveryClient[] = []

function setUp(script: Script[], options: Partial<DiscoveryClientOptions> = {}) {
  const clock = new FakeClock()
  const provider = new ScriptedProvider(...script)
  const client = new DiscoveryClient({
    provider,
    clock,
    random: () => 0.5,
    errorBackoff: fixedBackoff({ delayMs: 1_000 }),
    ...options,
  })
  clients.push(client)
  return { clock, provider, client, heard: listen(client) }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((reason: unknown) => reason)
  return isGatelessError(error) ? error.code : `no gateless error: ${String(error)}`
}

beforeEach(() => {
  clients = []
})

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()))
  vi.useRealTimers()
})

describe('loading', () => {
  it('loads a service once and answers from memory for its TTL', async () => {
    const { client, provider, clock } = setUp([ok('a', 'b')])
    expect(ids(await client.discover('s'))).toEqual(['a', 'b'])
    await clock.advance(20_000)
    expect(ids(await client.discover('s'))).toEqual(['a', 'b'])
    expect(provider.loads).toBe(1)
  })

  it('answers a thousand callers at once with one load', async () => {
    const { client, provider } = setUp([ok('a')])
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => client.discover('s')))
    expect(provider.loads).toBe(1)
    expect(new Set(answers).size).toBe(1)
  })

  it('loads services apart from each other', async () => {
    const { client, provider } = setUp([ok('a'), new Error('down')])
    await client.discover('s')
    expect(await codeOf(client.discover('t'))).toBe('ERR_GATELESS_DISCOVERY')
    expect(provider.calls).toEqual(['s', 't'])
  })

  it('waits for a new list when the old one is past its time', async () => {
    const { client, clock } = setUp([ok('a'), ok('b')])
    await client.discover('s')
    await clock.advance(30_000)
    expect(ids(await client.discover('s'))).toEqual(['b'])
  })

  it('refreshes a list in use in the background before its time is up', async () => {
    const { client, provider, clock } = setUp([ok('a'), ok('b')])
    await client.discover('s')
    await clock.advance(24_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    await clock.advance(0)
    expect(provider.loads).toBe(2)
    expect(ids(await client.discover('s'))).toEqual(['b'])
  })

  it.each([
    [0, 1_000],
    [-5, 1_000],
    [1e12, 86_400_000],
    [Number.POSITIVE_INFINITY, 86_400_000],
    [Number.NaN, 30_000],
    ['60', 30_000],
  ])('takes a TTL of %s from the provider for %d ms', async (ttlMs, expected) => {
    const answer = { ...ok('a'), ttlMs } as ListAnswer
    const { client, provider, clock } = setUp([answer], { ttlJitter: 0, refreshAheadRatio: 1 })
    await client.discover('s')
    await clock.advance(expected - 1)
    await client.discover('s')
    expect(provider.loads).toBe(1)
    await clock.advance(1)
    await client.discover('s')
    expect(provider.loads).toBe(2)
  })

  it('spreads TTLs so that processes do not ask together', async () => {
    const randoms = [0, 1]
    const { client, provider, clock } = setUp([ok('a')], { random: () => randoms.shift() ?? 0.5, refreshAheadRatio: 1 })
    await client.discover('s')
    await client.discover('t')
    await clock.advance(27_000)
    await client.discover('s')
    await client.discover('t')
    expect(provider.calls).toEqual(['s', 't', 's'])
  })

  it('cuts a load that hangs, and tells the provider', async () => {
    const { client, provider, clock } = setUp(['hang'])
    const code = codeOf(client.discover('s'))
    await clock.advance(5_000)
    expect(await code).toBe('ERR_GATELESS_DISCOVERY')
    expect(provider.signals[0]?.aborted).toBe(true)
  })

  it('lets go of the time limit when the answer is there', async () => {
    const { client, provider, clock } = setUp([ok('a')])
    await client.discover('s')
    await clock.advance(10_000)
    expect(provider.signals[0]?.aborted).toBe(false)
  })

  it('drops what a load answers after it was cut', async () => {
    const { promise: late, resolve: answer } = Promise.withResolvers<ListAnswer>()
    const { client, clock } = setUp([() => late, ok('b')])
    const first = codeOf(client.discover('s'))
    await clock.advance(6_001)
    await first
    expect(ids(await client.discover('s'))).toEqual(['b'])
    answer(ok('a'))
    await clock.advance(0)
    expect(ids(client.peek('s'))).toEqual(['b'])
  })

  it('treats a provider that throws or breaks its contract like one that failed', async () => {
    for (const script of [
      throwAtOnce,
      {},
      undefined,
      { kind: 'ok' },
      { kind: 'error' },
      { kind: 'ok', instances: 'x' },
    ]) {
      const answer = typeof script === 'function' ? script : () => Promise.resolve(script as ListAnswer)
      const { client } = setUp([answer])
      expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
      await client.close()
    }
  })

  it('refuses a service name that is no printable text', async () => {
    const { client } = setUp([ok('a')])
    for (const name of ['', 'a\nb', 'x'.repeat(257), 7 as never, undefined as never]) {
      await expect(client.discover(name)).rejects.toThrow(/service must be text of 1 to 256 printable characters/)
    }
  })
})

describe('a caller who leaves', () => {
  it('is rejected at once with his reason, and fails nobody else', async () => {
    const { promise: slow, resolve: answer } = Promise.withResolvers<ListAnswer>()
    const { client, provider } = setUp([() => slow])
    const controller = new AbortController()
    const leaving = client.discover('s', { signal: controller.signal })
    const staying = client.discover('s', { signal: new AbortController().signal })
    const reason = new Error('left')
    controller.abort(reason)
    await expect(leaving).rejects.toBe(reason)
    expect(provider.signals[0]?.aborted).toBe(false)
    answer(ok('a'))
    expect(ids(await staying)).toEqual(['a'])
    expect(provider.loads).toBe(1)
  })

  it('is rejected before anything is asked when he had left already', async () => {
    const { client, provider } = setUp([ok('a')])
    const reason = new Error('left')
    await expect(client.discover('s', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(provider.loads).toBe(0)
  })

  it('may limit his wait while the load goes on', async () => {
    const { client, clock, provider } = setUp(['hang'])
    const code = codeOf(client.discover('s', { timeoutMs: 100 }))
    await clock.advance(100)
    expect(await code).toBe('ERR_GATELESS_TIMEOUT')
    expect(provider.signals[0]?.aborted).toBe(false)
  })
})

describe('a provider that fails', () => {
  it('is told from one that knows no such service and from one that knows an empty one', async () => {
    const { client } = setUp([new Error('503'), NOT_FOUND, { kind: 'ok', instances: [] }])
    expect(await codeOf(client.discover('down'))).toBe('ERR_GATELESS_DISCOVERY')
    expect(await codeOf(client.discover('unknown'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    expect(await client.discover('empty')).toEqual([])
  })

  it('leaves a typed error with its cause, when nothing was ever known', async () => {
    const cause = new Error('connect ECONNREFUSED http://me:secret@10.0.0.1:8500')
    const { client } = setUp([cause])
    const error = (await client.discover('s').catch((reason: unknown) => reason)) as GatelessError
    expect(error).toMatchObject({ name: 'DiscoveryError', service: 's', cause, retryAfterMs: 1_000, local: true })
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.message).not.toContain('secret')
  })

  it('is not asked again before the backoff passed', async () => {
    const { client, provider, clock } = setUp([new Error('down')])
    await codeOf(client.discover('s'))
    await clock.advance(400)
    const error = await client.discover('s').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_GATELESS_DISCOVERY', retryAfterMs: 600 })
    expect(client.peek('s')).toBeUndefined()
    expect(provider.loads).toBe(1)
    await clock.advance(600)
    await codeOf(client.discover('s'))
    expect(provider.loads).toBe(2)
  })

  it('backs off longer with each failure, and starts over after a success', async () => {
    const { client, provider, clock, heard } = setUp([new Error('1'), new Error('2'), new Error('3'), ok('a')], {
      errorBackoff: { name: 'double', delayMs: ({ attempt }) => 1_000 * 2 ** attempt },
    })
    for (const wait of [2_000, 4_000, 8_000]) {
      await codeOf(client.discover('s'))
      await clock.advance(wait)
    }
    await client.discover('s')
    provider.script(new Error('4'))
    await clock.advance(30_000)
    await client.discover('s')
    expect(heard.filter((line) => line.startsWith('load-failed'))).toEqual([
      'load-failed 2000',
      'load-failed 4000',
      'load-failed 8000',
      'load-failed 2000',
    ])
  })

  it('is left alone for as long as it asks, up to five minutes', async () => {
    const { client, heard, clock } = setUp([busy(20_000), busy(1e9)])
    await codeOf(client.discover('s'))
    await clock.advance(20_000)
    await codeOf(client.discover('s'))
    expect(heard).toEqual(['load-failed 20000', 'load-failed 300000'])
  })

  it('leaves the last good list in service, and says how old that is', async () => {
    const { client, clock, heard } = setUp([ok('a'), new Error('down')])
    await client.discover('s')
    await clock.advance(40_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(client.ageMs('s')).toBe(40_000)
    expect(heard).toEqual(['changed +a - ~', 'load-failed 1000', 'stale 40000'])
  })

  it('makes nobody wait while it is known to fail', async () => {
    const { client, clock, provider } = setUp([ok('a'), new Error('down'), 'hang'])
    await client.discover('s')
    await clock.advance(40_000)
    await client.discover('s')
    await clock.advance(1_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(provider.loads).toBe(3)
  })

  it('is reported as recovered, once', async () => {
    const { client, clock, heard } = setUp([ok('a'), new Error('down'), ok('a')])
    await client.discover('s')
    await clock.advance(40_000)
    await client.discover('s')
    await clock.advance(1_000)
    await client.discover('s')
    await clock.advance(30_000)
    await client.discover('s')
    expect(heard.filter((line) => line === 'recovered')).toHaveLength(1)
    expect(client.ageMs('s')).toBe(0)
  })

  it('while the list is still good, is asked again without anybody being told that it is stale', async () => {
    const { client, clock, heard, provider } = setUp([ok('a'), new Error('down'), ok('a')])
    await client.discover('s')
    await clock.advance(25_000)
    client.peek('s')
    await clock.advance(1_000)
    expect(heard).toEqual(['changed +a - ~', 'load-failed 1000'])
    client.peek('s')
    expect(provider.loads).toBe(3)
  })

  it('in a forced refresh is asked again when the backoff says so, not only when the list gets old', async () => {
    const { client, clock, provider } = setUp([ok('a'), new Error('down'), ok('a')])
    await client.discover('s')
    await clock.advance(2_000)
    await client.refresh('s')
    await clock.advance(999)
    client.peek('s')
    expect(provider.loads).toBe(2)
    await clock.advance(1)
    client.peek('s')
    expect(provider.loads).toBe(3)
  })

  it('takes the list away only after maxStaleMs', async () => {
    const { client, clock } = setUp([ok('a'), new Error('down')], { maxStaleMs: 60_000, ttlJitter: 0 })
    await client.discover('s')
    await clock.advance(90_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    await clock.advance(1)
    expect(client.peek('s')).toBeUndefined()
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
  })

  it('does not turn "no such service" into an outage until that is old', async () => {
    const { client, clock, provider } = setUp([NOT_FOUND])
    await codeOf(client.discover('s'))
    provider.script(new Error('down'))
    await clock.advance(4_999)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    await clock.advance(1)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
  })

  it('is not asked in a loop when the backoff itself is broken', async () => {
    const broken = [
      () => Number.NaN,
      () => Number.POSITIVE_INFINITY,
      () => -1,
      (): never => {
        throw new Error('backoff')
      },
    ]
    for (const delayMs of broken) {
      const { client, provider, clock } = setUp([new Error('down')], { errorBackoff: { name: 'broken', delayMs } })
      const faults: string[] = []
      client.on('error', ({ event }) => faults.push(event))
      await codeOf(client.discover('s'))
      await clock.advance(999)
      await codeOf(client.discover('s'))
      expect(provider.loads).toBe(1)
      expect(faults).toEqual(['errorBackoff'])
      await clock.advance(1)
      await codeOf(client.discover('s'))
      expect(provider.loads).toBe(2)
    }
  })
})

describe('a partial answer', () => {
  const partial = (...given: string[]): ListAnswer => ({
    ...(ok(...given) as ListAnswer & { kind: 'ok' }),
    partial: true,
  })

  it('adds, and takes nothing away: what it leaves out may just not be back yet', async () => {
    const { client, clock } = setUp([ok('a', 'b'), partial('b', 'c'), ok('c')])
    await client.discover('s')
    await clock.advance(30_000)
    expect(ids(await client.discover('s'))?.toSorted()).toEqual(['a', 'b', 'c'])
    await clock.advance(30_000)
    expect(ids(await client.discover('s'))).toEqual(['c'])
  })

  it('is all there is, when nothing was known before', async () => {
    const { client } = setUp([partial('a')])
    expect(ids(await client.discover('s'))).toEqual(['a'])
  })
})

describe('an empty answer after a full one', () => {
  const EMPTY: ListAnswer = { kind: 'ok', instances: [] }

  it.each([
    ['an empty list', EMPTY],
    ['no such service', NOT_FOUND],
  ])('is not believed at first: %s', async (_, answer) => {
    const { client, clock, heard } = setUp([ok('a'), answer])
    await client.discover('s')
    await clock.advance(30_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    await clock.advance(29_999)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    // Asked again meanwhile, and told the same: still held, and said so again.
    expect(heard).toEqual(['changed +a - ~', 'stale 30000', 'stale 59999'])
  })

  it('is believed when it is still empty after emptyHoldMs', async () => {
    const { client, clock, heard } = setUp([ok('a'), EMPTY])
    await client.discover('s')
    await clock.advance(30_000)
    await client.discover('s')
    await clock.advance(30_000)
    expect(await client.discover('s')).toEqual([])
    expect(heard.at(-1)).toBe('changed + -a ~')
  })

  it('is asked about again soon, so that an instance that comes back is not waited for', async () => {
    const { client, clock } = setUp([ok('a'), EMPTY, ok('a', 'b')])
    await client.discover('s')
    await clock.advance(30_000)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    await clock.advance(5_000)
    expect(ids(await client.discover('s'))).toEqual(['a', 'b'])
  })

  it('is believed as "no such service" when that is what the provider keeps saying', async () => {
    const { client, clock } = setUp([ok('a'), NOT_FOUND])
    await client.discover('s')
    await clock.advance(30_000)
    await client.discover('s')
    await clock.advance(30_000)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    expect(client.peek('s')).toBeUndefined()
  })

  it('starts a new hold when the list came back in between', async () => {
    const { client, clock, heard } = setUp([ok('a'), EMPTY, ok('a'), EMPTY])
    for (let i = 0; i < 4; i += 1) {
      expect(ids(await client.discover('s'))).toEqual(['a'])
      await clock.advance(30_000)
    }
    expect(heard).toEqual(['changed +a - ~', 'stale 30000', 'recovered', 'stale 30000'])
  })

  it('is believed at once with emptyHoldMs 0', async () => {
    const { client, clock } = setUp([ok('a'), EMPTY], { emptyHoldMs: 0 })
    await client.discover('s')
    await clock.advance(30_000)
    expect(await client.discover('s')).toEqual([])
  })
})

describe('a service nobody knows', () => {
  it('is remembered as such for negativeTtlMs, then asked for again', async () => {
    const { client, provider, clock } = setUp([NOT_FOUND, ok('a')])
    const error = await client.discover('s').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ServiceNotFoundError', service: 's', retryAfterMs: 5_000, local: true })
    await clock.advance(4_999)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    expect(provider.loads).toBe(1)
    await clock.advance(1)
    expect(ids(await client.discover('s'))).toEqual(['a'])
  })
})

describe('identity', () => {
  it('keeps array and objects while nothing but heartbeats and order changes', async () => {
    const { client, clock, heard } = setUp([
      beat('2026-01-01T00:00:00Z', 'a', 'b'),
      beat('2026-01-01T00:00:30Z', 'b', 'a'),
    ])
    const first = await client.discover('s')
    await clock.advance(30_000)
    expect(await client.discover('s')).toBe(first)
    expect(heard).toHaveLength(1)
  })

  it('keeps the objects that did not change, and names those that did', async () => {
    const { client, clock, heard } = setUp([
      ok('a', 'b', 'c'),
      { kind: 'ok', instances: [instance('a'), instance('b', { weight: 5 }), instance('d')] },
    ])
    const before = await client.discover('s')
    await clock.advance(30_000)
    const after = await client.discover('s')
    expect(after[0]).toBe(before[0])
    expect(heard.at(-1)).toBe('changed +d -c ~b')
    expect(Object.isFrozen(after)).toBe(true)
  })

  it('passes on how many entries were left out', async () => {
    const { client } = setUp([{ ...ok('a'), dropped: 3 } as ListAnswer])
    const changed = vi.fn()
    client.on('changed', changed)
    await client.discover('s')
    expect(changed).toHaveBeenCalledWith(expect.objectContaining({ service: 's', dropped: 3 }))
  })
})

describe('peek', () => {
  it('knows nothing, and asks nobody, about a service nobody discovered', async () => {
    const { client, provider } = setUp([ok('a')])
    expect(client.peek('s')).toBeUndefined()
    expect(client.ageMs('s')).toBeUndefined()
    expect(provider.loads).toBe(0)
  })

  it('serves at once and refreshes what is due in the background, once', async () => {
    const { client, provider, clock } = setUp([ok('a'), ok('b')])
    await client.discover('s')
    await clock.advance(29_000)
    for (let i = 0; i < 100; i += 1) expect(ids(client.peek('s'))).toEqual(['a'])
    expect(provider.loads).toBe(2)
    await clock.advance(0)
    expect(ids(client.peek('s'))).toEqual(['b'])
  })

  it('serves nothing past its time when nobody asked for a while and the provider is well: addresses move', async () => {
    const { client, clock } = setUp([ok('a'), ok('b')])
    await client.discover('s')
    await clock.advance(3_540_000)
    expect(client.peek('s')).toBeUndefined()
    expect(ids(await client.discover('s'))).toEqual(['b'])
  })

  it('goes on serving past its time while a refresh that began in time is under way', async () => {
    const { client, provider, clock } = setUp([ok('a'), 'hang'])
    await client.discover('s')
    await clock.advance(29_000)
    expect(ids(client.peek('s'))).toEqual(['a'])
    await clock.advance(2_000)
    expect(ids(client.peek('s'))).toEqual(['a'])
    expect(provider.loads).toBe(2)
  })

  it('drops what a provider of a user’s says where the address breaks the grammar, and counts it', async () => {
    const evil = ['good.internal@127.0.0.1', '0x7f000001', '127.0.0.1/#', 'a\r\nb'].map((host, i) => ({
      ...instance(`e${i}`),
      host,
    }))
    const answer: ListAnswer = { kind: 'ok', instances: [...evil, null as never, instance('a')] }
    const { client } = setUp([answer])
    const dropped: number[] = []
    client.on('changed', (event) => dropped.push(event.dropped))
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(dropped).toEqual([5])
  })

  it('survives a provider that rejects with what cannot even be described', async () => {
    for (const thrown of [Object.create(null), Object.assign(new Error('x'), { message: {} }), undefined, null]) {
      const { client } = setUp([() => Promise.reject(thrown)])
      expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
    }
  })
})

describe('refresh and invalidate', () => {
  it('loads again though the list is good, one load for all', async () => {
    const { client, provider, clock } = setUp([ok('a'), ok('b')])
    await client.discover('s')
    await clock.advance(1_000)
    const answers = await Promise.all([client.refresh('s'), client.refresh('s'), client.refresh('s')])
    expect(answers.map(ids)).toEqual([['b'], ['b'], ['b']])
    expect(provider.loads).toBe(2)
  })

  it('takes what was asked for less than minRefreshIntervalMs ago for new', async () => {
    const { client, provider, clock } = setUp([ok('a')])
    await client.refresh('s')
    await clock.advance(999)
    await client.refresh('s')
    expect(provider.loads).toBe(1)
  })

  it('keeps to the backoff while the provider fails', async () => {
    const { client, provider, clock } = setUp([ok('a'), new Error('down')], {
      errorBackoff: fixedBackoff({ delayMs: 9_000 }),
    })
    await client.discover('s')
    await clock.advance(2_000)
    expect(ids(await client.refresh('s'))).toEqual(['a'])
    await clock.advance(2_000)
    expect(ids(await client.refresh('s'))).toEqual(['a'])
    expect(provider.loads).toBe(2)
  })

  it('has an invalidated service loaded when it is needed next, but served if that fails', async () => {
    const { client, provider, clock } = setUp([ok('a'), new Error('down')])
    await client.discover('s')
    await clock.advance(2_000)
    client.invalidate('s')
    client.invalidate('never-asked')
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(provider.loads).toBe(2)
  })

  it('does not take a load that began before the invalidation for new', async () => {
    const { promise: slow, resolve: answer } = Promise.withResolvers<ListAnswer>()
    const { client, provider, clock } = setUp([ok('a'), () => slow, ok('c')])
    await client.discover('s')
    await clock.advance(25_000)
    client.peek('s')
    client.invalidate('s')
    answer(ok('b'))
    await clock.advance(1_000)
    expect(ids(await client.discover('s'))).toEqual(['c'])
    expect(provider.loads).toBe(3)
  })

  it('forgets "no such service" too', async () => {
    const { client, clock } = setUp([NOT_FOUND, ok('a')])
    await codeOf(client.discover('s'))
    await clock.advance(1_000)
    client.invalidate('s')
    expect(ids(await client.discover('s'))).toEqual(['a'])
  })
})

describe('watch', () => {
  it('tells the list once it is known, then each change, and nothing twice', async () => {
    const { client, clock } = setUp([ok('a'), ok('a'), ok('a', 'b')])
    const told: (string[] | undefined)[] = []
    client.watch('s', (instances) => told.push(ids(instances)))
    await clock.advance(0)
    expect(told).toEqual([['a']])
    await clock.advance(30_000)
    expect(told).toHaveLength(1)
    await clock.advance(30_000)
    expect(told).toEqual([['a'], ['a', 'b']])
  })

  it('tells a second watcher what is known already, after watch returned', async () => {
    const { client, provider } = setUp([ok('a')])
    await client.discover('s')
    const told = vi.fn()
    const stop = client.watch('s', told)
    expect(told).not.toHaveBeenCalled()
    await Promise.resolve()
    expect(told).toHaveBeenCalledTimes(1)
    expect(provider.loads).toBe(1)
    stop()
  })

  it('leaves no timer when the last watcher stops, and the list stays known', async () => {
    const { client, clock, provider } = setUp([ok('a')])
    const stops = [client.watch('s', () => {}), client.watch('s', () => {})]
    await clock.advance(0)
    stops[0]?.()
    stops[0]?.()
    await clock.advance(60_000)
    expect(provider.loads).toBe(3)
    stops[1]?.()
    // A load's deadline queue may keep the one timer it had; it fires without anything to do.
    await clock.advance(5_000)
    expect(clock.pending).toBe(0)
    expect(ids(client.peek('s'))).toEqual(['a'])
    await clock.advance(600_000)
    expect(provider.loads).toBe(3)
  })

  it('does not call a watcher that stopped before the first list came', async () => {
    const { client, clock } = setUp([ok('a')])
    const told = vi.fn()
    client.watch('s', told)()
    await clock.advance(0)
    expect(told).not.toHaveBeenCalled()
  })

  it('tries again after a failure by itself, and tells no watcher of an empty list meanwhile', async () => {
    const { client, clock } = setUp([new Error('down'), new Error('down'), ok('a'), new Error('down')], {
      maxStaleMs: 1,
    })
    const told = vi.fn()
    client.watch('s', told)
    await clock.advance(2_000)
    expect(told).toHaveBeenCalledTimes(1)
    await clock.advance(3_600_000)
    expect(told).toHaveBeenCalledTimes(1)
  })

  it('tells a watcher of a service that went away for good', async () => {
    const { client, clock } = setUp([ok('a'), NOT_FOUND])
    const told: number[] = []
    client.watch('s', (instances) => told.push(instances.length))
    await clock.advance(120_000)
    expect(told).toEqual([1, 0])
  })

  it('does not spin on times configured to 0', async () => {
    const { client, clock, provider } = setUp([NOT_FOUND], { negativeTtlMs: 0 })
    client.watch('s', () => {})
    await clock.advance(1_000)
    expect(provider.loads).toBeLessThanOrEqual(11)
  })

  it('survives listeners that throw or reject, and reports them', async () => {
    const { client, clock } = setUp([ok('a')])
    const faults: unknown[] = []
    client.on('error', ({ event, error }) => faults.push([event, (error as Error).message]))
    client.watch('s', () => {
      throw new Error('thrown')
    })
    client.watch('s', vi.fn().mockRejectedValue(new Error('rejected')))
    const told = vi.fn()
    client.watch('s', told)
    await clock.advance(0)
    expect(told).toHaveBeenCalledTimes(1)
    expect(faults).toEqual([
      ['watch', 'thrown'],
      ['watch', 'rejected'],
    ])
  })

  it('loads a watched service again soon after it was invalidated', async () => {
    const { client, clock, provider } = setUp([ok('a')])
    client.watch('s', () => {})
    await clock.advance(5_000)
    client.invalidate('s')
    await clock.advance(100)
    expect(provider.loads).toBe(2)
  })

  it('refuses a listener that is none', () => {
    const { client } = setUp([ok('a')])
    expect(() => client.watch('s', 'no' as never)).toThrow(/listener must be a function, got "no"/)
  })
})

describe('bounds', () => {
  it('remembers maxServices, the least recently used forgotten first', async () => {
    const { client, provider } = setUp([ok('a')], { maxServices: 2 })
    for (const name of ['one', 'two', 'one', 'three']) await client.discover(name)
    expect(client.peek('two')).toBeUndefined()
    expect(ids(client.peek('one'))).toEqual(['a'])
    expect(provider.loads).toBe(3)
  })

  it('answers callers whose service was forgotten while it was loaded', async () => {
    const { promise: slow, resolve: answer } = Promise.withResolvers<ListAnswer>()
    const { client } = setUp([() => slow, ok('b')], { maxServices: 1 })
    const waiting = client.discover('one')
    await client.discover('two')
    expect(client.peek('one')).toBeUndefined()
    answer(ok('a'))
    expect(ids(await waiting)).toEqual(['a'])
  })

  it('never forgets a watched service', async () => {
    const { client, clock } = setUp([ok('a')], { maxServices: 1 })
    client.watch('one', () => {})
    await clock.advance(0)
    await client.discover('two')
    await client.discover('three')
    expect(ids(client.peek('one'))).toEqual(['a'])
  })
})

describe('time', () => {
  it('is driven by plain fake timers', async () => {
    vi.useFakeTimers()
    const provider = new ScriptedProvider(ok('a'), ok('b'))
    const client = new DiscoveryClient({ provider, random: () => 0.5 })
    clients.push(client)
    const told: (string[] | undefined)[] = []
    const stop = client.watch('s', (instances) => told.push(ids(instances)))
    await vi.advanceTimersByTimeAsync(30_000)
    expect(told).toEqual([['a'], ['b']])
    stop()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('works at the time 0 like at any other', async () => {
    const { client, clock } = setUp([ok('a'), new Error('down')])
    expect(clock.now()).toBe(0)
    await client.discover('s')
    expect(client.ageMs('s')).toBe(0)
    expect(ids(client.peek('s'))).toEqual(['a'])
  })

  it('may pass 0 in the middle of a TTL', async () => {
    const { client, provider, clock } = setUp([ok('a')], { clock: new FakeClock(-30_000), ttlJitter: 0 })
    await client.discover('s')
    await clock.advance(1)
    await client.discover('s')
    expect(provider.loads).toBe(1)
  })

  it('keeps its waits when the clock goes backwards', async () => {
    let offset = 1e9
    const clock = new FakeClock()
    const { client, provider } = setUp([ok('a'), new Error('down'), ok('b')], {
      clock: { now: () => clock.now() + offset, setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout },
    })
    await client.discover('s')
    offset = 0
    expect(client.ageMs('s')).toBe(0)
    await clock.advance(29_999)
    await client.discover('s')
    expect(provider.loads).toBe(2)
    await clock.advance(1_000)
    await client.discover('s')
    await clock.advance(0)
    expect(ids(await client.discover('s'))).toEqual(['b'])
  })
})

describe('async context', () => {
  const storage = new AsyncLocalStorage<string>()

  it('does not leak from the first caller into loads and events', async () => {
    const seen: unknown[] = []
    const { client } = setUp([
      () => {
        seen.push(storage.getStore())
        return Promise.resolve(ok('a'))
      },
    ])
    client.on('changed', () => seen.push(storage.getStore()))
    await storage.run('first caller', () => client.discover('s'))
    expect(seen).toEqual([undefined, undefined])
  })

  it('survives in each caller, and in each watcher', async () => {
    const { client, clock } = setUp([ok('a')])
    const seen: unknown[] = []
    storage.run('watcher', () => client.watch('s', () => seen.push(storage.getStore())))
    const callers = ['one', 'two'].map((name) =>
      storage.run(name, async () => {
        await client.discover('s')
        seen.push(storage.getStore())
      }),
    )
    await Promise.all(callers)
    await clock.advance(0)
    expect(seen.map(String).toSorted()).toEqual(['one', 'two', 'watcher'])
  })
})

describe('close', () => {
  it('rejects who waits, stops watches, closes the provider once, and answers nobody after', async () => {
    const { client, clock, provider } = setUp(['hang'])
    const told = vi.fn()
    client.watch('t', told)
    const waiting = codeOf(client.discover('s'))
    await Promise.all([client.close(), client.close()])
    expect(await waiting).toBe('ERR_GATELESS_CLOSED')
    expect(provider.signals.every((signal) => signal.aborted)).toBe(true)
    expect(provider.closed).toBe(1)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_CLOSED')
    expect(client.peek('s')).toBeUndefined()
    expect(() => client.watch('s', told)).toThrow(/closed/)
    await clock.advance(5_000)
    expect(clock.pending).toBe(0)
    expect(told).not.toHaveBeenCalled()
  })

  it('leaves no timer of a watch', async () => {
    const { client, clock, provider } = setUp([ok('a')])
    client.watch('s', () => {})
    await clock.advance(6_000)
    expect(clock.pending).toBe(1)
    await client.close()
    expect(clock.pending).toBe(0)
    expect(provider.loads).toBe(1)
  })

  it('is what `await using` does, and survives a provider that cannot close', async () => {
    const provider = Object.assign(new ScriptedProvider(ok('a')), { close: () => Promise.reject(new Error('stuck')) })
    const faults: string[] = []
    {
      await using client = new DiscoveryClient({ provider })
      client.on('error', ({ event }) => faults.push(event))
      await client.discover('s')
    }
    expect(faults).toEqual(['close'])
  })

  it('drops a list that arrives while closing', async () => {
    const { client, heard } = setUp([ok('a')])
    const waiting = codeOf(client.discover('s'))
    await client.close()
    expect(await waiting).toBe('ERR_GATELESS_CLOSED')
    expect(heard).toEqual([])
  })
})

describe('options', () => {
  it.each([
    [{ provider: undefined }, TypeError, 'provider must be an object with list()'],
    [{ provider: {} }, TypeError, 'provider must be an object with list()'],
    [{ ttlMs: 0 }, RangeError, 'ttlMs must be a finite number from 1'],
    [{ ttlJitter: 0.6 }, RangeError, 'ttlJitter must be a finite number from 0 up to 0.5, got 0.6'],
    [{ refreshAheadRatio: 0 }, RangeError, 'refreshAheadRatio must be a finite number above 0 up to 1, got 0'],
    [{ maxServices: 1.5 }, RangeError, 'maxServices must be an integer from 1'],
    [{ errorBackoff: {} }, TypeError, 'errorBackoff must be an object with delayMs()'],
    [{ ttl: 5 }, TypeError, 'unknown option "ttl"'],
  ])('are refused with a name and a range: %o', (options, Complaint, message) => {
    const make = () => new DiscoveryClient({ provider: new ScriptedProvider(ok('a')), ...options } as never)
    expect(make).toThrow(Complaint)
    expect(make).toThrow(message)
  })
})

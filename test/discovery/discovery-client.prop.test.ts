import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../../src/discovery/options.ts'
import type { ListAnswer } from '../../src/discovery/provider.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { seededRandom } from '../../src/time/random.ts'
import { ids, NOT_FOUND, ok, ScriptedProvider } from './scripted-provider.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

function setUp(
  options: Partial<DiscoveryClientOptions> = {},
  ...script: ConstructorParameters<typeof ScriptedProvider>
) {
  const clock = new FakeClock()
  const provider = new ScriptedProvider(...script)
  const errorBackoff = fixedBackoff({ delayMs: 1_000 })
  const client = new DiscoveryClient({ provider, clock, random: () => 0.5, errorBackoff, ...options })
  return { clock, provider, client }
}

describe('whatever a provider does', () => {
  const answer = fc.oneof(
    { weight: 4, arbitrary: fc.subarray(NAMES).map((names) => ({ what: 'list' as const, names })) },
    { weight: 2, arbitrary: fc.constantFrom('error', 'not-found', 'garbage').map((what) => ({ what, names: [] })) },
    fc.record({ what: fc.constant('slow' as const), names: fc.subarray(NAMES, { minLength: 1 }) }),
  )
  const step = fc.record({
    answer,
    action: fc.constantFrom('discover', 'peek', 'refresh', 'invalidate', 'watch', 'stop'),
    waitMs: fc.constantFrom(0, 10, 500, 1_000, 5_000, 24_000, 30_000, 90_000),
  })

  it('one question per service is on its way, no outage is an empty list, and nothing is left over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer(), async (steps, seed) => {
        const { clock, provider, client } = setUp({ random: seededRandom(seed) })
        let inFlight = 0
        let most = 0
        let everListed = false
        let saidEmpty = false
        const stops: (() => void)[] = []
        for (const { answer: next, action, waitMs } of steps) {
          provider.script(async () => {
            inFlight += 1
            most = Math.max(most, inFlight)
            try {
              if (next.what === 'slow') await new Promise<void>((resolve) => clock.setTimeout(resolve, 800))
              if (next.what === 'error') throw new Error('down')
              if (next.what === 'garbage') return { kind: 'ok', instances: [null] } as unknown as ListAnswer
              if (next.names.length === 0) saidEmpty = true
              else everListed = true
              return next.what === 'not-found' ? NOT_FOUND : ok(...next.names)
            } finally {
              inFlight -= 1
            }
          })
          let list: readonly unknown[] | undefined
          if (action === 'discover' || action === 'refresh') {
            const asked = client[action]('s').catch(() => undefined)
            await clock.advance(10_000)
            list = await asked
          } else if (action === 'peek') list = client.peek('s')
          else if (action === 'invalidate') client.invalidate('s')
          else if (action === 'watch') stops.push(client.watch('s', () => {}))
          else stops.pop()?.()
          if (list?.length === 0) expect(saidEmpty).toBe(true)
          if (list !== undefined && list.length > 0) expect(everListed).toBe(true)
          await clock.advance(waitMs)
        }
        expect(most).toBeLessThanOrEqual(1)
        await client.close()
        await clock.advance(10_000)
        expect(clock.pending).toBe(0)
      }),
      { numRuns: 150 },
    )
  })

  it('a list it insists on is what is served in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { maxLength: 10 }), fc.subarray(NAMES), async (history, last) => {
        const { clock, provider, client } = setUp()
        for (const { what, names } of history) {
          if (what === 'error') provider.script(new Error('down'))
          else provider.script(what === 'not-found' ? NOT_FOUND : ok(...names))
          await client.discover('s').catch(() => undefined)
          await clock.advance(31_000)
        }
        provider.script(ok(...last))
        for (let i = 0; i < 4; i += 1) {
          await client.discover('s').catch(() => undefined)
          await clock.advance(31_000)
        }
        expect(ids(await client.discover('s'))?.toSorted()).toEqual(last.toSorted())
        await client.close()
      }),
      { numRuns: 100 },
    )
  })
})

describe('the cache', () => {
  it('forgets the least recently used service, also where one is used over and over', async () => {
    const { client } = setUp({ maxServices: 2 }, ok('a'))
    for (const name of ['one', 'two', 'one']) await client.discover(name)
    for (let i = 0; i < 3; i += 1) client.peek('one')
    await client.discover('three')
    expect(client.peek('two')).toBeUndefined()
    for (let i = 0; i < 3; i += 1) client.peek('three')
    client.peek('one')
    await client.discover('four')
    expect(client.peek('three')).toBeUndefined()
    expect(ids(client.peek('one'))).toEqual(['a'])
    await client.close()
  })

  it('does not serve from a record that was forgotten', async () => {
    const { client, provider } = setUp({ maxServices: 1 }, ok('a'))
    await client.discover('one')
    await client.discover('two')
    expect(client.peek('one')).toBeUndefined()
    await client.discover('one')
    expect(provider.loads).toBe(3)
    await client.close()
  })

  it('does not serve from a record that was forgotten for one that nobody watches any more', async () => {
    const { client } = setUp({ maxServices: 1 }, ok('a'))
    const stop = client.watch('one', () => {})
    await client.discover('one')
    await client.discover('two')
    stop()
    expect(client.peek('two')).toBeUndefined()
    expect(ids(client.peek('one'))).toEqual(['a'])
    await client.close()
  })

  it('waits quietly for the next refresh of what is watched, once the provider is back', async () => {
    const { client, clock } = setUp({}, new Error('down'), ok('a'))
    client.watch('s', () => {})
    await clock.advance(1_000)
    const timers = vi.spyOn(clock, 'setTimeout')
    await clock.advance(20_000)
    expect(timers).not.toHaveBeenCalled()
    await client.close()
  })

  it('answers a warm discover with the same promise for the same list, and a cold one by asking', async () => {
    const { client, clock, provider } = setUp({}, ok('a'))
    await client.discover('s')
    const warm = client.discover('s')
    expect(client.discover('s')).toBe(warm)
    provider.script(ok('b'))
    await clock.advance(30_000)
    const cold = client.discover('s')
    expect(cold).not.toBe(warm)
    expect(ids(await cold)).toEqual(['b'])
    expect(ids(await client.discover('s'))).toEqual(['b'])
    await client.close()
    await expect(client.discover('s')).rejects.toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
  })

  it('looks at the signal of a caller also when the list is at hand', async () => {
    const { client } = setUp({}, ok('a'))
    await client.discover('s')
    const reason = new Error('left')
    await expect(client.discover('s', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await client.close()
  })

  it('refreshes what is watched ahead of its time: nobody who calls meanwhile waits', async () => {
    const { client, clock, provider } = setUp({}, ok('a'))
    client.watch('s', () => {})
    await clock.advance(0)
    provider.script('hang')
    await clock.advance(23_999)
    expect(provider.loads).toBe(1)
    await clock.advance(1)
    expect(provider.loads).toBe(2)
    await clock.advance(4_999)
    expect(ids(client.peek('s'))).toEqual(['a'])
    await client.close()
  })

  it('serves on for ever with maxStaleMs Infinity', async () => {
    const { client, clock, provider } = setUp({ maxStaleMs: Number.POSITIVE_INFINITY }, ok('a'))
    await client.discover('s')
    provider.script(new Error('down'))
    await clock.advance(30_000)
    await client.discover('s')
    await clock.advance(1e10)
    expect(ids(client.peek('s'))).toEqual(['a'])
    await client.close()
  })

  it('asks at most once per minRefreshIntervalMs, however often it is invalidated', async () => {
    const { client, clock, provider } = setUp({}, ok('a'))
    await client.discover('s')
    await clock.advance(500)
    client.invalidate('s')
    await client.discover('s')
    await clock.advance(499)
    await client.discover('s')
    expect(provider.loads).toBe(1)
    await clock.advance(1)
    await client.discover('s')
    expect(provider.loads).toBe(2)
    await client.close()
  })

  it('takes what came of a question from before an invalidation as good for that interval', async () => {
    const { promise, resolve } = Promise.withResolvers<ListAnswer>()
    const { client, clock, provider } = setUp({}, () => promise, ok('b'))
    const first = client.discover('s')
    client.invalidate('s')
    resolve(ok('a'))
    await first
    await clock.advance(999)
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(provider.loads).toBe(1)
    await clock.advance(1)
    expect(ids(await client.discover('s'))).toEqual(['b'])
    await client.close()
  })

  it('says "no such service" also where that is good for no time at all', async () => {
    const { client } = setUp({ negativeTtlMs: 0 }, NOT_FOUND)
    await expect(client.discover('s')).rejects.toMatchObject({
      code: 'ERR_GATELESS_SERVICE_NOT_FOUND',
      retryAfterMs: 0,
    })
    await client.close()
  })

  it('serves nothing from the very moment its time is up, when nobody asked before', async () => {
    const { client, clock, provider } = setUp({}, ok('a'), 'hang')
    await client.discover('s')
    await clock.advance(30_000)
    expect(client.peek('s')).toBeUndefined()
    expect(client.peek('s')).toBeUndefined()
    expect(provider.loads).toBe(2)
    await client.close()
  })

  it('tells the backoff how long it waited before', async () => {
    const seen: unknown[] = []
    const errorBackoff = {
      name: 'spy',
      delayMs: (input: { attempt: number; previousDelayMs?: number | undefined }) => {
        seen.push([input.attempt, input.previousDelayMs])
        return 700
      },
    }
    const { client, clock } = setUp({ errorBackoff }, new Error('down'), new Error('down'), ok('a'), new Error('down'))
    for (let i = 0; i < 3; i += 1) {
      await client.discover('s').catch(() => undefined)
      await clock.advance(700)
    }
    await clock.advance(30_000)
    await client.discover('s')
    expect(seen).toEqual([
      [1, undefined],
      [2, 700],
      [1, undefined],
    ])
    await client.close()
  })

  it('does not believe an answer of nothing but nonsense', async () => {
    const { client, clock, provider } = setUp({}, ok('a'))
    await client.discover('s')
    const failed: string[] = []
    client.on('load-failed', ({ error }) => failed.push(error.message))
    provider.script({ kind: 'ok', instances: [], dropped: 3 }, { kind: 'ok', instances: [null, {}] } as never)
    for (let i = 0; i < 2; i += 1) {
      await clock.advance(2_000)
      expect(ids(await client.refresh('s'))).toEqual(['a'])
    }
    expect(failed).toEqual([
      'discovery of "s" failed: none of the 3 entries the provider listed makes sense',
      'discovery of "s" failed: none of the 2 entries the provider listed makes sense',
    ])
    await client.close()
  })

  it('holds half a list back for one refresh, and says so', async () => {
    const { client, clock, provider } = setUp({}, ok(...NAMES))
    await client.discover('s')
    const heard: string[] = []
    client.on('stale', ({ error, ageMs }) => heard.push(`stale ${ageMs} ${error.message} ${error.retryAfterMs}`))
    client.on('changed', ({ added, removed }) => heard.push(`+${ids(added)?.join('')} -${ids(removed)?.join('')}`))
    client.on('recovered', () => heard.push('recovered'))
    provider.script(ok('a', 'x'))
    await clock.advance(2_000)
    expect(await client.refresh('s')).toHaveLength(9)
    await clock.advance(5_000)
    expect(ids(await client.discover('s'))).toEqual(['a', 'x'])
    expect(heard).toEqual([
      '+x -',
      'stale 2000 discovery of "s" failed: the provider answered 2 instances where there were 8; the last list is held until it says so again 5000',
      'recovered',
      '+ -bcdefgh',
    ])
    await client.close()
  })

  it.each([
    [{ shrinkHoldRatio: 1.1 }, 'shrinkHoldRatio must be a finite number from 0 up to 1'],
    [{ shrinkHoldMs: -1 }, 'shrinkHoldMs must be a finite number from 0'],
    [{ shrinkHoldMinimum: 0 }, 'shrinkHoldMinimum must be an integer from 1'],
    [{ watchIdleMs: 0 }, 'watchIdleMs must be a finite number from 1'],
    [{ resyncIntervalMs: 0 }, 'resyncIntervalMs must be a finite number from 1'],
    [{ pushIntervalMs: -1 }, 'pushIntervalMs must be a finite number from 0'],
    [{ fallbackAfterMs: -1 }, 'fallbackAfterMs must be a finite number from 0'],
    [{ maxStaleMs: Number.NaN }, 'maxStaleMs must be a finite number from 0'],
  ])('refuses %o', (options, message) => {
    expect(() => setUp(options, ok('a'))).toThrow(message)
  })
})

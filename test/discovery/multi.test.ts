import { describe, expect, it, vi } from 'vitest'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import { multi, type MultiOptions } from '../../src/discovery/multi.ts'
import type { DiscoveryProvider, ListAnswer } from '../../src/discovery/provider.ts'
import { staticList } from '../../src/discovery/static-list.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { MemoryRegistry } from './memory-registry.ts'
import { ids, instance, NOT_FOUND, ok, type Script, ScriptedProvider } from './scripted-provider.ts'

const EMPTY = ok()

function setUp(first: Script[], second: Script[], options: MultiOptions = {}) {
  const clock = new FakeClock()
  const members = [new ScriptedProvider(...first), new ScriptedProvider(...second)] as const
  const provider = multi(members, { clock, random: () => 0, ...options })
  const list = (signal = new AbortController().signal): Promise<ListAnswer> => provider.list('s', { signal })
  const names = async (): Promise<string | undefined> => {
    const answer = await list()
    return answer.kind === 'ok' ? ids(answer.instances)?.toSorted().join('') : answer.kind
  }
  return { clock, members, provider, list, names }
}

describe('multi, merging', () => {
  it('lists what all of them know, asked at the same time', async () => {
    const { list, members, names } = setUp([ok('a', 'b')], [ok('c')])
    expect(await names()).toBe('abc')
    expect(members.map(({ loads }) => loads)).toEqual([1, 1])
    expect(await list()).toMatchObject({ kind: 'ok', partial: false, authoritative: true })
  })

  it('takes an id or an address that several name from the first', async () => {
    const mine = instance('a', { weight: 7 })
    const other = { ...instance('x'), host: mine.host, port: mine.port }
    const { list } = setUp([{ kind: 'ok', instances: [mine] }], [{ kind: 'ok', instances: [instance('a'), other] }])
    expect(await list()).toMatchObject({ instances: [mine] })
  })

  it('is good for as long as the shortest of its parts, and counts what they dropped', async () => {
    const { list } = setUp(
      [{ ...ok('a'), ttlMs: 9_000, dropped: 1 } as ListAnswer],
      [{ ...ok('b'), ttlMs: 4_000, dropped: 2 } as ListAnswer],
    )
    expect(await list()).toMatchObject({ ttlMs: 4_000, dropped: 3 })
    expect(await setUp([ok('a')], [ok('b')]).list()).toMatchObject({ ttlMs: undefined })
  })

  it('lists what is there when one of them knows no such service, and says so when none does', async () => {
    expect(await setUp([NOT_FOUND], [ok('b')]).names()).toBe('b')
    expect(await setUp([NOT_FOUND], [NOT_FOUND]).list()).toEqual({ kind: 'not-found', authoritative: false })
    expect(await setUp([NOT_FOUND], [EMPTY]).list()).toMatchObject({ kind: 'ok', instances: [], authoritative: false })
  })

  it('is partial while one of them never answered, and cannot tell when that is all', async () => {
    expect(await setUp([new Error('down')], [ok('b')]).list()).toMatchObject({ kind: 'ok', partial: true })
    await expect(setUp([new Error('down')], [NOT_FOUND]).list()).rejects.toMatchObject({
      code: 'ERR_GATELESS_FAILOVER',
      message: 'all 1 failed: down',
    })
    await expect(setUp([() => Promise.reject(undefined)], [NOT_FOUND]).list()).rejects.toThrow('undefined')
  })

  it('represents one that fails by its last answer, until that is too old', async () => {
    const { names, list, clock, members } = setUp([ok('a')], [ok('b')], { maxStaleMs: 10_000 })
    await clock.advance(5_000)
    await names()
    members[0].script(new Error('down'))
    await clock.advance(10_000)
    expect(await list()).toMatchObject({ partial: false })
    expect(await names()).toBe('ab')
    await clock.advance(1)
    expect(await list()).toMatchObject({ partial: true, instances: [{ id: 'b' }] })
  })

  it('does not believe one that lost its memory, however much the others know', async () => {
    const { names, list, clock, members } = setUp([ok('a')], [ok('b', 'c', 'd')])
    await names()
    members[0].script(EMPTY)
    expect(await names()).toBe('abcd')
    expect(await list()).toMatchObject({ ttlMs: 30_000 })
    await clock.advance(29_999)
    expect(await names()).toBe('abcd')
    await clock.advance(1)
    expect(await names()).toBe('bcd')
    members[0].script(NOT_FOUND)
    expect(await names()).toBe('bcd')
  })

  it('is believed by the client when its own doubts are over: nobody waits twice', async () => {
    const { provider, members, clock } = setUp([ok('a')], [NOT_FOUND])
    await using client = new DiscoveryClient({ provider, clock, random: () => 0.5 })
    await client.discover('s')
    members[0].script(NOT_FOUND)
    await clock.advance(1_000)
    await client.refresh('s')
    await clock.advance(30_000)
    await expect(client.refresh('s')).rejects.toMatchObject({ code: 'ERR_GATELESS_SERVICE_NOT_FOUND' })
  })

  it('ignores old news of one of them', async () => {
    const { names, members } = setUp([{ ...ok('a'), version: 5 } as ListAnswer], [ok('b')])
    await names()
    members[0].script({ ...ok('z'), version: 4 } as ListAnswer)
    expect(await names()).toBe('ab')
  })

  it('takes garbage of one of them for a failure', async () => {
    const { names, members } = setUp([ok('a')], [ok('b')])
    await names()
    members[0].script({ kind: 'ok', instances: [null] } as never)
    expect(await names()).toBe('ab')
  })

  it('does not wait longer than timeoutMs for any', async () => {
    const { list, clock, members } = setUp(['hang'], [ok('b')])
    const answer = list()
    await clock.advance(2_000)
    expect(await answer).toMatchObject({ partial: true })
    expect(members[0].signals[0]?.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('ends at once with its caller', async () => {
    const { list, clock } = setUp(['hang'], ['hang'])
    const controller = new AbortController()
    const answer = list(controller.signal).catch((error: unknown) => error)
    const reason = new Error('closed')
    controller.abort(reason)
    expect(await answer).toBe(reason)
    expect(clock.pending).toBe(0)
  })

  it('watches where all of them can, and only there', async () => {
    const clock = new FakeClock()
    const registries = [new MemoryRegistry(), new MemoryRegistry()] as const
    for (const [index, registry] of registries.entries()) {
      registry.set('s', [{ id: `i${index}`, host: `10.0.0.${index + 1}`, port: 1 }])
    }
    expect(multi([registries[0], staticList({})]).watch).toBeUndefined()
    const provider = multi(registries, { clock })
    await using client = new DiscoveryClient({ provider, clock, random: () => 0.5 })
    const told: (string | undefined)[] = []
    client.watch('s', (instances) => told.push(ids(instances)?.join()))
    await clock.advance(100)
    registries[1].set('s', [
      { id: 'i1', host: '10.0.0.2', port: 1 },
      { id: 'i2', host: '10.0.0.3', port: 1 },
    ])
    await clock.advance(100)
    expect(told.at(-1)).toBe('i0,i1,i2')
    registries[0].endWatches(new Error('broken'))
    await clock.advance(10)
    expect(registries[1].watches.size).toBe(0)
    await clock.advance(60_000)
    expect(registries.map(({ watches }) => watches.size)).toEqual([1, 1])
  })

  it('says nothing of "no such service" before all of them have spoken', async () => {
    const pushed: ListAnswer[] = []
    const controller = new AbortController()
    const members = [new MemoryRegistry(), new MemoryRegistry()] as const
    members[1].silent = true
    const watch = multi(members).watch?.('s', {
      signal: controller.signal,
      push: (answer) => pushed.push(answer),
      alive: () => {},
    })
    expect(pushed).toEqual([])
    members[0].set('s', [{ id: 'a', host: 'a', port: 1 }])
    expect(pushed.at(-1)).toMatchObject({ kind: 'ok', partial: true })
    members[1].silent = false
    members[1].set('s', undefined)
    expect(pushed.at(-1)).toMatchObject({ kind: 'ok', partial: false })
    controller.abort()
    await expect(watch).rejects.toThrow()
    expect(members.map(({ watches }) => watches.size)).toEqual([0, 0])
  })
})

describe('multi, falling back', () => {
  const fallback = (first: Script[], second: Script[], options: MultiOptions = {}) =>
    setUp(first, second, { mode: 'fallback', ...options })

  it('asks only the first while that knows the service, even without instances', async () => {
    const { names, members } = fallback([ok('a'), EMPTY], [ok('b')])
    expect(await names()).toBe('a')
    expect(await names()).toBe('')
    expect(members[1].loads).toBe(0)
  })

  it('asks the next one for what the first does not know, or cannot say', async () => {
    expect(await fallback([NOT_FOUND], [ok('b')]).names()).toBe('b')
    expect(await fallback([new Error('down')], [ok('b')]).names()).toBe('b')
  })

  it('tells "no such service" from "I cannot tell"', async () => {
    expect(await fallback([NOT_FOUND], [NOT_FOUND]).list()).toEqual({ kind: 'not-found' })
    await expect(fallback([NOT_FOUND], [new Error('down')]).list()).rejects.toMatchObject({
      code: 'ERR_GATELESS_FAILOVER',
    })
  })

  it('prefers the first again when it has rested', async () => {
    const { names, clock, members } = fallback([new Error('down'), ok('a')], [ok('b')])
    expect(await names()).toBe('b')
    await clock.advance(29_999)
    expect(await names()).toBe('b')
    await clock.advance(1)
    expect(await names()).toBe('a')
    expect(members[0].loads).toBe(2)
  })

  it('with copies of one registry stays with who worked last', async () => {
    const { names, clock } = fallback([new Error('down'), ok('a')], [ok('b')], { order: 'sticky' })
    await names()
    await clock.advance(60_000)
    expect(await names()).toBe('b')
  })

  it('stops at once with its caller', async () => {
    const { list, members } = fallback(['hang'], [ok('b')])
    const controller = new AbortController()
    const answer = list(controller.signal).catch((error: unknown) => error)
    const reason = new Error('closed')
    controller.abort(reason)
    expect(await answer).toBe(reason)
    expect(members[1].loads).toBe(0)
  })

  it('does not watch', () => {
    expect(multi([new MemoryRegistry()], { mode: 'fallback' }).watch).toBeUndefined()
  })
})

describe('multi', () => {
  it('is named after its parts, and closes them all, also when one of them cannot', async () => {
    const { provider, members } = setUp([ok()], [ok()])
    expect(provider.name).toBe('merge of scripted, scripted')
    vi.spyOn(members[0], 'close').mockImplementation(() => {
      throw new Error('stuck')
    })
    await expect(provider.close?.()).rejects.toThrow('stuck')
    expect(members[1].closed).toBe(1)
    await multi([staticList({})], { mode: 'fallback' }).close?.()
  })

  it.each([
    [[], {}, 'multi: providers must be an array of at least one, got an array'],
    ['x', {}, 'multi: providers must be an array of at least one, got "x"'],
    [[null], {}, 'multi: each provider must be an object with list()'],
    [[{}], {}, 'multi: each provider must be an object with list()'],
    [[staticList({})], { mode: 'both' }, "mode must be one of 'merge', 'fallback'"],
    [[staticList({})], { timeoutMs: 0 }, 'timeoutMs must be a finite number from 1'],
    [[staticList({})], { ttlMs: 1 }, 'unknown option "ttlMs"'],
  ])('refuses %o with %o', (providers, options, message) => {
    expect(() => multi(providers as DiscoveryProvider[], options as never)).toThrow(message)
  })
})

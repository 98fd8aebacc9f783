import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isGatelessError } from '../../src/core/errors.ts'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../../src/discovery/options.ts'
import { readSnapshot, SnapshotProblem, writeSnapshot } from '../../src/discovery/snapshot-file.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { formatDate } from '../../src/time/clock.ts'
import { ids, instance, NOT_FOUND, ok, type Script, ScriptedProvider } from './scripted-provider.ts'

const HEADER = '{"format":"gateless discovery snapshot","version":1}'
const DAY_MS = 86_400_000

let folder: string
let path: string
const clients: DiscoveryClient[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gateless-snapshot-'))
  path = join(folder, 'cache', 'discovery.snapshot')
})

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  await rm(folder, { recursive: true })
})

function setUp(script: Script[], options: Partial<DiscoveryClientOptions> = {}, clock = new FakeClock(1_000_000)) {
  const provider = new ScriptedProvider(...script)
  const client = new DiscoveryClient({
    provider,
    clock,
    random: () => 0.5,
    errorBackoff: fixedBackoff({ delayMs: 1_000 }),
    ...options,
  })
  clients.push(client)
  const faults: string[] = []
  client.on('error', ({ event, error }) => faults.push(`${event}: ${(error as Error).message}`))
  return { client, provider, clock, faults }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((reason: unknown) => reason)
  return isGatelessError(error) ? error.code : `no gateless error: ${String(error)}`
}

/** A process that learned this, and ended. */
async function formerLife(names: Readonly<Record<string, string[]>>, at = 1_000_000): Promise<void> {
  const { client, provider } = setUp([ok('a')], { snapshot: { path } }, new FakeClock(at))
  for (const [service, known] of Object.entries(names)) {
    provider.script({
      ...ok(...known),
      instances: known.map((id) => ({ ...instance(id), serviceName: service })),
    } as never)
    await client.discover(service)
  }
  await client.close()
}

const exists = (): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

describe('a bootstrap list', () => {
  const bootstrap = { s: [{ id: 'boot', host: '10.0.0.9', port: 9 }] }

  it('is served when the provider fails at the very first, and said to be stale', async () => {
    const { client } = setUp([new Error('down'), ok('a')], { bootstrap })
    const heard: string[] = []
    client.on('changed', (event) => {
      expect(Object.keys(event)).toEqual(['service', 'added', 'removed', 'updated', 'instances', 'dropped'])
      heard.push(`changed ${ids(event.added)?.join()}`)
    })
    client.on('load-failed', () => heard.push('load-failed'))
    client.on('stale', ({ ageMs, error }) => heard.push(`stale ${ageMs} ${error.message}`))
    expect(ids(await client.discover('s'))).toEqual(['boot'])
    expect(heard).toEqual(['changed boot', 'load-failed', 'stale 0 discovery of "s" failed: down'])
    expect(client.metrics.fallbacks).toBe(1)
  })

  it('gives way to the first word of the provider', async () => {
    const { client, clock } = setUp([new Error('down'), ok('a')], { bootstrap })
    await client.discover('s')
    await clock.advance(1_000)
    await client.discover('s')
    await clock.advance(0)
    expect(ids(await client.discover('s'))).toEqual(['a'])
  })

  it('is not looked at when the provider answers', async () => {
    const { client } = setUp([ok('a')], { bootstrap })
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(client.metrics.fallbacks).toBe(0)
  })

  it('is served after fallbackAfterMs when the provider hangs, and gives way when it answers after all', async () => {
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof ok>>()
    const { client, clock } = setUp([() => promise], { bootstrap })
    const stale: string[] = []
    client.on('stale', ({ error }) => stale.push(error.message))
    const first = client.discover('s')
    let done = false
    void first.then(() => (done = true))
    await clock.advance(999)
    expect(done).toBe(false)
    await clock.advance(1)
    expect(ids(await first)).toEqual(['boot'])
    expect(ids(client.peek('s'))).toEqual(['boot'])
    expect(ids(await client.discover('s'))).toEqual(['boot'])
    expect(stale).toEqual(['discovery of "s" failed: the first wait for the provider timed out after 1000 ms'])
    resolve(ok('a'))
    await clock.advance(0)
    expect(ids(client.peek('s'))).toEqual(['a'])
  })

  it('stands against a registry that knows nothing on the first day, for as long as any list does', async () => {
    for (const nothing of [NOT_FOUND, ok()]) {
      const { client, clock } = setUp([nothing], { bootstrap })
      expect(ids(await client.discover('s'))).toEqual(['boot'])
      await clock.advance(29_999)
      expect(ids(await client.discover('s'))).toEqual(['boot'])
      await clock.advance(1)
      if (nothing === NOT_FOUND) expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
      else expect(await client.discover('s')).toEqual([])
    }
  })

  it('ends with maxStaleMs like every list', async () => {
    const { client, clock } = setUp([new Error('down')], { bootstrap, maxStaleMs: 10_000 })
    await client.discover('s')
    await clock.advance(10_000)
    expect(ids(await client.discover('s'))).toEqual(['boot'])
    await clock.advance(1)
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
  })

  it('helps only the services in it', async () => {
    const { client } = setUp([new Error('down'), NOT_FOUND], { bootstrap: { ...bootstrap, none: [] } })
    expect(await codeOf(client.discover('other'))).toBe('ERR_GATELESS_DISCOVERY')
    expect(await codeOf(client.discover('none'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
  })

  it('changes nothing about the wait for a service that is not in it', async () => {
    const { client, clock } = setUp(['hang'], { bootstrap })
    const stale: unknown[] = []
    client.on('stale', (event) => stale.push(event))
    let done = false
    const code = codeOf(client.discover('other')).finally(() => (done = true))
    await clock.advance(4_999)
    expect(done).toBe(false)
    await clock.advance(1)
    expect(await code).toBe('ERR_GATELESS_DISCOVERY')
    expect(stale).toEqual([])
  })

  it('is told to watchers', async () => {
    const { client, clock } = setUp(['hang'], { bootstrap })
    const told: unknown[] = []
    client.watch('s', (instances) => told.push(ids(instances)))
    await clock.advance(1_000)
    expect(told).toEqual([['boot']])
  })

  it('leaves no timer once the provider answered', async () => {
    const { client, clock } = setUp([ok('a')], { bootstrap })
    await client.discover('s')
    expect(clock.pending).toBe(0)
  })

  it('is dropped by a client that closes meanwhile', async () => {
    const { client, clock } = setUp(['hang'], { bootstrap })
    const code = codeOf(client.discover('s'))
    await client.close()
    await clock.advance(5_000)
    expect(await code).toBe('ERR_GATELESS_CLOSED')
    expect(clock.pending).toBe(0)
  })

  it('is refused by name where it is wrong', () => {
    expect(() => setUp([ok()], { bootstrap: { s: [{ host: 'a b', port: 1 }] } })).toThrow(
      'DiscoveryClient: bootstrap: "s"[0]: host must be a host name',
    )
    expect(() => setUp([ok()], { bootstrap: [] as never })).toThrow('DiscoveryClient: bootstrap: must be an object')
  })
})

describe('a snapshot', () => {
  it('lets a process start while the registry is down, with the age of what it serves', async () => {
    await formerLife({ s: ['a', 'b'] })
    const { client } = setUp([new Error('down')], { snapshot: { path } }, new FakeClock(1_600_000))
    expect(ids(await client.discover('s'))).toEqual(['a', 'b'])
    expect(client.ageMs('s')).toBe(600_000)
    expect(await client.discover('s')).toEqual([
      { ...instance('a'), serviceName: 's' },
      { ...instance('b'), serviceName: 's' },
    ])
  })

  it('knows better than the bootstrap list, which knows better than nothing', async () => {
    await formerLife({ s: ['a'] })
    const bootstrap = { s: [{ host: 'old', port: 1 }], t: [{ id: 'boot', host: 'boot', port: 1 }] }
    const { client } = setUp([new Error('down')], { snapshot: { path }, bootstrap })
    expect(ids(await client.discover('s'))).toEqual(['a'])
    expect(ids(await client.discover('t'))).toEqual(['boot'])
  })

  it('is not served once it is older than maxAgeMs', async () => {
    await formerLife({ s: ['a'] })
    const at = (ms: number) => setUp([new Error('down')], { snapshot: { path } }, new FakeClock(1_000_000 + ms)).client
    expect(ids(await at(DAY_MS).discover('s'))).toEqual(['a'])
    expect(await codeOf(at(DAY_MS + 1).discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
  })

  it('from the future is as good as new: the clock was set', async () => {
    await formerLife({ s: ['a'] }, 9_000_000)
    const { client } = setUp([new Error('down')], { snapshot: { path } })
    await client.discover('s')
    expect(client.ageMs('s')).toBe(0)
  })

  it('is written a second after the first news, then at most every intervalMs, and only after news', async () => {
    const { client, clock, provider } = setUp([ok('a')], { snapshot: { path, intervalMs: 20_000 } })
    await client.discover('s')
    await clock.advance(999)
    expect(clock.pending).toBe(1)
    expect(await exists()).toBe(false)
    await clock.advance(1)
    await vi.waitFor(async () => expect(await readSnapshot(path, 1e6)).toHaveLength(1))
    await vi.waitFor(() => expect(clock.pending).toBe(0))
    const { mtimeMs, ino } = await stat(path)
    await clock.advance(60_000)
    expect((await stat(path)).ino).toBe(ino)
    provider.script(ok('a', 'b'))
    await client.discover('s')
    await clock.advance(19_999)
    expect((await stat(path)).mtimeMs).toBe(mtimeMs)
    await clock.advance(1)
    await vi.waitFor(async () => expect((await readSnapshot(path, 1e6))[0]?.instances).toHaveLength(2))
  })

  it('is written by close() where there is news, readable by its owner only, with no other file left', async () => {
    const { client: first, clock } = setUp([ok('a')], { snapshot: { path } })
    await first.discover('s')
    expect(clock.pending).toBe(1)
    await first.close()
    expect(clock.pending).toBe(0)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(folder, 'cache'))).toEqual(['discovery.snapshot'])
    await rm(path)
    const { client } = setUp([new Error('down')], { snapshot: { path } })
    await codeOf(client.discover('s'))
    await client.close()
    expect(await exists()).toBe(false)
  })

  it('keeps what another run asked for, until that is too old', async () => {
    await formerLife({ s: ['a'], t: ['b'] })
    await formerLife({ s: ['c'] }, 2_000_000)
    const names = async () =>
      (await readSnapshot(path, 1e6)).map((each) => `${each.service} ${ids(each.instances)?.join()}`)
    expect(await names()).toEqual(['s c', 't b'])
    await formerLife({ s: ['d'] }, 2_000_000 + DAY_MS)
    expect(await names()).toEqual(['s d'])
  })

  it('does not contain services without instances, nor those that do not exist', async () => {
    const { client, provider } = setUp([ok('a')], { snapshot: { path } })
    await client.discover('s')
    provider.script(ok())
    await client.discover('empty')
    provider.script(NOT_FOUND)
    await codeOf(client.discover('absent'))
    await client.close()
    expect((await readSnapshot(path, 1e6)).map(({ service }) => service)).toEqual(['s'])
  })

  it('has the age of a list that is served stale, not that of the writing', async () => {
    await formerLife({ s: ['a'] })
    const { client, provider } = setUp([new Error('down'), ok('b')], { snapshot: { path } }, new FakeClock(1_500_000))
    await client.discover('s')
    provider.script(ok('b'))
    await client.discover('t')
    await client.close()
    expect((await readSnapshot(path, 1e6)).map(({ service, confirmedAt }) => [service, confirmedAt])).toEqual([
      ['t', 1_500_000],
      ['s', 1_000_000],
    ])
  })

  it('that cannot be written is reported, and nothing else happens', async () => {
    await writeFile(join(folder, 'cache'), 'a file where a folder should be')
    const { client, faults } = setUp([ok('a')], { snapshot: { path } })
    expect(ids(await client.discover('s'))).toEqual(['a'])
    await client.close()
    expect(faults.join()).toMatch(/snapshot: E(NOTDIR|EXIST)/)
  })

  it('that is garbage is reported once, and everything goes on without it', async () => {
    await formerLife({ s: ['a'] })
    await writeFile(path, '<html>')
    const { client, faults } = setUp([new Error('down')], { snapshot: { path } })
    expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
    expect(await codeOf(client.discover('t'))).toBe('ERR_GATELESS_DISCOVERY')
    expect(faults).toEqual([`snapshot: ${path} is no gateless discovery snapshot`])
  })

  it('is read at most once, and only when a provider keeps somebody waiting', async () => {
    await formerLife({ s: ['a'] })
    const { client } = setUp([new Error('down')], { snapshot: { path } })
    await client.discover('s')
    await rm(path)
    expect(await codeOf(client.discover('t'))).toBe('ERR_GATELESS_DISCOVERY')
  })

  it.each([
    [{}, TypeError, 'DiscoveryClient: snapshot: path must be a string'],
    [{ path: '' }, TypeError, 'path must be a string that is not empty'],
    [{ path: 'x', maxBytes: 1_023 }, RangeError, 'maxBytes must be an integer from 1024'],
    [{ path: 'x', maxAgeMs: 0 }, RangeError, 'maxAgeMs must be a finite number from 1'],
    [{ path: 'x', every: 5 }, TypeError, 'unknown option "every"'],
    ['x', TypeError, 'options must be an object'],
  ])('has options that are checked: %o', (snapshot, Complaint, message) => {
    const make = () => setUp([ok()], { snapshot: snapshot as never })
    expect(make).toThrow(Complaint)
    expect(make).toThrow(message)
  })
})

describe('the snapshot file', () => {
  const saved = (service: string, ...names: string[]) => ({
    service,
    instances: names.map((id) => ({ ...instance(id), serviceName: service })),
    confirmedAt: 1_000,
  })

  const line = (service: unknown, instances: unknown, confirmed_at: unknown = formatDate(5)): string =>
    JSON.stringify({ service, confirmed_at, instances })

  const write = async (...lines: string[]): Promise<void> => {
    await writeSnapshot(path, [], 1e6)
    await writeFile(path, lines.join('\n'))
  }

  it('comes back as it was written, also when it is longer than one piece', async () => {
    const all = Array.from({ length: 900 }, (_, i) => saved(`service-ü-${i}`, 'a', 'b', 'c'))
    await writeSnapshot(path, all, 1e7)
    expect((await stat(path)).size).toBeGreaterThan(3 * 65_536)
    expect(await readSnapshot(path, 1e7)).toEqual(all)
  })

  it('is nothing where there is none', async () => {
    expect(await readSnapshot(path, 1_024)).toEqual([])
  })

  it('cannot be read where that fails for another reason', async () => {
    await writeSnapshot(path, [], 1_024)
    await expect(readSnapshot(join(path, 'x'), 1_024)).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it('leaves out what does not fit, and keeps what does', async () => {
    const big = saved('big', ...Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i)))
    await writeSnapshot(path, [saved('one', 'a'), big, saved('two', 'b')], 1_024)
    expect((await readSnapshot(path, 1_024)).map(({ service }) => service)).toEqual(['one', 'two'])
    expect((await stat(path)).size).toBeLessThanOrEqual(1_024)
  })

  it('that is too long is not read', async () => {
    await write(HEADER, ' '.repeat(2_000))
    await expect(readSnapshot(path, 1_024)).rejects.toThrow(`${path} is longer than 1024 bytes`)
    await write(HEADER, ' '.repeat(5_000_000))
    await expect(readSnapshot(path, 1e7)).rejects.toThrow(SnapshotProblem)
  })

  it.each(['', '[]', 'null', '{}', '{"format":"x","version":1}', '\uFEFF<html>', '\0\0\0'])(
    'that begins with %j is none',
    async (text) => {
      await write(text)
      await expect(readSnapshot(path, 1e6)).rejects.toThrow(`${path} is no gateless discovery snapshot`)
    },
  )

  it('of another version is not read', async () => {
    await write('{"format":"gateless discovery snapshot","version":2}')
    await expect(readSnapshot(path, 1e6)).rejects.toThrow('is of another version than 1')
  })

  it('loses one service to a broken line, and no other', async () => {
    await write(
      HEADER,
      line('a', [{ host: '10.0.0.1', port: 1 }]),
      '{"service":"b","confirmed_at":',
      'null',
      '7',
      '',
      line('c\n', [{ host: '10.0.0.1', port: 1 }]),
      line('d', [{ host: '10.0.0.1', port: 1 }], 'yesterday'),
      line('d', [{ host: '10.0.0.1', port: 1 }], 5),
      line('e', 'no list'),
      line('f', [{ host: 'user@evil', port: 1 }]),
      line('g', [
        { host: 'user@evil', port: 1 },
        { host: '10.0.0.2', port: 2 },
      ]),
      line('h', [{ host: '10.0.0.1', port: 1, service_name: 'other' }]),
    )
    const read = await readSnapshot(path, 1e6)
    expect(read.map(({ service, instances }) => [service, ids(instances)])).toEqual([
      ['a', ['10.0.0.1:1']],
      ['g', ['10.0.0.2:2']],
    ])
  })

  it('has no prototype to offer to anybody', async () => {
    await write(
      HEADER,
      `{"service":"a","confirmed_at":"${formatDate(5)}","instances":[{"host":"a","port":1,"metadata":{"__proto__":"x"}}]}`,
    )
    const [read] = await readSnapshot(path, 1e6)
    expect(Object.getPrototypeOf(read?.instances[0]?.metadata)).toBeNull()
  })

  it('replaces a link instead of writing through it', async () => {
    await writeSnapshot(path, [], 1e6)
    const victim = join(folder, 'victim')
    await writeFile(victim, 'precious')
    await rm(path)
    await symlink(victim, path)
    await writeSnapshot(path, [saved('s', 'a')], 1e6)
    expect(await readFile(victim, 'utf8')).toBe('precious')
    expect(await readSnapshot(path, 1e6)).toHaveLength(1)
  })

  it('stays as it was when writing the next one fails, and nothing else stays', async () => {
    await writeSnapshot(path, [saved('s', 'a')], 1e6)
    const failing = function* () {
      yield saved('t', 'b')
      throw new Error('disk on fire')
    }
    await expect(writeSnapshot(path, failing(), 1e6)).rejects.toThrow('disk on fire')
    expect(await readSnapshot(path, 1e6)).toHaveLength(1)
    expect(await readdir(join(folder, 'cache'))).toEqual(['discovery.snapshot'])
  })
})

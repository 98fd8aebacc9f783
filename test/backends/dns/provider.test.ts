import { describe, expect, it } from 'vitest'
import type { NodeDns } from '../../../src/backends/dns/node-resolver.ts'
import { fromNodeDns, nodeResolver } from '../../../src/backends/dns/node-resolver.ts'
import { DnsError } from '../../../src/backends/dns/errors.ts'
import type { DnsRecordsOptions } from '../../../src/backends/dns/options.ts'
import { dnsRecords } from '../../../src/backends/dns/provider.ts'
import type { DnsRecord, DnsType, SrvRecord } from '../../../src/backends/dns/records.ts'
import { rankSrv } from '../../../src/backends/dns/srv.ts'
import type { ListAnswer } from '../../../src/discovery/provider.ts'
import { ScriptedResolver } from './scripted-resolver.ts'

type Listed = Extract<ListAnswer, { kind: 'ok' }>

function setUp(zone: Record<string, readonly Partial<DnsRecord>[]>, options: DnsRecordsOptions = {}) {
  const resolver = new ScriptedResolver()
  for (const [question, records] of Object.entries(zone)) {
    const type = question.split(' ')[0] as DnsType
    resolver.zone.set(question, records.map((record) => ({ type, ...record })) as readonly DnsRecord[])
  }
  const provider = dnsRecords({ resolver, ...options })
  const list = (service = 's', signal = new AbortController().signal) => provider.list(service, { signal })
  const listed = async (service = 's'): Promise<Listed> => (await list(service)) as Listed
  return { resolver, provider, list, listed }
}

const ADDRESS = { records: 'address', port: 8_080 } as const

const srv = (target: string, more: Partial<SrvRecord> = {}): SrvRecord => ({
  type: 'SRV',
  target,
  port: 80,
  priority: 10,
  weight: 5,
  ...more,
})

describe('addresses', () => {
  it('are instances at the given port, good for the shortest of their TTLs', async () => {
    const { listed } = setUp(
      {
        'A s': [
          { address: '10.0.0.1', ttlMs: 9_000 },
          { address: '10.0.0.2', ttlMs: 4_000 },
        ],
      },
      { ...ADDRESS, secure: true },
    )
    expect(await listed()).toMatchObject({
      kind: 'ok',
      ttlMs: 4_000,
      dropped: 0,
      partial: false,
      instances: [
        { id: '10.0.0.1:8080', host: '10.0.0.1', port: 8_080, secure: true, weight: 1, priority: 0, serviceName: 's' },
        { id: '10.0.0.2:8080' },
      ],
    })
  })

  it('are good for ttlMs where nobody says', async () => {
    const zone = { 'A s': [{ address: '10.0.0.1' }] }
    expect(await setUp(zone, ADDRESS).listed()).toMatchObject({ ttlMs: 30_000 })
    expect(await setUp(zone, { ...ADDRESS, ttlMs: 7 }).listed()).toMatchObject({ ttlMs: 7 })
  })

  it.each([
    ['prefer-ipv4', { 'A s': [{ address: '10.0.0.1' }], 'AAAA s': [{ address: 'fd00::1' }] }, '10.0.0.1:8080', 'A s'],
    ['prefer-ipv4', { 'AAAA s': [{ address: 'fd00::1' }] }, '[fd00::1]:8080', 'A s,AAAA s'],
    ['ipv4', { 'AAAA s': [{ address: 'fd00::1' }] }, '', 'A s'],
    ['ipv6', { 'A s': [{ address: '10.0.0.1' }], 'AAAA s': [{ address: 'FD00::1' }] }, '[fd00::1]:8080', 'AAAA s'],
    [
      'both',
      { 'A s': [{ address: '10.0.0.1' }], 'AAAA s': [{ address: 'fd00::1' }] },
      '10.0.0.1:8080 [fd00::1]:8080',
      'A s,AAAA s',
    ],
  ] as const)('of the family %s', async (family, zone, expected, asked) => {
    const { listed, resolver } = setUp(zone, { ...ADDRESS, family })
    expect((await listed()).instances.map(({ id }) => id).join(' ')).toBe(expected)
    expect(resolver.asked.join()).toBe(asked)
  })

  it('of a name that does not exist are no service, of one without any an empty list', async () => {
    const { list, resolver } = setUp({ 'TXT s': [] }, ADDRESS)
    expect(await list('nobody')).toEqual({ kind: 'not-found' })
    // NXDOMAIN is about the name: there is no second question.
    expect(resolver.asked).toEqual(['A nobody'])
    expect(await list()).toMatchObject({ kind: 'ok', instances: [] })
  })

  it('of which one family cannot be asked are partial, and an error where that is all', async () => {
    const { listed, list, resolver } = setUp({ 'A s': [{ address: '10.0.0.1' }] }, { ...ADDRESS, family: 'both' })
    resolver.faults.set('AAAA s', new DnsError('AAAA s', 'ESERVFAIL'))
    expect(await listed()).toMatchObject({ partial: true, instances: [{ host: '10.0.0.1' }] })
    resolver.faults.set('A s', new DnsError('A s', 'ESERVFAIL'))
    await expect(list()).rejects.toMatchObject({ code: 'ERR_GATELESS_DNS' })
    resolver.faults.delete('A s')
    resolver.zone.clear()
    // No such name by one, no answer by the other: that leaves it open.
    expect(await listed()).toMatchObject({ kind: 'ok', partial: true })
  })

  it('that are none, or come twice, are dropped and counted', async () => {
    const zone = { 'A s': ['10.0.0.1', '10.0.0.1', 'user@evil', '0x7f.1'].map((address) => ({ address })) }
    expect(await setUp(zone, ADDRESS).listed()).toMatchObject({ dropped: 3, instances: [{ host: '10.0.0.1' }] })
  })
})

describe('SRV records', () => {
  const zone = {
    'SRV _s._tcp.x': [srv('a.x', { port: 1, ttlMs: 20_000 }), srv('b.x', { port: 2, ttlMs: 10_000 })],
    'A a.x': [{ address: '10.0.0.1', ttlMs: 60_000 }],
    'A b.x': [{ address: '10.0.0.2', ttlMs: 60_000 }],
  }
  const options: DnsRecordsOptions = { toName: (name) => `_${name}._tcp.x` }

  it('are instances at the addresses of their targets', async () => {
    expect(await setUp(zone, options).listed()).toMatchObject({
      kind: 'ok',
      ttlMs: 10_000,
      partial: false,
      instances: [
        { id: '10.0.0.1:1', host: '10.0.0.1', port: 1, priority: 0, weight: 5, metadata: { dns_target: 'a.x' } },
        { id: '10.0.0.2:2', host: '10.0.0.2', port: 2 },
      ],
    })
  })

  it('keep the names of their targets under TLS, which asks nobody for addresses', async () => {
    const { listed, resolver } = setUp(zone, { ...options, secure: true })
    expect(await listed()).toMatchObject({
      ttlMs: 10_000,
      instances: [{ id: 'a.x:1', host: 'a.x', port: 1, secure: true }, { host: 'b.x' }],
    })
    expect(resolver.asked).toEqual(['SRV _s._tcp.x'])
  })

  it('are good for the shortest TTL of all, targets included', async () => {
    const short = { ...zone, 'A a.x': [{ address: '10.0.0.1', ttlMs: 3_000 }] }
    expect(await setUp(short, options).listed()).toMatchObject({ ttlMs: 3_000 })
  })

  it('without a TTL are good for that of their targets, but no longer than ttlMs', async () => {
    const untold = { ...zone, 'SRV _s._tcp.x': [srv('a.x'), srv('b.x')] }
    expect(await setUp(untold, options).listed()).toMatchObject({ ttlMs: 30_000 })
    expect(await setUp(untold, { ...options, ttlMs: 90_000 }).listed()).toMatchObject({ ttlMs: 60_000 })
    expect(await setUp(untold, { ...options, secure: true }).listed()).toMatchObject({ ttlMs: 30_000 })
  })

  it('share the weight of a target among its addresses', async () => {
    const { listed } = setUp({ ...zone, 'A a.x': [{ address: '10.0.0.1' }, { address: '10.0.0.9' }] }, options)
    expect((await listed()).instances.map(({ host, weight }) => [host, weight])).toEqual([
      ['10.0.0.1', 2.5],
      ['10.0.0.9', 2.5],
      ['10.0.0.2', 5],
    ])
  })

  it('ask once for a target that several name', async () => {
    const { listed, resolver } = setUp(
      { 'SRV s': [srv('a.x', { port: 1 }), srv('a.x', { port: 2 })], 'A a.x': [{ address: '10.0.0.1' }] },
      {},
    )
    expect((await listed()).instances).toHaveLength(2)
    expect(resolver.asked).toEqual(['SRV s', 'A a.x'])
  })

  it.each(['.', ''])('whose one target is %j say that there is decidedly nobody', async (target) => {
    const { listed, resolver } = setUp({ 'SRV s': [srv(target, { ttlMs: 5_000 })] })
    expect(await listed()).toEqual({ kind: 'ok', instances: [], ttlMs: 5_000, authoritative: true })
    expect(resolver.asked).toEqual(['SRV s'])
    expect(await setUp({ 'SRV s': [srv(target)] }).listed()).toMatchObject({ ttlMs: 30_000 })
  })

  it('that are none are an empty list, and no certainty', async () => {
    const answer = await setUp({ 'SRV s': [] }).listed()
    expect(answer).toMatchObject({ kind: 'ok', instances: [], ttlMs: 30_000 })
    expect(answer.authoritative).toBeUndefined()
    expect(await setUp({}).list()).toEqual({ kind: 'not-found' })
  })

  it('are partial where a target cannot be asked, dropped where it has no address, an error where all fail', async () => {
    const { listed, list, resolver } = setUp(zone, options)
    const broken = new DnsError('A a.x', 'ETIMEOUT')
    resolver.faults.set('A a.x', broken)
    expect(await listed()).toMatchObject({ partial: true, dropped: 0, instances: [{ host: '10.0.0.2' }] })
    resolver.faults.set('A b.x', broken)
    await expect(list()).rejects.toBe(broken)
    resolver.faults.clear()
    resolver.zone.set('A a.x', [])
    resolver.zone.delete('A b.x')
    expect(await listed()).toMatchObject({ partial: false, dropped: 2, instances: [] })
  })

  it('with ports and targets that make no sense are dropped', async () => {
    const { listed } = setUp({
      'SRV s': [srv('a.x', { port: 0 }), srv('a.x', { port: 1 })],
      'A a.x': [{ address: '10.0.0.1' }],
    })
    expect(await listed()).toMatchObject({ dropped: 1, instances: [{ port: 1 }] })
    const evil = setUp({ 'SRV s': [srv('user@evil'), srv('b.x')] }, { secure: true })
    expect(await evil.listed()).toMatchObject({ dropped: 1, instances: [{ host: 'b.x' }] })
  })

  it('are used up to a thousand, and never more than sixteen questions at once', async () => {
    const many = Array.from({ length: 1_001 }, (_, i) => srv(`h${i}.x`))
    const { resolver, provider } = setUp({ 'SRV s': many })
    let now = 0
    let most = 0
    const resolve = resolver.resolve.bind(resolver)
    resolver.resolve = async (name, type, context) => {
      if (type === 'SRV') return resolve(name, type, context)
      now += 1
      most = Math.max(most, now)
      await Promise.resolve()
      now -= 1
      const index = Number(name.slice(1, -2))
      return { kind: 'ok', records: [{ type: 'A', address: `10.0.${index >> 8}.${index & 255}` }] }
    }
    const answer = await provider.list('s', { signal: new AbortController().signal })
    expect(answer).toMatchObject({ dropped: 1 })
    expect((answer as Listed).instances).toHaveLength(1_000)
    expect(most).toBe(16)
  })

  it('are given up with their caller', async () => {
    const { list, resolver } = setUp(zone, options)
    const controller = new AbortController()
    const reason = new Error('left')
    resolver.faults.set('A a.x', new Error('too late'))
    const resolve = resolver.resolve.bind(resolver)
    resolver.resolve = (name, type, context) => {
      if (type === 'A') controller.abort(reason)
      return resolve(name, type, context)
    }
    await expect(list('s', controller.signal)).rejects.toBe(reason)
  })
})

describe('priorities and weights', () => {
  const ranked = (...records: readonly (readonly [number, number])[]) =>
    rankSrv(records.map(([priority, weight], i) => srv(`h${i}`, { priority, weight }))).map(
      ({ record, priority, weight }) => `${record.target} ${priority} ${weight}`,
    )

  it('are ranks, lowest first, whatever their distance', () => {
    expect(ranked([500, 1], [10, 1], [60_000, 1], [10, 2])).toEqual(['h3 0 2', 'h1 0 1', 'h0 1 1', 'h2 2 1'])
  })

  it('of 0 are equal shares among each other, a very small one next to others, and nobody is drained', () => {
    expect(ranked([1, 0], [1, 0])).toEqual(['h0 0 1', 'h1 0 1'])
    expect(ranked([1, 0], [1, 3])).toEqual(['h1 0 3', 'h0 0 0.1'])
    expect(ranked([1, 3], [2, 0])).toEqual(['h0 0 3', 'h1 1 1'])
  })

  it('beyond the 129th share the last rank', () => {
    const many = Array.from({ length: 131 }, (_, i) => [i, 1] as const)
    expect(ranked(...many).slice(-3)).toEqual(['h128 128 1', 'h129 128 1', 'h130 128 1'])
  })

  it('come in one order, whatever that of the answer', () => {
    const records = [srv('b'), srv('a', { port: 2 }), srv('a', { port: 1 })]
    const order = (list: SrvRecord[]) => rankSrv(list).map(({ record }) => `${record.target}:${record.port}`)
    expect(order(records)).toEqual(order(records.toReversed()))
    expect(order(records)).toEqual(['a:1', 'a:2', 'b:80'])
  })
})

describe('names', () => {
  it('that cannot be asked for belong to no service', async () => {
    const { list, resolver } = setUp({})
    const odd = ['', '.', 'a..b', 'a b', 'ü', 'a/b', 'x'.repeat(64), 'a.'.repeat(128), 'a'.repeat(300), 7 as never]
    for (const name of odd) expect(await list(name)).toEqual({ kind: 'not-found' })
    expect(resolver.asked).toEqual([])
  })

  it.each(['a', '_http._tcp.example.com.', 'x'.repeat(63), `${'a.'.repeat(126)}a`])(
    'like %s are asked for',
    async (name) => {
      const { list, resolver } = setUp({})
      await list(name)
      expect(resolver.asked).toEqual([`SRV ${name}`])
    },
  )
})

describe('a resolver', () => {
  it('that breaks its contract, or fails without a word, failed', async () => {
    for (const fault of ['garbage', new Error('x')] as const) {
      const { list, resolver } = setUp({})
      resolver.fault = fault
      await expect(list()).rejects.toMatchObject({ name: 'DnsError', message: 'SRV s: failed', question: 'SRV s' })
    }
  })

  it('is closed with the provider', async () => {
    const { provider, resolver } = setUp({})
    await provider.close?.()
    expect(resolver.closed).toBe(1)
    expect(provider.name).toBe('DNS SRV records')
    await dnsRecords({ resolver: { resolve: () => Promise.resolve({ kind: 'no-such-name' }) } }).close?.()
  })
})

describe('the resolver of Node', () => {
  const dns = (more: Partial<NodeDns> = {}): NodeDns => ({
    resolve4: () => Promise.resolve([{ address: '10.0.0.1', ttl: 7 }]),
    resolve6: () => Promise.resolve([{ address: 'fd00::1', ttl: 8 }]),
    resolveSrv: () => Promise.resolve([{ name: 'a.x', port: 1, priority: 2, weight: 3 }]),
    cancel: () => {},
    ...more,
  })
  const context = { signal: new AbortController().signal }

  it('tells TTLs of addresses in milliseconds, and none of SRV records', async () => {
    const resolver = fromNodeDns(dns())
    expect(await resolver.resolve('n', 'A', context)).toEqual({
      kind: 'ok',
      records: [{ type: 'A', address: '10.0.0.1', ttlMs: 7_000 }],
    })
    expect(await resolver.resolve('n', 'AAAA', context)).toEqual({
      kind: 'ok',
      records: [{ type: 'AAAA', address: 'fd00::1', ttlMs: 8_000 }],
    })
    expect(await resolver.resolve('n', 'SRV', context)).toEqual({
      kind: 'ok',
      records: [{ type: 'SRV', target: 'a.x', port: 1, priority: 2, weight: 3 }],
    })
  })

  it.each([
    ['ENOTFOUND', { kind: 'no-such-name' }],
    ['ENODATA', { kind: 'ok', records: [] }],
  ])('takes %s for an answer', async (code, answer) => {
    const resolver = fromNodeDns(dns({ resolve4: () => Promise.reject(Object.assign(new Error('x'), { code })) }))
    expect(await resolver.resolve('n', 'A', context)).toEqual(answer)
  })

  it.each(['ESERVFAIL', 'ETIMEOUT', 'ECONNREFUSED', 'EREFUSED', 'ECANCELLED'])('takes %s for none', async (code) => {
    const cause = Object.assign(new Error('x'), { code })
    const resolver = fromNodeDns(dns({ resolveSrv: () => Promise.reject(cause) }))
    await expect(resolver.resolve('n', 'SRV', context)).rejects.toMatchObject({
      code: 'ERR_GATELESS_DNS',
      message: `SRV n: ${code}`,
      reason: code,
      cause,
    })
  })

  it('finds words for an error without a code, and asks nothing for somebody who left', async () => {
    const resolver = fromNodeDns(dns({ resolve6: () => Promise.reject(new Error('odd')) }))
    await expect(resolver.resolve('n', 'AAAA', context)).rejects.toMatchObject({
      message: 'AAAA n: odd',
      reason: undefined,
    })
    const reason = new Error('left')
    await expect(resolver.resolve('n', 'A', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it.each([
    [{ servers: [] }, 'nodeResolver: servers must be an array of addresses'],
    [{ servers: 'x' }, 'servers must be an array of addresses, got "x"'],
    [{ servers: ['nonsense'] }, 'Invalid IP address: nonsense'],
    [{ tries: 0 }, 'tries must be an integer from 1 up to 10'],
    [{ timeoutMs: 0 }, 'timeoutMs must be a finite number from 1'],
    [{ server: 'x' }, 'unknown option "server"'],
  ])('refuses %o', (options, message) => {
    expect(() => nodeResolver(options as never)).toThrow(message)
  })

  it('takes its options, and is closed', async () => {
    await nodeResolver({ servers: ['127.0.0.1:5353'], timeoutMs: 10, tries: 1 }).close?.()
  })
})

describe('options of dnsRecords', () => {
  it.each([
    [{ records: 'TXT' }, "dnsRecords: records must be one of 'SRV', 'address'"],
    [{ records: 'address' }, "port must be given with records: 'address', got undefined"],
    [{ port: 80 }, "port must be left out with records: 'SRV', which name one, got 80"],
    [{ ...ADDRESS, port: 65_536 }, 'port must be an integer from 1 up to 65535'],
    [{ family: 'ipv5' }, 'family must be one of'],
    [{ toName: 'x' }, 'toName must be a function'],
    [{ resolver: {} }, 'resolver must be an object with resolve()'],
    [{ ttlMs: 0 }, 'ttlMs must be a finite number from 1'],
    [{ ttl: 1 }, 'unknown option "ttl"'],
  ])('refuse %o', (options, message) => {
    expect(() => dnsRecords(options as never)).toThrow(message)
  })

  it('may all be left out', async () => {
    await dnsRecords().close?.()
  })
})

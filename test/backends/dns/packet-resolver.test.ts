import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseServer } from '../../../src/backends/dns/name-server.ts'
import { type DnsPacket, packetResolver } from '../../../src/backends/dns/packet-resolver.ts'
import type { DnsAnswer, DnsType } from '../../../src/backends/dns/records.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { codec, NameServerFake } from './name-server.ts'

let server: NameServerFake

beforeEach(async () => {
  server = await new NameServerFake().listen()
})

afterEach(() => server.close())

function ask(type: DnsType = 'A', name = 'a.x', options: object = {}, signal?: AbortSignal): Promise<DnsAnswer> {
  const resolver = packetResolver(codec, { servers: [server.address], tries: 1, ...options })
  return resolver.resolve(name, type, { signal: signal ?? new AbortController().signal })
}

const response = (query: DnsPacket, more: Partial<DnsPacket> = {}): DnsPacket => ({
  type: 'response',
  id: query.id ?? 0,
  flags: 0,
  questions: query.questions ?? [],
  answers: [{ type: 'A', ttl: 5, data: '10.0.0.1' }],
  ...more,
})

describe('packetResolver', () => {
  it('tells records with their TTLs, those of SRV records as well', async () => {
    server.zone.set('A a.x', [{ type: 'A', ttl: 7, data: '10.0.0.1' }])
    server.zone.set('AAAA a.x', [{ type: 'AAAA', ttl: 8, data: 'fd00::1' }])
    const data = { priority: 1, weight: 2, port: 3, target: 'a.x' }
    server.zone.set('SRV _s._tcp.x', [{ type: 'SRV', ttl: 9, data }])
    expect(await ask()).toEqual({ kind: 'ok', records: [{ type: 'A', address: '10.0.0.1', ttlMs: 7_000 }] })
    expect(await ask('AAAA')).toEqual({
      kind: 'ok',
      records: [{ type: 'AAAA', address: 'fd00:0:0:0:0:0:0:1', ttlMs: 8_000 }],
    })
    expect(await ask('SRV', '_s._tcp.x')).toEqual({ kind: 'ok', records: [{ type: 'SRV', ttlMs: 9_000, ...data }] })
    expect(server.lastQuery).toMatchObject({ type: 'query', flags: 0x0100 })
  })

  it('tells a name that does not exist from one without such records', async () => {
    server.zone.set('A a.x', [])
    expect(await ask('A', 'nobody.x')).toEqual({ kind: 'no-such-name' })
    expect(await ask('AAAA', 'a.x')).toEqual({ kind: 'ok', records: [] })
  })

  it('finds records behind an alias, and leaves the alias out', async () => {
    server.zone.set('A a.x', [
      { type: 'CNAME', ttl: 1, data: 'b.x' },
      { type: 'A', name: 'b.x', ttl: 2, data: '10.0.0.1' },
    ])
    expect(await ask('A', 'A.x.')).toEqual({ kind: 'no-such-name' })
    expect(await ask()).toEqual({ kind: 'ok', records: [{ type: 'A', address: '10.0.0.1', ttlMs: 2_000 }] })
  })

  it('asks again over TCP for what is too long for UDP', async () => {
    const many = Array.from({ length: 200 }, (_, i) => ({
      type: 'SRV',
      ttl: 5,
      data: { priority: 1, weight: 1, port: i, target: `host-${i}.x` },
    }))
    server.zone.set('SRV s.x', many)
    const answer = await ask('SRV', 's.x')
    expect(answer).toMatchObject({ kind: 'ok' })
    expect((answer as Extract<DnsAnswer, { kind: 'ok' }>).records).toHaveLength(200)
    expect(server.asked).toEqual(['udp SRV s.x', 'tcp SRV s.x'])
  })

  it.each([
    [1, 'EFORMERR'],
    [2, 'ESERVFAIL'],
    [4, 'ENOTIMP'],
    [5, 'EREFUSED'],
    [9, 'code 9'],
  ])('takes the response code %d for no answer: %s', async (code, reason) => {
    server.code = code
    await expect(ask()).rejects.toMatchObject({ name: 'DnsError', message: `A a.x: ${reason}`, reason })
  })

  it('drops what is no answer to its question, and waits on', async () => {
    const lie = { answers: [{ type: 'A', ttl: 1, data: '10.6.6.6' }] }
    server.answer = (query) => [
      Buffer.from('garbage'),
      response(query, { ...lie, id: ((query.id ?? 0) + 1) & 0xffff }),
      response(query, { ...lie, type: 'query' }),
      response(query, { ...lie, questions: [{ type: 'A', name: 'other.x' }] }),
      response(query, { ...lie, questions: [{ type: 'AAAA', name: 'a.x' }] }),
      response(query, { ...lie, questions: [] }),
      response(query, { questions: [{ type: 'A', name: 'A.X' }] }),
      response(query, lie),
    ]
    expect(await ask()).toMatchObject({ records: [{ address: '10.0.0.1' }] })
  })

  it('leaves out records whose data makes no sense', async () => {
    const odd = {
      ...codec,
      decode: (bytes: Buffer): DnsPacket => ({
        ...codec.decode(bytes),
        answers: [
          { type: 'SRV', data: null },
          { type: 'SRV', data: { target: 7, port: 1 } },
          { type: 'SRV', data: { target: 'a', port: '1' } },
          { type: 'SRV', data: { target: 'a', port: 1, weight: 'x' } },
          { type: 'SRV', data: { target: 'a', port: 1 } },
        ],
      }),
    }
    server.zone.set('SRV s', [])
    const resolver = packetResolver(odd, { servers: [server.address] })
    expect(await resolver.resolve('s', 'SRV', { signal: new AbortController().signal })).toEqual({
      kind: 'ok',
      records: [{ type: 'SRV', target: 'a', port: 1, priority: 0, weight: 0, ttlMs: undefined }],
    })
  })

  it('asks the next server, each as often as it may', async () => {
    const second = await new NameServerFake().listen()
    second.zone.set('A a.x', [{ type: 'A', ttl: 1, data: '10.0.0.2' }])
    server.code = 2
    const answer = await ask('A', 'a.x', { servers: [server.address, second.address] })
    expect(answer).toMatchObject({ records: [{ address: '10.0.0.2' }] })
    await second.close()
    server.asked.length = 0
    await expect(ask('A', 'a.x', { servers: [server.address], tries: 3 })).rejects.toThrow('ESERVFAIL')
    expect(server.asked).toHaveLength(3)
  })

  it('gives up on a server that says nothing, over UDP and over TCP', async () => {
    server.answer = () => ['drop']
    await expect(ask('A', 'a.x', { timeoutMs: 20 })).rejects.toMatchObject({
      name: 'DnsError',
      message: 'A a.x: call timed out after 20 ms',
    })
    server.answer = (query, transport) => (transport === 'tcp' ? [] : [response(query, { flags: 0x0200 })])
    await expect(ask()).rejects.toThrow('closed the connection without an answer')
    server.answer = (query, transport) =>
      transport === 'tcp' ? [Buffer.from('garbage')] : [response(query, { flags: 0x0200 })]
    await expect(ask()).rejects.toThrow('answered something else over TCP')
  })

  it('says at once when nobody listens', async () => {
    const gone = await new NameServerFake().listen()
    const { address } = gone
    await gone.close()
    await expect(ask('A', 'a.x', { servers: [address] })).rejects.toThrow('ECONNREFUSED')
  })

  it('stops at once with its caller, and leaves no socket', async () => {
    const sockets: Socket[] = []
    const closed = new Set<Socket>()
    const onSocket = (message: unknown): void => {
      const { socket } = message as { socket: Socket }
      sockets.push(socket)
      socket.once('close', () => closed.add(socket))
    }
    subscribe('udp.socket', onSocket)
    server.answer = () => ['drop']
    const controller = new AbortController()
    const clock = new FakeClock()
    const answer = ask('A', 'a.x', { timeoutMs: 5_000, tries: 5, clock }, controller.signal).catch(
      (error: unknown) => error,
    )
    const reason = new Error('left')
    controller.abort(reason)
    expect(await answer).toBe(reason)
    await expect(ask('A', 'a.x', {}, controller.signal)).rejects.toBe(reason)
    unsubscribe('udp.socket', onSocket)
    expect(sockets).toHaveLength(1)
    const [socket] = sockets
    if (!closed.has(socket as Socket)) await once(socket as Socket, 'close')
    expect(clock.pending).toBe(0)
  })

  it.each([
    [undefined, {}, 'packetResolver: codec must be the package dns-packet'],
    [{ encode: () => {} }, {}, 'packetResolver: codec must be the package dns-packet'],
    [codec, { servers: [] }, 'packetResolver: servers must be an array of addresses'],
    [codec, { servers: 'x' }, 'servers must be an array of addresses'],
    [codec, { servers: ['a.name'] }, 'servers must be an array of addresses'],
    [codec, { timeoutMs: 0 }, 'timeoutMs must be a finite number from 1'],
    [codec, { tries: 11 }, 'tries must be an integer from 1 up to 10'],
    [codec, { server: 'x' }, 'unknown option "server"'],
  ])('refuses what makes no sense: %o, %o', (given, options, message) => {
    expect(() => packetResolver(given as never, options as never)).toThrow(message)
  })
})

describe('the address of a name server', () => {
  it.each([
    ['10.0.0.2', { address: '10.0.0.2', port: 53, family: 4 }],
    ['10.0.0.2:5353', { address: '10.0.0.2', port: 5_353, family: 4 }],
    ['fd00::2', { address: 'fd00::2', port: 53, family: 6 }],
    ['[fd00::2]', { address: 'fd00::2', port: 53, family: 6 }],
    ['[fd00::2]:65535', { address: 'fd00::2', port: 65_535, family: 6 }],
    ['10.0.0.2:0', undefined],
    ['10.0.0.2:65536', undefined],
    ['10.0.0:53', undefined],
    ['[10.0.0.2', undefined],
    ['ns.example.com', undefined],
    ['', undefined],
    [7, undefined],
  ])('%s', (text, expected) => {
    expect(parseServer(text)).toEqual(expected)
  })
})

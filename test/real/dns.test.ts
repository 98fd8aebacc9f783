import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeResolver } from '../../src/backends/dns/node-resolver.ts'
import { packetResolver } from '../../src/backends/dns/packet-resolver.ts'
import { dnsRecords } from '../../src/backends/dns/provider.ts'
import type { DnsResolver } from '../../src/backends/dns/records.ts'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { codec, NameServerFake } from '../backends/dns/name-server.ts'

/** The DNS provider against a name server on real sockets, by both of its resolvers: c-ares is an independent client. */

const RESOLVERS: readonly (readonly [string, (address: string) => DnsResolver])[] = [
  ['nodeResolver', (address) => nodeResolver({ servers: [address], timeoutMs: 200, tries: 1 })],
  ['packetResolver', (address) => packetResolver(codec, { servers: [address], timeoutMs: 200, tries: 1 })],
]

describe.each(RESOLVERS)('dnsRecords by %s', (name, resolverOf) => {
  let server: NameServerFake
  let clock: FakeClock
  let client: DiscoveryClient

  const addresses = async (): Promise<string[]> => {
    const instances = await client.refresh('orders')
    return instances.map(({ host, port, priority, weight }) => `${host}:${port} ${priority} ${weight}`)
  }

  const later = async (): Promise<string[]> => {
    await clock.advance(31_000)
    return addresses()
  }

  const publish = (...targets: readonly (readonly [target: string, port: number, priority: number])[]): void => {
    server.zone.set(
      'SRV _orders._tcp.test',
      targets.map(([target, port, priority]) => ({
        type: 'SRV',
        name: '_orders._tcp.test',
        ttl: 3,
        data: { priority, weight: 7, port, target },
      })),
    )
  }

  beforeEach(async () => {
    server = await new NameServerFake().listen()
    clock = new FakeClock()
    server.zone.set('A a.test', [{ type: 'A', name: 'a.test', ttl: 60, data: '127.0.0.1' }])
    server.zone.set('A b.test', [{ type: 'A', name: 'b.test', ttl: 60, data: '127.0.0.2' }])
    publish(['a.test', 8_081, 20], ['b.test', 8_082, 10])
    const provider = dnsRecords({ resolver: resolverOf(server.address), toName: (each) => `_${each}._tcp.test` })
    client = new DiscoveryClient({ provider, clock, random: () => 0.5 })
  })

  afterEach(async () => {
    await client.close()
    await server.close()
  })

  it('finds instances with their priorities and weights', async () => {
    expect(await addresses()).toEqual(['127.0.0.2:8082 0 7', '127.0.0.1:8081 1 7'])
  })

  it('sees a change when the TTL is over', async () => {
    await addresses()
    publish(['a.test', 8_081, 20])
    const ttlMs = name === 'packetResolver' ? 3_000 : 30_000
    await clock.advance(ttlMs - 1)
    expect(client.peek('orders')).toHaveLength(2)
    await clock.advance(1)
    expect(await client.discover('orders')).toHaveLength(1)
  })

  it('tells no such service, nobody, and cannot tell apart', async () => {
    await expect(client.discover('nobody')).rejects.toMatchObject({ code: 'ERR_GATELESS_SERVICE_NOT_FOUND' })
    server.zone.set('A _empty._tcp.test', [])
    expect(await client.discover('empty')).toEqual([])
    server.code = 2
    await expect(client.discover('broken')).rejects.toMatchObject({ code: 'ERR_GATELESS_DISCOVERY' })
  })

  it('serves on while the name server fails or is gone, and sees the news when it is back', async () => {
    await addresses()
    server.code = 2
    expect(await later()).toHaveLength(2)
    server.code = 0
    publish(['b.test', 9_000, 1])
    expect(await later()).toEqual(['127.0.0.2:9000 0 7'])
  })

  it('believes the target "." at once', async () => {
    await addresses()
    publish(['.', 0, 0])
    expect(await later()).toEqual([])
  })

  it('reads an answer that is too long for UDP', async () => {
    publish(...Array.from({ length: 200 }, (_, i) => ['a.test', 1_000 + i, 1] as const))
    server.udpLimit = 512
    expect(await addresses()).toHaveLength(200)
    expect(server.asked.slice(0, 2)).toEqual(['udp SRV _orders._tcp.test', 'tcp SRV _orders._tcp.test'])
  })
})

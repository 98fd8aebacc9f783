import { parseInstance } from '../../core/parse-instance.ts'
import type { ServiceInstance } from '../../core/instance.ts'
import { parseHost, urlHost } from '../../core/host.ts'
import type { DiscoveryProvider, ListAnswer, ListContext } from '../../discovery/provider.ts'
import { findAddresses, findSrv } from './lookup.ts'
import { type DnsRecordsOptions, type DnsSettings, readDnsOptions } from './options.ts'
import type { AddressRecord, SrvRecord } from './records.ts'
import { rankSrv } from './srv.ts'

/**
 * A provider that asks DNS: SRV records (Consul, Kubernetes' headless services, a zone file), or the addresses of one
 * name with a port that is known.
 *
 * When to use: where DNS is what there is. It tells nobody of changes: they are seen when the TTL is over.
 *
 * Gotchas: an instance is an address and a port, so one that moves is a new one. The priorities of SRV records become
 * 0, 1, 2 … in their order, and their weights shares within one priority; a weight of 0 among others becomes a very
 * small share, as RFC 2782 asks, and not none. No such name is "no such service", no records is an empty list, and
 * everything that leaves it open (SERVFAIL, no answer) is an error.
 *
 * @example
 * const provider = dnsRecords({ toName: (name) => `_${name}._tcp.example.com` })
 *
 * @throws {TypeError | RangeError} naming option, value and range.
 */
export function dnsRecords(options?: DnsRecordsOptions): DiscoveryProvider {
  const settings = readDnsOptions(options)
  const find = settings.records === 'SRV' ? listSrv : listAddresses
  return Object.freeze({
    name: `DNS ${settings.records} records`,
    close: () => settings.resolver.close?.(),
    async list(serviceName: string, { signal }: ListContext): Promise<ListAnswer> {
      const name = settings.toName(serviceName)
      // No query can be made of it, and the provider cannot be blamed for that.
      return isDomainName(name) ? find(settings, serviceName, name, signal) : { kind: 'not-found' }
    },
  })
}

/** Records of one answer that are used, the others count as dropped: each target is a question of its own. */
const MAX_RECORDS = 1_000

/** Questions about targets that are asked at once. */
const PARALLEL = 16

async function listAddresses(
  settings: DnsSettings,
  serviceName: string,
  name: string,
  signal: AbortSignal,
): Promise<ListAnswer> {
  const { resolver, family, port, secure, ttlMs } = settings
  const { exists, addresses, isPartial } = await findAddresses(resolver, name, family, signal)
  if (!exists && !isPartial) return { kind: 'not-found' }
  const found = new Collected(serviceName, secure)
  for (const { address } of addresses) found.add({ host: address, port })
  return found.answer(shortest(addresses) ?? ttlMs, isPartial)
}

async function listSrv(
  settings: DnsSettings,
  serviceName: string,
  name: string,
  signal: AbortSignal,
): Promise<ListAnswer> {
  const { resolver, family, secure } = settings
  const records = await findSrv(resolver, name, signal)
  if (records === undefined) return { kind: 'not-found' }
  // RFC 2782: the one target "." says that the service is decidedly not available.
  if (records.length > 0 && records.every(({ target }) => isRoot(target))) {
    return { kind: 'ok', instances: [], ttlMs: shortest(records) ?? settings.ttlMs, authoritative: true }
  }
  const ranked = rankSrv(records.filter(({ target }) => !isRoot(target)))
  const used = ranked.slice(0, MAX_RECORDS)
  const found = new Collected(serviceName, secure, ranked.length - used.length)
  if (secure) {
    for (const { record, priority, weight } of used) {
      found.add({ host: record.target, port: record.port, priority, weight })
    }
    return found.answer(shortest(records) ?? settings.ttlMs, false)
  }
  const targets = [...new Set(used.map(({ record }) => record.target))]
  const resolved = new Map<string, readonly AddressRecord[] | Error>()
  let isPartial = false
  await inParallel(targets, PARALLEL, async (target) => {
    try {
      const { addresses, isPartial: isSome } = await findAddresses(resolver, target, family, signal)
      resolved.set(target, addresses)
      isPartial ||= isSome
    } catch (error) {
      signal.throwIfAborted()
      resolved.set(target, error as Error)
      isPartial = true
    }
  })
  const problems = [...resolved.values()].filter((result) => result instanceof Error)
  // Nothing is known of any of them: that is no list without instances.
  if (problems.length > 0 && problems.length === targets.length) throw problems[0]
  const all: (AddressRecord | SrvRecord)[] = [...records]
  for (const { record, priority, weight } of used) {
    const addresses = resolved.get(record.target)
    if (addresses === undefined || addresses instanceof Error) continue
    all.push(...addresses)
    // A target without an address is an entry that makes no sense.
    if (addresses.length === 0) found.drop()
    for (const { address } of addresses) {
      const metadata = { dns_target: record.target }
      // Its hosts share what the record says.
      found.add({ host: address, port: record.port, priority, weight: weight / addresses.length, metadata })
    }
  }
  const srvTtlMs = shortest(records)
  // Where only the targets' TTL is known it bounds the answer, but a long one says nothing about the records.
  const ttlMs = srvTtlMs === undefined ? Math.min(settings.ttlMs, shortest(all) ?? settings.ttlMs) : shortest(all)
  return found.answer(ttlMs ?? settings.ttlMs, isPartial)
}

/** The instances of one answer, read like those of any registry. */
class Collected {
  readonly #serviceName: string
  readonly #secure: boolean
  readonly #instances = new Map<string, ServiceInstance>()
  #dropped: number

  constructor(serviceName: string, secure: boolean, dropped = 0) {
    this.#serviceName = serviceName
    this.#secure = secure
    this.#dropped = dropped
  }

  add(entry: { readonly host: string; readonly port: number } & Record<string, unknown>): void {
    const id = `${urlHost(parseHost(entry.host) ?? '')}:${entry.port}`
    const instance = parseInstance({ ...entry, id, secure: this.#secure }, this.#serviceName)
    if (instance === undefined || this.#instances.has(id)) this.drop()
    else this.#instances.set(id, instance)
  }

  drop(): void {
    this.#dropped += 1
  }

  answer(ttlMs: number, partial: boolean): ListAnswer {
    return { kind: 'ok', instances: [...this.#instances.values()], ttlMs, dropped: this.#dropped, partial }
  }
}

function isRoot(target: string): boolean {
  return target === '' || target === '.'
}

/** What fits into a question (RFC 1035): labels of 1 to 63 bytes, 253 in all. */
function isDomainName(name: unknown): name is string {
  if (typeof name !== 'string' || name.length > 254) return false
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  return bare.length <= 253 && bare.split('.').every((label) => /^[\w-]{1,63}$/.test(label))
}

function shortest(records: readonly { readonly ttlMs?: number | undefined }[]): number | undefined {
  const ttls = records.map(({ ttlMs }) => ttlMs).filter((ttlMs) => ttlMs !== undefined)
  return ttls.length === 0 ? undefined : Math.min(...ttls)
}

async function inParallel<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    // One iterator for all workers: each takes the next item.
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

import { promises as dns } from 'node:dns'
import { describeThrown } from '../../core/errors.ts'
import { OptionReader } from '../../core/options.ts'
import { DnsError } from './errors.ts'
import type { DnsAnswer, DnsContext, DnsRecord, DnsResolver, DnsType } from './records.ts'

/** Options of {@link nodeResolver}. */
export interface NodeResolverOptions {
  /** Name servers, like `10.0.0.2` or `[::1]:5353`. @default those of the system */
  readonly servers?: readonly string[]
  /** Of one query to one server, in milliseconds, from 1; c-ares waits about twice that. @default 1_000 */
  readonly timeoutMs?: number
  /** How often each server is asked, an integer from 1. @default 2 */
  readonly tries?: number
}

/** The part of `node:dns`'s Resolver that is used here. */
export interface NodeDns {
  resolve4(name: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolveSrv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>
  cancel(): void
}

/**
 * Asks through `node:dns` (c-ares, not the system's `getaddrinfo`): no hosts file, no cache, nothing coalesced.
 *
 * Gotchas: Node tells the TTL of addresses but of no SRV record (none of 22, 24 and 26 does); `packetResolver` does.
 *
 * @throws {TypeError | RangeError} for options that make no sense.
 */
export function nodeResolver(options?: NodeResolverOptions): DnsResolver {
  const read = new OptionReader('nodeResolver', options)
  const servers = read.raw('servers')
  const timeout = read.duration('timeoutMs', 1_000, 1)
  const tries = read.number('tries', { default: 2, min: 1, max: 10, integer: true })
  read.end()
  const resolver = new dns.Resolver({ timeout, tries })
  if (servers !== undefined) {
    if (!Array.isArray(servers) || servers.length === 0) read.refuse('servers', 'an array of addresses')
    // Says itself what is wrong with an address.
    resolver.setServers(servers as string[])
  }
  return fromNodeDns(resolver)
}

/** @internal The same around a given resolver. */
export function fromNodeDns(resolver: NodeDns): DnsResolver {
  return {
    close: () => resolver.cancel(),
    async resolve(name: string, type: DnsType, { signal }: DnsContext): Promise<DnsAnswer> {
      signal.throwIfAborted()
      try {
        return { kind: 'ok', records: await ask(resolver, name, type) }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOTFOUND') return { kind: 'no-such-name' }
        if (code === 'ENODATA') return { kind: 'ok', records: [] }
        const details = { cause: error, ...(code === undefined ? {} : { reason: code }) }
        throw new DnsError(`${type} ${name}`, code ?? describeThrown(error), details)
      }
    },
  }
}

async function ask(resolver: NodeDns, name: string, type: DnsType): Promise<readonly DnsRecord[]> {
  if (type === 'SRV') {
    const records = await resolver.resolveSrv(name)
    return records.map(({ name: target, port, priority, weight }) => ({ type, target, port, priority, weight }))
  }
  const records = await (type === 'A' ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true }))
  return records.map(({ address, ttl }) => ({ type, address, ttlMs: ttl * 1_000 }))
}

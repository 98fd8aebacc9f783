/** What is asked of a name server, and what it may say: the seam between the provider and whoever speaks DNS. */

export type DnsType = 'A' | 'AAAA' | 'SRV'

export interface AddressRecord {
  readonly type: 'A' | 'AAAA'
  readonly address: string
  /** Milliseconds. Undefined where the resolver does not tell. */
  readonly ttlMs?: number | undefined
}

/** RFC 2782. */
export interface SrvRecord {
  readonly type: 'SRV'
  /** `.` (or nothing): the service is decidedly not available at this domain. */
  readonly target: string
  readonly port: number
  /** 0 to 65535; the lowest is used first. */
  readonly priority: number
  /** 0 to 65535; share of calls among those of one priority. */
  readonly weight: number
  /** Milliseconds. Undefined where the resolver does not tell: Node's own never does for SRV. */
  readonly ttlMs?: number | undefined
}

export type DnsRecord = AddressRecord | SrvRecord

/**
 * Three different answers: `ok` with records or without (the name exists, but has none of this type), `no-such-name`
 * (NXDOMAIN), and a rejection for everything that leaves it open (SERVFAIL, refused, no answer).
 */
export type DnsAnswer =
  | { readonly kind: 'ok'; readonly records: readonly DnsRecord[] }
  | { readonly kind: 'no-such-name' }

export interface DnsContext {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/**
 * Asks for the records of one type at one name. CNAMEs are followed.
 *
 * When to use: to have DNS spoken by something else than `node:dns`, like `packetResolver`.
 */
export interface DnsResolver {
  resolve(name: string, type: DnsType, context: DnsContext): Promise<DnsAnswer>
  /** Gives back what it holds. Called by the provider's `close()`. */
  close?(): void | Promise<void>
}

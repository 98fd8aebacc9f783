import { OptionReader } from '../../core/options.ts'
import { nodeResolver } from './node-resolver.ts'
import type { DnsResolver } from './records.ts'

/** `prefer-ipv4`: IPv6 only where there is no IPv4. `both` counts a host that has both twice. */
export type AddressFamily = 'ipv4' | 'ipv6' | 'prefer-ipv4' | 'both'

/** Options of {@link dnsRecords}. */
export interface DnsRecordsOptions {
  /** `SRV`: address and port are looked up. `address`: A and AAAA; the port has to be given. @default 'SRV' */
  readonly records?: 'SRV' | 'address'
  /** The domain name of a service, like `(name) => '_' + name + '._tcp.example.com'`. @default the service's name */
  readonly toName?: (serviceName: string) => string
  /** Of `records: 'address'`, and only of it: an integer from 1 to 65535. @default none */
  readonly port?: number
  /** @default 'prefer-ipv4' */
  readonly family?: AddressFamily
  /** Whether to speak TLS. The targets of SRV records are then kept as names, which certificates are for. @default false */
  readonly secure?: boolean
  /**
   * How long an answer is good for where DNS does not say, in milliseconds, from 1; and of SRV records the most, because
   * the TTL of their targets says nothing about them. @default 30_000
   */
  readonly ttlMs?: number
  /** Who asks. @default nodeResolver() */
  readonly resolver?: DnsResolver
}

/** @internal */
export interface DnsSettings {
  readonly records: 'SRV' | 'address'
  readonly toName: (serviceName: string) => string
  readonly port: number
  readonly family: AddressFamily
  readonly secure: boolean
  readonly ttlMs: number
  readonly resolver: DnsResolver
}

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6', 'prefer-ipv4', 'both']

/** @internal */
export function readDnsOptions(options: DnsRecordsOptions | undefined): DnsSettings {
  const read = new OptionReader('dnsRecords', options)
  const records = read.oneOf<'SRV' | 'address'>('records', ['SRV', 'address'], 'SRV')
  const port = read.number('port', { default: undefined, min: 1, max: 65_535, integer: true })
  if (records === 'address' && port === undefined) read.refuse('port', "given with records: 'address'")
  if (records === 'SRV' && port !== undefined) read.refuse('port', "left out with records: 'SRV', which name one")
  const settings: DnsSettings = {
    records,
    port: port ?? 0,
    toName: read.function('toName', (serviceName: string) => serviceName),
    family: read.oneOf('family', FAMILIES, 'prefer-ipv4'),
    secure: read.boolean('secure', false),
    ttlMs: read.duration('ttlMs', 30_000, 1),
    resolver: read.implementing<DnsResolver | undefined>('resolver', ['resolve'], undefined) ?? nodeResolver(),
  }
  read.end()
  return settings
}

import { parseHost, parsePort, urlHost } from '../core/host.ts'
import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'
import { OptionReader, show } from '../core/options.ts'
import { INSTANCE_LIMITS, isText, parseMetadata } from '../core/parse-instance.ts'
import type { DiscoveryProvider, ListAnswer } from './provider.ts'

/** One instance, as a user writes it down. */
export interface StaticInstance {
  /** Up to 256 characters, unique within the service. @default `host:port` */
  readonly id?: string
  /** A host name or an IP address. */
  readonly host: string
  /** An integer from 1 to 65535. */
  readonly port: number
  /** @default 'healthy' */
  readonly status?: InstanceStatus
  /** Up to 64 entries, keys up to 256 and values up to 4096 characters. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
  /** A path, like `/health`. */
  readonly healthCheckUrl?: string
  /** Share of calls, from 0 (drained) to 1_000_000. @default 1 */
  readonly weight?: number
  readonly zone?: string
  readonly version?: string
  /** Whether to speak TLS. @default false */
  readonly secure?: boolean
  /** An integer from 0 (preferred) to 128. @default 0 */
  readonly priority?: number
}

/** The list is good until the process ends; this only keeps loads of it rare. */
const TTL_MS = 86_400_000

/** @internal */
export const STATUSES: readonly InstanceStatus[] = ['healthy', 'unhealthy', 'starting', 'stopping', 'unknown']

/**
 * A provider that knows what it was told and nothing else.
 *
 * When to use: in tests, at first, and wherever addresses are fixed by somebody else (Kubernetes service names, a
 * configuration file). A registry's entry that makes no sense is dropped; the user's own is refused.
 *
 * @example
 * const provider = staticList({ 'device-service': [{ id: 'd1', host: '127.0.0.1', port: 8081 }] })
 *
 * @throws {TypeError | RangeError} naming service, index, field and value.
 */
export function staticList(services: Readonly<Record<string, readonly StaticInstance[]>>): DiscoveryProvider {
  const answers = new Map<string, ListAnswer>()
  for (const [serviceName, instances] of readServices('staticList', services)) {
    answers.set(serviceName, Object.freeze({ kind: 'ok', instances, ttlMs: TTL_MS }))
  }
  return Object.freeze({
    name: 'static list',
    list: (serviceName: string) => Promise.resolve(answers.get(serviceName) ?? { kind: 'not-found' as const }),
  })
}

/** @internal What a user wrote down, refused where it is wrong. */
export function readServices(owner: string, services: unknown): ReadonlyMap<string, readonly ServiceInstance[]> {
  if (typeof services !== 'object' || services === null || Array.isArray(services)) {
    throw new TypeError(`${owner}: must be an object of lists by service name, got ${show(services)}`)
  }
  return new Map(Object.entries(services).map(([name, entries]) => [name, readEntries(owner, name, entries)]))
}

function readEntries(owner: string, serviceName: string, entries: unknown): readonly ServiceInstance[] {
  const service = `${owner}: ${show(serviceName)}`
  if (!isText(serviceName)) {
    throw new TypeError(`${service}: a service name must have 1 to ${INSTANCE_LIMITS.textLength} printable characters`)
  }
  if (!Array.isArray(entries)) throw new TypeError(`${service}: must be an array of instances, got ${show(entries)}`)
  const ids = new Set<string>()
  const addresses = new Set<string>()
  const instances = entries.map((entry: unknown, index) => {
    const read = new OptionReader(`${service}[${index}]`, entry)
    const instance = readEntry(read, serviceName)
    const address = `${urlHost(instance.host)}:${instance.port}`
    // Both are almost surely a line copied and not finished, and each would get a double share of the calls.
    if (ids.has(instance.id)) read.refuse('id', `unique within the service (${show(instance.id)} is there before)`)
    if (addresses.has(address)) read.refuse('port', `at an address of its own (${address} is there before)`)
    ids.add(instance.id)
    addresses.add(address)
    return instance
  })
  return Object.freeze(instances)
}

function readEntry(read: OptionReader, serviceName: string): ServiceInstance {
  const host = parseHost(read.raw('host')) ?? read.refuse('host', 'a host name or an IP address')
  const port = parsePort(read.raw('port')) ?? read.refuse('port', 'an integer from 1 to 65535')
  const instance: ServiceInstance = {
    id: readText(read, 'id') ?? `${host}:${port}`,
    serviceName,
    host,
    port,
    status: read.oneOf('status', STATUSES, 'healthy'),
    metadata: readMetadata(read),
    healthCheckUrl: readPath(read),
    lastHeartbeat: null,
    createdAt: null,
    weight: read.number('weight', { default: 1, min: 0, max: INSTANCE_LIMITS.weight }),
    zone: readText(read, 'zone'),
    version: readText(read, 'version'),
    secure: read.boolean('secure', false),
    priority: read.number('priority', { default: 0, min: 0, max: 128, integer: true }),
  }
  read.end()
  return Object.freeze(instance)
}

function readText(read: OptionReader, name: string): string | undefined {
  const value = read.raw(name)
  if (value === undefined || isText(value)) return value
  return read.refuse(name, `text of 1 to ${INSTANCE_LIMITS.textLength} printable characters`)
}

function readPath(read: OptionReader): string | undefined {
  const path = readText(read, 'healthCheckUrl')
  // `//host/path` is a URL of another host.
  if (path !== undefined && !/^\/(?!\/)/.test(path)) read.refuse('healthCheckUrl', `a path, like '/health'`)
  return path
}

function readMetadata(read: OptionReader): Readonly<Record<string, string>> {
  const value = read.raw('metadata')
  const metadata = parseMetadata(value)
  if (value === undefined) return metadata
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject || Object.keys(value).length !== Object.keys(metadata).length) {
    read.refuse(
      'metadata',
      `an object of at most ${INSTANCE_LIMITS.metadataEntries} strings (keys up to ${INSTANCE_LIMITS.textLength}, values up to ${INSTANCE_LIMITS.metadataValueLength} characters)`,
    )
  }
  return metadata
}

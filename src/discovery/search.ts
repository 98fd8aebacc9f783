import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'
import { OptionReader } from '../core/options.ts'
import { STATUSES } from './static-list.ts'

/** What to search for; everything given must hold. Without anything, all services are found. */
export interface ServiceQuery {
  /** How the service's name begins. @default any */
  readonly namePrefix?: string
  /** Of its instances, exactly. @default any */
  readonly version?: string
  /** Of its instances, exactly. @default any */
  readonly zone?: string
  /** Of its instances. @default any */
  readonly status?: InstanceStatus
  /** Entries its instances have, with these values; they may have others. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A service with those of its instances that fit. */
export interface FoundService {
  readonly service: string
  /** At least one where the query asks something of instances. */
  readonly instances: readonly ServiceInstance[]
}

/** @internal A query, checked and copied. */
export interface Query {
  readonly namePrefix: string
  readonly asksInstances: boolean
  readonly fits: (instance: ServiceInstance) => boolean
}

interface Listed {
  readonly service: string
  readonly listed: readonly ServiceInstance[] | undefined
}

/** @internal */
export function readQuery(query: ServiceQuery): Query {
  const read = new OptionReader('search', query)
  const namePrefix = read.raw('namePrefix') === '' ? '' : read.string('namePrefix', '')
  const version = read.string('version', undefined)
  const zone = read.string('zone', undefined)
  const status = read.raw('status') === undefined ? undefined : read.oneOf('status', STATUSES, 'healthy')
  const metadata = readMetadata(read)
  read.end()
  return {
    namePrefix,
    asksInstances: version !== undefined || zone !== undefined || status !== undefined || metadata.length > 0,
    fits: (instance) =>
      (version === undefined || instance.version === version) &&
      (zone === undefined || instance.zone === zone) &&
      (status === undefined || instance.status === status) &&
      metadata.every(([key, value]) => Object.hasOwn(instance.metadata, key) && instance.metadata[key] === value),
  }
}

function readMetadata(read: OptionReader): readonly [string, string][] {
  const value = read.raw('metadata') ?? {}
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : undefined
  if (entries === undefined || !entries.every(([, text]) => typeof text === 'string')) {
    read.refuse('metadata', 'an object of strings')
  }
  return entries as [string, string][]
}

/** @internal */
export function searchServices(services: Iterable<Listed>, query: Query): readonly FoundService[] {
  const found: FoundService[] = []
  for (const { service, listed } of services) {
    if (listed === undefined || !service.startsWith(query.namePrefix)) continue
    const instances = query.asksInstances ? listed.filter(query.fits) : listed
    if (instances.length > 0 || !query.asksInstances) found.push({ service, instances })
  }
  return found.toSorted((a, b) => (a.service < b.service ? -1 : 1))
}

import { parseHost, parsePort } from './host.ts'
import type { InstanceStatus, ServiceInstance } from './instance.ts'

/**
 * Reads instances from a registry's answer. Nothing in it is trusted: every field is checked and bounded, unknown ones
 * are left out, and an entry that makes no sense is dropped without taking the others along.
 */

/** Bounds on what a registry may say. */
export const INSTANCE_LIMITS = {
  /** Entries read of one answer. */
  instances: 100_000,
  textLength: 256,
  metadataEntries: 64,
  metadataValueLength: 4_096,
  /** Weights are shares; a larger one would silence everybody else. */
  weight: 1_000_000,
} as const

export interface ParsedInstances {
  readonly instances: readonly ServiceInstance[]
  /** Entries that were malformed, duplicates or over the limit. */
  readonly dropped: number
}

/** Reads a list. Returns undefined when it is no list at all. */
export function parseInstances(value: unknown, serviceName: string): ParsedInstances | undefined {
  if (!Array.isArray(value)) return undefined
  const entries = value.slice(0, INSTANCE_LIMITS.instances)
  // The same id, or the same address under another id, replaces what came before: the later one is the living one.
  const byAddress = new Map<string, ServiceInstance>()
  const addressOf = new Map<string, string>()
  for (const entry of entries) {
    const instance = parseInstance(entry, serviceName)
    if (instance === undefined) continue
    const address = `${instance.host} ${instance.port}`
    const former = addressOf.get(instance.id)
    if (former !== undefined) byAddress.delete(former)
    const squatter = byAddress.get(address)
    if (squatter !== undefined) addressOf.delete(squatter.id)
    byAddress.set(address, instance)
    addressOf.set(instance.id, address)
  }
  const instances = [...byAddress.values()]
  return { instances, dropped: value.length - instances.length }
}

/** Reads one wire entry (snake_case; our own camelCase is read too). Returns undefined when it is unusable. */
export function parseInstance(value: unknown, serviceName: string): ServiceInstance | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entry = value as Record<string, unknown>
  const host = parseHost(own(entry, 'host'))
  const port = parsePort(own(entry, 'port'))
  const name = own(entry, 'service_name', 'serviceName') ?? serviceName
  if (host === undefined || port === undefined || name !== serviceName) return undefined
  const id = own(entry, 'id', 'instance_id') ?? `${host}:${port}`
  if (!isText(id)) return undefined
  const healthCheckUrl = own(entry, 'health_check_url', 'healthCheckUrl')
  return Object.freeze({
    id,
    serviceName,
    host,
    port,
    status: parseStatus(own(entry, 'status', 'health_status')),
    metadata: parseMetadata(own(entry, 'metadata')),
    healthCheckUrl: isText(healthCheckUrl) ? healthCheckUrl : undefined,
    lastHeartbeat: parseDate(own(entry, 'last_heartbeat', 'lastHeartbeat')),
    createdAt: parseDate(own(entry, 'created_at', 'createdAt')),
    weight: parseWeight(own(entry, 'weight')),
    zone: parseText(own(entry, 'zone')),
    version: parseText(own(entry, 'version')),
    secure: own(entry, 'secure') === true,
    priority: parsePriority(own(entry, 'priority')),
  })
}

/** The wire form of an instance: what `parseInstance` reads. */
export function formatInstance(instance: ServiceInstance): Record<string, unknown> {
  return {
    id: instance.id,
    service_name: instance.serviceName,
    host: instance.host,
    port: instance.port,
    status: instance.status,
    metadata: instance.metadata,
    ...(instance.healthCheckUrl === undefined ? {} : { health_check_url: instance.healthCheckUrl }),
    last_heartbeat: instance.lastHeartbeat,
    created_at: instance.createdAt,
    weight: instance.weight,
    ...(instance.zone === undefined ? {} : { zone: instance.zone }),
    ...(instance.version === undefined ? {} : { version: instance.version }),
    secure: instance.secure,
    priority: instance.priority,
  }
}

const STATUSES: readonly string[] = ['healthy', 'unhealthy', 'starting', 'stopping', 'unknown']

/** Missing: the source lists only what it believes in. A word we do not know: not eligible. */
export function parseStatus(value: unknown): InstanceStatus {
  if (value === undefined || value === null) return 'healthy'
  const word = typeof value === 'string' ? value.toLowerCase() : ''
  return STATUSES.includes(word) ? (word as InstanceStatus) : 'unknown'
}

/** A null-prototype copy: a key named `__proto__` is then a key like any other. */
export function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = Object.create(null)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return Object.freeze(metadata)
  let count = 0
  for (const key of Object.keys(value)) {
    const text = (value as Record<string, unknown>)[key]
    if (key.length > INSTANCE_LIMITS.textLength || typeof text !== 'string') continue
    if (text.length > INSTANCE_LIMITS.metadataValueLength) continue
    if (++count > INSTANCE_LIMITS.metadataEntries) break
    metadata[key] = text
  }
  return Object.freeze(metadata)
}

/** Unknown is 1, not 0: an entry without a weight must not drain. */
function parseWeight(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return 1
  // Plus 0: JSON can say -0, which is not the same thing to whoever compares.
  return Math.min(value, INSTANCE_LIMITS.weight) + 0
}

function parsePriority(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 128 ? value + 0 : 0
}

function parseDate(value: unknown): string | null {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T[\d:.]{5,18}(?:Z|[+-]\d{2}:\d{2})$/.test(value) ? value : null
}

function parseText(value: unknown): string | undefined {
  return isText(value) ? value : undefined
}

/** Bounded and free of control characters, so that it can stand in a log line or a header. */
export function isText(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > INSTANCE_LIMITS.textLength) return false
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false
  }
  return true
}

/** The first of these names that the entry itself has. */
function own(entry: Record<string, unknown>, ...names: readonly string[]): unknown {
  for (const name of names) if (Object.hasOwn(entry, name)) return entry[name]
  return undefined
}

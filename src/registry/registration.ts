import { MAX_LEASE_MS, MIN_LEASE_MS } from '../backends/http/api.ts'
import { parseHost } from '../core/host.ts'
import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'
import { INSTANCE_LIMITS, parseStatus } from '../core/parse-instance.ts'
import { InvalidRegistrationError } from './errors.ts'
import { Fields } from './fields.ts'
import { healthTarget } from './health-target.ts'

/** What an instance says of itself. Everything but name, host and port has a default. */
export interface InstanceRegistration {
  readonly serviceName: string
  /** Up to 256 characters. @default `host:port` */
  readonly id?: string | undefined
  /** A host name or an IP address. */
  readonly host: string
  /** An integer from 1 to 65535. */
  readonly port: number
  /** `starting` becomes `healthy` at the first health check that succeeds. @default 'healthy' */
  readonly status?: InstanceStatus | undefined
  /** Up to 64 entries, keys up to 256 and values up to 4096 characters. @default {} */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** A path, or a URL on this host and port. Without one the lease alone decides. */
  readonly healthCheckUrl?: string | undefined
  /** From 0 (drained) to 1_000_000. @default 1 */
  readonly weight?: number | undefined
  readonly zone?: string | undefined
  readonly version?: string | undefined
  /** Whether the instance speaks TLS. @default false */
  readonly secure?: boolean | undefined
  /** An integer from 0 (preferred) to 128. @default 0 */
  readonly priority?: number | undefined
}

/**
 * Checks an instance as it comes from the wire or from a caller; dates are added by the registry.
 *
 * @throws {InvalidRegistrationError} naming the field.
 */
export function readRegistration(value: unknown): ServiceInstance {
  const fields: Fields = new Fields(value, 'an instance')
  const serviceName = fields.segment('service_name')
  if (serviceName === undefined) fields.refuse(['service_name'], 'given')
  const host = parseHost(fields.raw('host')) ?? fields.refuse(['host'], 'a host name or an IP address')
  const port = fields.port('port') ?? fields.refuse(['port'], 'an integer from 1 to 65535')
  const secure = fields.boolean('secure')
  const healthCheckUrl = fields.text('health_check_url')
  if (healthCheckUrl !== undefined && healthTarget({ host, port, secure }, healthCheckUrl) === undefined) {
    fields.refuse(['health_check_url'], `a path, or a URL on the instance's own host and port`)
  }
  return {
    id: fields.segment(['id', 'instance_id']) ?? `${host}:${port}`,
    serviceName,
    host,
    port,
    status: readStatus(fields, ['status', 'health_status']) ?? 'healthy',
    metadata: fields.metadata(),
    healthCheckUrl,
    lastHeartbeat: null,
    createdAt: null,
    weight: fields.number('weight', INSTANCE_LIMITS.weight, false) ?? 1,
    zone: fields.text('zone'),
    version: fields.text('version'),
    secure,
    priority: fields.number('priority', 128, true) ?? 0,
  }
}

/** A status word, in any case. Unlike a reader, who takes a strange word for `unknown`, the registry refuses it. */
export function readStatus(fields: Fields, names: readonly string[] = ['status']): InstanceStatus | undefined {
  const value = fields.raw(...names)
  if (value === undefined) return undefined
  const status = parseStatus(value)
  if (status !== 'unknown' || (typeof value === 'string' && value.toLowerCase() === 'unknown')) return status
  fields.refuse(names, 'healthy, unhealthy, starting, stopping or unknown')
}

/** Milliseconds, brought into 1 second to 1 day: an absurd wish still gets a lease that works. */
export function readLease<D>(value: unknown, label: string, fallback: D): number | D {
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new InvalidRegistrationError(label, `${label} must be a number of milliseconds, got ${typeof value}`)
  }
  return Math.min(Math.max(value, MIN_LEASE_MS), MAX_LEASE_MS)
}

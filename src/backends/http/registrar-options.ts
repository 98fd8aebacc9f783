import { parseHost, parsePort } from '../../core/host.ts'
import type { InstanceStatus } from '../../core/instance.ts'
import { OptionReader } from '../../core/options.ts'
import { INSTANCE_LIMITS, isText, parseMetadata } from '../../core/parse-instance.ts'
import { type Random, systemRandom } from '../../time/random.ts'
import { DEFAULT_HEARTBEAT_MS, instancePath, MAX_LEASE_MS, MIN_LEASE_MS, type RegistrationBody } from './api.ts'
import { type ConnectionSettings, type RegistryConnectionOptions, readConnectionOptions } from './connection-options.ts'

/** The instance a Registrar speaks for. */
export interface RegistrarInstance {
  readonly serviceName: string
  /** Where others reach it: not `0.0.0.0` or a name only this machine knows. */
  readonly host: string
  /** An integer from 1 to 65535. */
  readonly port: number
  /** Up to 256 characters. @default `host:port` */
  readonly id?: string
  /** `starting` becomes `healthy` when a health check of the registry succeeds. @default 'healthy' */
  readonly status?: 'healthy' | 'starting'
  /** Up to 64 entries, keys up to 256 and values up to 4096 characters. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
  /** Asked by the registry, like `/health`. Without one, heartbeats alone decide. */
  readonly healthCheckPath?: string
  /** Share of calls relative to the others, from 0 to 1_000_000. @default 1 */
  readonly weight?: number
  readonly zone?: string
  readonly version?: string
  /** Whether the instance speaks TLS. @default false */
  readonly secure?: boolean
  /** An integer from 0 (preferred) to 128. @default 0 */
  readonly priority?: number
}

/** Options of a Registrar. */
export interface RegistrarOptions extends RegistryConnectionOptions {
  readonly instance: RegistrarInstance
  /** Time between heartbeats, milliseconds from 100, spread by 10 % either way. @default 10_000 */
  readonly heartbeatMs?: number
  /**
   * How long the registry keeps the instance without a heartbeat, milliseconds from 1_000; at least twice
   * `heartbeatMs`, so that one lost beat loses nothing. @default 3 × heartbeatMs
   */
  readonly leaseMs?: number
  /**
   * Whether `start()` rejects when the first registration fails. Otherwise the service starts without its registry,
   * and registers as soon as that answers. @default false
   */
  readonly required?: boolean
  /**
   * Whether to stop on SIGTERM and SIGINT. The signal is raised again afterwards if nobody else listens for it, so the
   * process still ends; a listener of your own should await `stop()` before it exits. @default false
   */
  readonly handleSignals?: boolean
  /** Limit of each of the two requests of `stop()`, milliseconds from 1. @default 2_000 */
  readonly stopTimeoutMs?: number
  readonly random?: Random
}

/** @internal */
export interface RegistrarSettings {
  readonly connection: ConnectionSettings
  readonly serviceName: string
  readonly id: string
  readonly body: RegistrationBody
  readonly heartbeatMs: number
  readonly leaseMs: number
  readonly required: boolean
  readonly handleSignals: boolean
  readonly stopTimeoutMs: number
  readonly random: Random
}

const OWNER = 'Registrar'

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readRegistrarOptions(options: RegistrarOptions): RegistrarSettings {
  const read = new OptionReader(OWNER, options)
  const instance = read.raw('instance') ?? read.refuse('instance', 'an object')
  const heartbeatMs = read.number('heartbeatMs', {
    default: DEFAULT_HEARTBEAT_MS,
    min: 100,
    max: MAX_LEASE_MS / 3,
    unit: 'milliseconds',
  })
  const leaseMs = read.number('leaseMs', {
    default: Math.max(MIN_LEASE_MS, 3 * heartbeatMs),
    min: Math.max(MIN_LEASE_MS, 2 * heartbeatMs),
    max: MAX_LEASE_MS,
    unit: 'milliseconds',
  })
  const { serviceName, id, body } = readInstance(new OptionReader(`${OWNER}: instance`, instance), leaseMs)
  const settings: RegistrarSettings = {
    connection: readConnectionOptions(read, OWNER),
    serviceName,
    id,
    body,
    heartbeatMs,
    leaseMs,
    required: read.boolean('required', false),
    handleSignals: read.boolean('handleSignals', false),
    stopTimeoutMs: read.duration('stopTimeoutMs', 2_000, 1),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

function readInstance(read: OptionReader, leaseMs: number): Pick<RegistrarSettings, 'serviceName' | 'id' | 'body'> {
  const serviceName = readText(read, 'serviceName') ?? read.refuse('serviceName', 'given')
  const host = parseHost(read.raw('host')) ?? read.refuse('host', 'a host name or an IP address')
  // The address to listen on everywhere is one that nobody can call.
  if (host === '0.0.0.0' || host === '::') read.refuse('host', 'an address that others can reach')
  const port = parsePort(read.raw('port')) ?? read.refuse('port', 'an integer from 1 to 65535')
  const id = readText(read, 'id') ?? `${host}:${port}`
  const healthCheckPath = readText(read, 'healthCheckPath')
  if (healthCheckPath !== undefined && !/^\/(?!\/)/.test(healthCheckPath)) {
    read.refuse('healthCheckPath', `a path, like '/health'`)
  }
  const zone = readText(read, 'zone')
  const version = readText(read, 'version')
  const body: RegistrationBody = {
    id,
    service_name: serviceName,
    host,
    port,
    status: read.oneOf<InstanceStatus>('status', ['healthy', 'starting'], 'healthy'),
    metadata: readMetadata(read),
    ...(healthCheckPath === undefined ? {} : { health_check_url: healthCheckPath }),
    weight: read.number('weight', { default: 1, min: 0, max: INSTANCE_LIMITS.weight }),
    ...(zone === undefined ? {} : { zone }),
    ...(version === undefined ? {} : { version }),
    secure: read.boolean('secure', false),
    priority: read.number('priority', { default: 0, min: 0, max: 128, integer: true }),
    lease_ms: leaseMs,
  }
  read.end()
  // Now, not at the first heartbeat: some texts cannot stand in a path.
  instancePath(serviceName, id)
  return { serviceName, id, body: Object.freeze(body) }
}

function readText(read: OptionReader, name: string): string | undefined {
  const value = read.raw(name)
  if (value === undefined || isText(value)) return value
  return read.refuse(name, `text of 1 to ${INSTANCE_LIMITS.textLength} printable characters`)
}

function readMetadata(read: OptionReader): Readonly<Record<string, string>> {
  const value = read.raw('metadata') ?? {}
  const metadata = parseMetadata(value)
  const isObject = typeof value === 'object' && !Array.isArray(value)
  if (isObject && Object.keys(value).length === Object.keys(metadata).length) return metadata
  const { metadataEntries, textLength, metadataValueLength } = INSTANCE_LIMITS
  const bounds = `keys up to ${textLength}, values up to ${metadataValueLength} characters`
  return read.refuse('metadata', `an object of at most ${metadataEntries} strings (${bounds})`)
}

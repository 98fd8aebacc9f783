import type { InstanceStatus } from '../../core/instance.ts'

/**
 * The wire protocol of the HTTP registry, in one place for both ends: the provider and the registrar here, the embedded
 * registry in `src/registry`. Bodies are JSON in snake_case (`core/parse-instance.ts` reads and writes instances).
 *
 * ```
 * GET    /services                                  200 ["name", …]
 * GET    /services/{name}[?healthy=true]            200 [instance, …] | 404 never known | 503 warming up (Retry-After)
 * PUT    /services/{name}/instances/{id}            201 created | 200 replaced; the body is the instance as stored
 * PUT    /services/{name}/instances/{id}/heartbeat  204 | 404 unknown id: register again
 * PUT    /services/{name}/instances/{id}/status     204 | 404; the body is {"status": "stopping"}
 * DELETE /services/{name}/instances/{id}            204 | 404
 * ```
 *
 * A list may come while the registry is still warming up; it then carries {@link WARMING_UP_HEADER}, because instances
 * that have not registered again yet are missing in it.
 *
 * 200 `[]` (known and empty), 404 (never known) and 503 (warming up) say three different things and stay apart on both
 * sides. Failures carry {@link ErrorBody}: 400 for what does not validate, 413 for a body over
 * {@link MAX_REGISTRATION_BYTES}.
 */

/** Marks a list that may not be complete yet. */
export const WARMING_UP_HEADER = 'x-gateless-warming-up'

/** Body of a registration. Name and id stand in the path; a body that names others is refused with 400. */
export interface RegistrationBody {
  readonly id?: string
  readonly service_name?: string
  readonly host: string
  readonly port: number
  /** @default 'healthy' */
  readonly status?: InstanceStatus
  readonly metadata?: Readonly<Record<string, string>>
  /** A path, or a URL on the instance's own host and port. */
  readonly health_check_url?: string
  readonly weight?: number
  readonly zone?: string
  readonly version?: string
  readonly secure?: boolean
  readonly priority?: number
  /** How long the entry lives without a heartbeat, in milliseconds. @default DEFAULT_LEASE_MS */
  readonly lease_ms?: number
}

/** Body of a status change. */
export interface StatusBody {
  readonly status: InstanceStatus
}

/** Body of every answer that is not 2xx. */
export interface ErrorBody {
  readonly error: string
}

/** How often an instance says that it lives. */
export const DEFAULT_HEARTBEAT_MS = 10_000

/** Three heartbeats: one lost packet or one slow collection of garbage must not take a living instance away. */
export const DEFAULT_LEASE_MS = 30_000

/** A shorter lease could not be renewed in time by anybody. */
export const MIN_LEASE_MS = 1_000

/** A longer one would keep the dead listed for days. */
export const MAX_LEASE_MS = 86_400_000

/** Bounds the body of a request before it is parsed; full metadata (64 × 4 KiB) fits. */
export const MAX_REGISTRATION_BYTES: number = 512 * 1024

/**
 * Bounds an answer before it is parsed, because parsing and indexing block the event loop: 81 MB (a million instances)
 * did for 2.8 s. 4 MiB take 55 ms with 15,000 instances and their metadata, and up to 90 ms for the worst that fits
 * (130,000 entries of nothing but an address, of which MAX_ANSWER_INSTANCES are read; Node 24). 16 MiB took 300 ms.
 */
export const MAX_ANSWER_BYTES: number = 4 * 1024 * 1024

/** Entries read of one answer, the others count as dropped: about 2 µs each, however little they hold. */
export const MAX_ANSWER_INSTANCES = 30_000

/** Levels of nesting in an answer; an instance needs three. 4 MiB of brackets alone would block for half a second. */
export const MAX_ANSWER_DEPTH = 32

/** Asks for instances with status `healthy` only, as in `?healthy=true`. */
export const HEALTHY_PARAMETER = 'healthy'

export const JSON_TYPE = 'application/json'

export function servicesPath(): string {
  return '/services'
}

export function servicePath(name: string): string {
  return `/services/${segment('service name', name)}`
}

export function instancePath(name: string, id: string): string {
  return `${servicePath(name)}/instances/${segment('instance id', id)}`
}

export function heartbeatPath(name: string, id: string): string {
  return `${instancePath(name, id)}/heartbeat`
}

export function statusPath(name: string, id: string): string {
  return `${instancePath(name, id)}/status`
}

/**
 * One path segment, whatever the text holds. Two names cannot be written at all: URL parsers take `.` and `..` for
 * directions, also as `%2e`.
 */
function segment(what: string, text: string): string {
  if (text === '' || text === '.' || text === '..') {
    throw new RangeError(`${what} must not be empty, '.' or '..', got '${text}'`)
  }
  if (!text.isWellFormed()) throw new RangeError(`${what} must be well-formed Unicode`)
  return encodeURIComponent(text)
}

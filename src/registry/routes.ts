import { HEALTHY_PARAMETER, WARMING_UP_HEADER } from '../backends/http/api.ts'
import { formatInstance } from '../core/parse-instance.ts'
import { show } from '../core/options.ts'
import { type Answer, HttpRefusal } from './answers.ts'
import { formatDefinition, type ServiceDefinitionInput } from './definition.ts'
import { Fields } from './fields.ts'
import { formatHealth } from './health-summary.ts'
import { type InstanceRegistration, readLease, readStatus } from './registration.ts'
import type { ServiceRegistry } from './service-registry.ts'

/** What each route of the wire protocol does (the table stands in `backends/http/api.ts`). All of it is synchronous. */

export interface RouteRequest {
  readonly registry: ServiceRegistry
  /** The percent-decoded parts of the path; empty where the route has none. */
  readonly service: string
  readonly id: string
  readonly query: URLSearchParams
  /** Parsed JSON, for routes that want a body. */
  readonly body: unknown
}

export interface Endpoint {
  readonly handle: (request: RouteRequest) => Answer
  readonly wantsBody: boolean
}

export interface Route {
  /** Segments of the path; `:service` and `:id` stand for any. */
  readonly path: readonly string[]
  readonly methods: ReadonlyMap<string, Endpoint>
}

export const ROUTES: readonly Route[] = /* @__PURE__ */ makeRoutes()

function makeRoutes(): readonly Route[] {
  return [
    route('health', { GET: registryHealth }),
    route('services', { GET: listServices }),
    route('services/:service', { GET: listInstances }),
    route('services/:service/health', { GET: serviceHealth }),
    route('services/:service/definition', { GET: getDefinition }, { PUT: putDefinition }),
    route('services/:service/instances/:id', { DELETE: deregister }, { PUT: register }),
    route('services/:service/instances/:id/heartbeat', { PUT: heartbeat }),
    route('services/:service/instances/:id/status', {}, { PUT: setStatus }),
  ]
}

type Handlers = Readonly<Record<string, Endpoint['handle']>>

function route(path: string, bare: Handlers, withBody: Handlers = {}): Route {
  const methods = new Map<string, Endpoint>()
  for (const [method, handle] of Object.entries(bare)) methods.set(method, { handle, wantsBody: false })
  for (const [method, handle] of Object.entries(withBody)) methods.set(method, { handle, wantsBody: true })
  return { path: path.split('/'), methods }
}

function registryHealth({ registry }: RouteRequest): Answer {
  const warming = registry.warmupRemainingMs > 0
  return ok({ status: warming ? 'warming-up' : 'healthy', services: registry.services().length })
}

function listServices({ registry, query }: RouteRequest): Answer {
  return ok(registry.services({ prefix: query.get('prefix') ?? '' }))
}

function listInstances({ registry, service, query }: RouteRequest): Answer {
  const instances = registry.instances(service, { healthyOnly: flag(query, HEALTHY_PARAMETER) })
  const listed = ok((instances ?? unknownService(registry, service)).map(formatInstance))
  // Others of this service may not have come back yet: whoever knows them from before should not drop them for this list.
  return registry.warmupRemainingMs > 0 ? { ...listed, headers: { [WARMING_UP_HEADER]: '1' } } : listed
}

function serviceHealth({ registry, service }: RouteRequest): Answer {
  return ok(formatHealth(registry.health(service) ?? unknownService(registry, service)))
}

function getDefinition({ registry, service }: RouteRequest): Answer {
  const definition = registry.definition(service)
  if (definition !== undefined) return ok(formatDefinition(definition))
  if (registry.instances(service) === undefined) unknownService(registry, service)
  throw new HttpRefusal(404, `service ${show(service)} has no definition`)
}

function putDefinition({ registry, service, body }: RouteRequest): Answer {
  const given = named(body, 'a definition', 'name', service)
  const existed = registry.definition(service) !== undefined
  const stored = registry.define(given as unknown as ServiceDefinitionInput)
  return { status: existed ? 200 : 201, body: formatDefinition(stored) }
}

function register({ registry, service, id, body }: RouteRequest): Answer {
  const given = named(named(body, 'an instance', 'service_name', service), 'an instance', 'id', id, 'instance_id')
  const leaseMs = readLease(new Fields(body, 'an instance').raw('lease_ms'), 'lease_ms', undefined)
  const existed = registry.instance(service, id) !== undefined
  const stored = registry.register(given as unknown as InstanceRegistration, { leaseMs })
  return { status: existed ? 200 : 201, body: formatInstance(stored) }
}

function heartbeat({ registry, service, id }: RouteRequest): Answer {
  return done(registry.heartbeat(service, id), service, id)
}

function setStatus({ registry, service, id, body }: RouteRequest): Answer {
  const fields = new Fields(body, 'the body')
  const status = readStatus(fields) ?? fields.refuse(['status'], 'given')
  return done(registry.setStatus(service, id, status), service, id)
}

function deregister({ registry, service, id }: RouteRequest): Answer {
  return done(registry.deregister(service, id), service, id)
}

function ok(body: unknown): Answer {
  return { status: 200, body }
}

function done(found: boolean, service: string, id: string): Answer {
  if (found) return { status: 204 }
  throw new HttpRefusal(404, `service ${show(service)} has no instance ${show(id)}`)
}

/** Never known, or not yet known again: after a restart from nothing nobody can tell, and clients must not take 503 for none. */
function unknownService(registry: ServiceRegistry, service: string): never {
  const remainingMs = registry.warmupRemainingMs
  if (remainingMs === 0) throw new HttpRefusal(404, `service ${show(service)} is not known`)
  const seconds = String(Math.ceil(remainingMs / 1_000))
  throw new HttpRefusal(503, `the registry is warming up, and does not know service ${show(service)} yet`, {
    'retry-after': seconds,
  })
}

/** The body with the name that stands in the path; a body that says another name is a mistake, not a wish. */
function named(
  body: unknown,
  what: string,
  field: string,
  value: string,
  ...aliases: readonly string[]
): Record<string, unknown> {
  const fields = new Fields(body, what)
  const said = fields.raw(field, ...aliases)
  if (said !== undefined && said !== value) fields.refuse([field, ...aliases], `as in the path, ${show(value)}`)
  return { ...(body as object), [field]: value }
}

function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  if (value === null || value === 'false') return false
  if (value === 'true') return true
  throw new HttpRefusal(400, `${name} must be true or false, got ${show(value)}`)
}

import { Fields, isSegment } from './fields.ts'

/** What a service is and offers, apart from where its instances run. */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export interface EndpointParameter {
  readonly name: string
  readonly paramType: string
  readonly required: boolean
  readonly description: string
}

export interface ServiceEndpoint {
  readonly path: string
  /** In capitals. */
  readonly method: string
  readonly port: number | undefined
  readonly description: string
  readonly parameters: readonly EndpointParameter[]
}

export interface ServiceDefinition {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly serviceType: string | undefined
  readonly endpoints: readonly ServiceEndpoint[]
  /** Names of the services it calls. */
  readonly dependencies: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly config: Readonly<Record<string, JsonValue>>
  /** RFC 3339, by the registry's clock. */
  readonly createdAt: string
  readonly updatedAt: string
}

/** What `define` takes. Everything but name and version has a default. */
export interface ServiceDefinitionInput {
  /** Not empty, up to 256 characters. */
  readonly name: string
  /** Not empty, up to 256 characters. */
  readonly version: string
  /** Up to 4096 characters. @default '' */
  readonly description?: string | undefined
  readonly serviceType?: string | undefined
  /** Up to 256. @default [] */
  readonly endpoints?: readonly EndpointInput[] | undefined
  /** Up to 256. @default [] */
  readonly dependencies?: readonly string[] | undefined
  /** Up to 64 entries. @default {} */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Any JSON, up to 16 levels deep. @default {} */
  readonly config?: Readonly<Record<string, JsonValue>> | undefined
}

/** An endpoint as `define` takes it; what may be left out has the default given. */
export interface EndpointInput {
  /** Starts with a slash; up to 1024 characters. */
  readonly path: string
  readonly method: string
  /** An integer from 1 to 65535. */
  readonly port?: number | undefined
  /** @default '' */
  readonly description?: string | undefined
  /** Up to 64. @default [] */
  readonly parameters?: readonly (Pick<EndpointParameter, 'name'> & Partial<EndpointParameter>)[] | undefined
}

/** Deeper configuration is no configuration, and serialising it would exhaust the stack. */
const CONFIG_DEPTH = 16

/**
 * Checks a definition as it comes from the wire or from a caller; the dates are added by the registry.
 *
 * @throws {InvalidRegistrationError} naming the field.
 */
export function readDefinition(value: unknown): Omit<ServiceDefinition, 'createdAt' | 'updatedAt'> {
  const fields = new Fields(value, 'a definition')
  return {
    name: fields.segment('name') ?? fields.refuse(['name'], 'given'),
    version: fields.text('version') ?? fields.refuse(['version'], 'given'),
    description: fields.prose('description'),
    serviceType: fields.text('service_type'),
    endpoints: fields.list('endpoints', 256).map(readEndpoint),
    dependencies: readDependencies(fields),
    metadata: fields.metadata(),
    config: readConfig(fields),
  }
}

/** The wire form of a definition: what `readDefinition` reads. */
export function formatDefinition(definition: ServiceDefinition): Record<string, unknown> {
  return {
    name: definition.name,
    version: definition.version,
    description: definition.description,
    ...(definition.serviceType === undefined ? {} : { service_type: definition.serviceType }),
    endpoints: definition.endpoints.map(({ parameters, ...endpoint }) => ({
      // JSON leaves an undefined port out.
      ...endpoint,
      parameters: parameters.map(({ paramType, ...parameter }) => ({ ...parameter, param_type: paramType })),
    })),
    dependencies: definition.dependencies,
    metadata: definition.metadata,
    config: definition.config,
    created_at: definition.createdAt,
    updated_at: definition.updatedAt,
  }
}

function readEndpoint(value: unknown, index: number): ServiceEndpoint {
  const at = `endpoints[${index}]`
  const fields: Fields = new Fields(value, 'an endpoint', at)
  const path = fields.text('path', 1_024)
  if (path?.startsWith('/') !== true) fields.refuse(['path'], 'a path that starts with a slash')
  const method = fields.text('method', 20)
  if (method === undefined || !/^[a-z]+$/i.test(method)) fields.refuse(['method'], 'an HTTP method')
  return {
    path,
    method: method.toUpperCase(),
    port: fields.port('port'),
    description: fields.prose('description'),
    parameters: fields.list('parameters', 64).map((entry, i) => readParameter(entry, `${at}.parameters[${i}]`)),
  }
}

function readParameter(value: unknown, at: string): EndpointParameter {
  const fields = new Fields(value, 'a parameter', at)
  return {
    name: fields.text('name') ?? fields.refuse(['name'], 'given'),
    paramType: fields.text('param_type') ?? 'string',
    required: fields.boolean('required'),
    description: fields.prose('description'),
  }
}

function readDependencies(fields: Fields): readonly string[] {
  const dependencies = fields.list('dependencies', 256)
  if (dependencies.every(isSegment)) return dependencies
  fields.refuse(['dependencies'], 'a list of service names')
}

function readConfig(fields: Fields): Readonly<Record<string, JsonValue>> {
  const copy = copyJson(fields.raw('config') ?? {}, CONFIG_DEPTH)
  if (typeof copy === 'object' && copy !== null && !Array.isArray(copy)) return copy as Record<string, JsonValue>
  fields.refuse(['config'], `an object of JSON values, up to ${CONFIG_DEPTH} levels deep`)
}

/** A frozen copy without prototypes; undefined for what is no JSON, or deeper than `depth`. */
function copyJson(value: unknown, depth: number): JsonValue | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'object' || depth === 0) return undefined
  if (Array.isArray(value)) {
    const items = value.map((item) => copyJson(item, depth - 1))
    return items.includes(undefined) ? undefined : Object.freeze(items as JsonValue[])
  }
  const copy: Record<string, JsonValue> = Object.create(null)
  for (const key of Object.keys(value)) {
    const item = copyJson((value as Record<string, unknown>)[key], depth - 1)
    if (item === undefined) return undefined
    copy[key] = item
  }
  return Object.freeze(copy)
}

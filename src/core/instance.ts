import { urlHost } from './host.ts'

/** One running copy of a service. The wire form (snake_case) is read by `parse-instance.ts`. */

/**
 * `healthy` receives calls; `unhealthy`, `starting` and `unknown` do not; `stopping` finishes what it has and gets
 * nothing new.
 */
export type InstanceStatus = 'healthy' | 'unhealthy' | 'starting' | 'stopping' | 'unknown'

export interface ServiceInstance {
  readonly id: string
  readonly serviceName: string
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly status: InstanceStatus
  readonly metadata: Readonly<Record<string, string>>
  /** A path, or a URL on the instance's own host and port. */
  readonly healthCheckUrl: string | undefined
  /** RFC 3339, by the registry's clock; null when it never beat. */
  readonly lastHeartbeat: string | null
  readonly createdAt: string | null
  /** Share of calls relative to the others; 0 drains. */
  readonly weight: number
  readonly zone: string | undefined
  readonly version: string | undefined
  /** Whether to speak TLS. */
  readonly secure: boolean
  /** 0 is preferred; higher numbers are spares, used when the better levels cannot carry the calls. */
  readonly priority: number
}

/** What makes an instance the same one: state learned about it is kept only while both stay (id and address). */
export function instanceIdentity(instance: ServiceInstance): string {
  return `${instance.id}\n${instanceOrigin(instance)}`
}

const origins = /* @__PURE__ */ new WeakMap<object, string>()

/** `http://host:port`. Safe to build: host and port passed their grammar when the instance was read. Built once. */
export function instanceOrigin(instance: Pick<ServiceInstance, 'host' | 'port' | 'secure'>): string {
  let origin = origins.get(instance)
  if (origin === undefined) {
    origin = `${instance.secure ? 'https' : 'http'}://${urlHost(instance.host)}:${instance.port}`
    origins.set(instance, origin)
  }
  return origin
}

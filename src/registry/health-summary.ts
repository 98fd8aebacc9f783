import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'

/**
 * `healthy`: every instance that is not stopping is healthy, and there is one. `degraded`: some are. `unhealthy`: none
 * is, so that a call would find nobody.
 */
export type ServiceHealthStatus = 'healthy' | 'degraded' | 'unhealthy'

export interface ServiceHealth {
  readonly serviceName: string
  readonly status: ServiceHealthStatus
  readonly total: number
  readonly healthy: number
  readonly instances: readonly { readonly id: string; readonly status: InstanceStatus }[]
}

/** Sums up the instances of one service. */
export function summarizeHealth(serviceName: string, instances: readonly ServiceInstance[]): ServiceHealth {
  const healthy = instances.filter(({ status }) => status === 'healthy').length
  // One that leaves in good order is no sign of trouble.
  const staying = instances.filter(({ status }) => status !== 'stopping').length
  return {
    serviceName,
    status: healthy === 0 ? 'unhealthy' : healthy === staying ? 'healthy' : 'degraded',
    total: instances.length,
    healthy,
    instances: instances.map(({ id, status }) => ({ id, status })),
  }
}

/** The wire form of a summary. */
export function formatHealth(health: ServiceHealth): Record<string, unknown> {
  const { serviceName, ...rest } = health
  return { service_name: serviceName, ...rest }
}

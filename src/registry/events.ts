import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'

/** What a registry says. Every instance that comes in with `registered` leaves by exactly one of the next three. */
export type RegistryEvents = {
  /** An instance was added; what it replaced has been reported by `replaced` before. */
  readonly registered: { readonly instance: ServiceInstance }
  /** The same id, or the same host and port under another id, was registered again. */
  readonly replaced: { readonly instance: ServiceInstance; readonly by: ServiceInstance }
  /** Somebody asked for it to be removed. */
  readonly deregistered: { readonly instance: ServiceInstance }
  /** Its lease lapsed: no heartbeat came in time. */
  readonly expired: { readonly instance: ServiceInstance }
  /** Its status changed; `instance` is as it is now. */
  readonly status: { readonly instance: ServiceInstance; readonly from: InstanceStatus; readonly to: InstanceStatus }
}

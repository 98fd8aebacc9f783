import type { ServiceInstance } from '../core/instance.ts'

/** Why an instance left the rotation. */
export type EjectionReason = 'consecutive-failures' | 'success-rate' | 'failure-percentage' | 'probe-failed'

/** Why it came back: a probe succeeded, or the fleet shrank and too large a share of it would have been out. */
export type RestoreReason = 'probe-succeeded' | 'over-cap'

export type BalancerEvents = {
  /** A call got its instance. Built only while somebody listens. */
  readonly picked: {
    readonly instance: ServiceInstance
    readonly key: string | undefined
    readonly probe: boolean
    /** Calls in flight there, this one included. */
    readonly inFlight: number
  }
  /** Out of the rotation for `forMs`, after which one call probes it. Also when a probe failed. */
  readonly ejected: {
    readonly instance: ServiceInstance
    readonly reason: EjectionReason
    readonly forMs: number
    /** Healthy instances that are out now. */
    readonly ejectedCount: number
  }
  readonly restored: {
    readonly instance: ServiceInstance
    readonly reason: RestoreReason
    /** Healthy instances that are still out. */
    readonly ejectedCount: number
  }
  /** It asked for time (Retry-After), and is not picked for `forMs`; not told when too few others are left for that. */
  readonly resting: { readonly instance: ServiceInstance; readonly forMs: number }
  readonly added: { readonly instance: ServiceInstance }
  /** Gone from the list, or replaced by one with the same id elsewhere. Its calls in flight finish. */
  readonly removed: { readonly instance: ServiceInstance; readonly inFlight: number }
  /** Too few are eligible to be believed: from now on all in service are picked from, or no longer. */
  readonly panic: {
    readonly on: boolean
    readonly eligible: number
    /** Instances that are neither starting, stopping nor drained. */
    readonly inService: number
  }
}

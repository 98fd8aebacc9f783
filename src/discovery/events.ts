import type { ServiceInstance } from '../core/instance.ts'
import type { DiscoveryError } from './errors.ts'

/** What a {@link DiscoveryClient} reports. */
export type DiscoveryEvents = {
  /** The list believed in is another one. Instances are the same when everything but `lastHeartbeat` is. */
  readonly changed: {
    readonly service: string
    readonly added: readonly ServiceInstance[]
    readonly removed: readonly ServiceInstance[]
    /** As they are now; an id that moved to another address is among them. */
    readonly updated: readonly ServiceInstance[]
    readonly instances: readonly ServiceInstance[]
    /** Entries of the answer that made no sense and were left out. */
    readonly dropped: number
  }
  /**
   * A list that the provider did not confirm goes on being served: it failed, it is slow and this is a list to begin
   * with, or its answer without instances, or with far fewer, is not believed yet.
   */
  readonly stale: { readonly service: string; readonly ageMs: number; readonly error: DiscoveryError }
  /** The provider failed; it is not asked about this service again for `retryInMs`. */
  readonly 'load-failed': { readonly service: string; readonly error: DiscoveryError; readonly retryInMs: number }
  /** The provider's watch broke; it is begun again after `retryInMs`, and the provider is asked instead until then. */
  readonly 'watch-failed': { readonly service: string; readonly error: DiscoveryError; readonly retryInMs: number }
  /** The provider is believed again. */
  readonly recovered: { readonly service: string }
}

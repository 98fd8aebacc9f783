import { GatelessError } from '../core/errors.ts'

/** No instance may be called. `ERR_GATELESS_NO_INSTANCE`; it says how many there are, and why none of them will do. */
export class NoInstanceError extends GatelessError {
  override readonly name = 'NoInstanceError'
  /** Instances the balancer was given. */
  readonly known: number
  /** Of those, the ones that are out for failing. `retryAfterMs` says when the first of them is probed. */
  readonly ejected: number
  /** Of those, the ones that are not healthy by the registry's word, or drained (weight 0). */
  readonly unhealthy: number

  constructor(counts: NoInstanceCounts, retryAfterMs?: number) {
    const { known, ejected, unhealthy } = counts
    const why = known === 0 ? 'none is known' : `${known} known, ${unhealthy} unhealthy or drained, ${ejected} ejected`
    super('ERR_GATELESS_NO_INSTANCE', `no instance to call: ${why}`, { retryAfterMs, local: true })
    this.known = known
    this.ejected = ejected
    this.unhealthy = unhealthy
  }
}

export interface NoInstanceCounts {
  readonly known: number
  readonly ejected: number
  readonly unhealthy: number
}

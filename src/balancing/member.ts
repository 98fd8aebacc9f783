import type { ServiceInstance } from '../core/instance.ts'

/** One instance as strategies see it. */
export interface Member {
  /** As last given to `update`. */
  readonly instance: ServiceInstance
  readonly id: string
  /** Share of calls relative to the others; above 0 for everybody a picker is given. */
  readonly weight: number
  /** Calls picked and not settled, body included. */
  readonly inFlight: number
  /** Its index among the members last given to the picker; -1 when it is none of them. */
  readonly slot: number
}

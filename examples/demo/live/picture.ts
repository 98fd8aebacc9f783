import type { Fault, State } from '../faults.ts'
import type { Decision, InstanceCounts, SecondOfLane } from '../measurements.ts'
import type { LaneName } from '../scene.ts'

/** What the live view shows at one moment, apart from how: numbers and words, no columns and no colours. */

export interface Picture {
  readonly seconds: number
  /** Undefined until the load begins. */
  readonly atMs: number | undefined
  readonly faults: readonly Fault[]
  readonly lanes: readonly LanePicture[]
  readonly instances: readonly InstancePicture[]
  readonly registry: State
  readonly services: readonly ServicePicture[]
  /** The latest comes last. */
  readonly events: readonly Decision[]
}

export interface LanePicture {
  readonly lane: LaneName
  /** The last second whose calls have all ended. */
  readonly last: SecondOfLane | undefined
  readonly calls: number
  readonly successes: number
  readonly attempts: number
}

export interface InstancePicture {
  readonly id: string
  /** What the script made of it. */
  readonly state: State
  /** What gateless thinks of it. */
  readonly standing: string
  readonly lanes: Readonly<Record<LaneName, InstanceLoad | undefined>>
}

export interface InstanceLoad extends InstanceCounts {
  /** Of all attempts of its lane in that second, from 0 to 1. */
  readonly share: number
}

export interface ServicePicture {
  readonly service: string
  readonly breaker: string
  readonly panic: boolean
}

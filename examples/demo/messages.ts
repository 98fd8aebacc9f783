import type { LaneName, ServiceName } from './scene.ts'
import type { Decision, LaneReport, SecondOfLane } from './measurements.ts'

/** What the processes of the demo say to each other over IPC. */

export type Health = 'well' | 'slow' | 'failing'

/** What a child process is told on its command line, as JSON. */
export interface RegistryInput {
  /** 0: any free one. */
  readonly port: number
}

export interface ServiceInput {
  readonly service: ServiceName
  readonly id: string
  readonly port: number
  readonly registryUrl: string
}

export interface CallerInput {
  readonly lane: LaneName
  readonly seconds: number
  readonly registryUrl: string
  /** Where the instances are, for the lane that has to be told. */
  readonly origins: Readonly<Record<ServiceName, readonly Origin[]>>
}

export interface Origin {
  readonly id: string
  readonly origin: string
}

export type ToChild =
  | { readonly type: 'health'; readonly health: Health }
  /** The clock of the run starts at this time (milliseconds since the epoch, fractions included). */
  | { readonly type: 'start'; readonly startAt: number }
  /** A frozen process cannot notice that its parent is gone: whoever gets this kills it then. */
  | { readonly type: 'guard'; readonly pid: number | undefined }
  | { readonly type: 'finish' }

export type FromChild =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'decision'; readonly decision: Decision }
  | { readonly type: 'second'; readonly lane: LaneName; readonly second: SecondOfLane }
  | { readonly type: 'report'; readonly lane: LaneName; readonly report: LaneReport }

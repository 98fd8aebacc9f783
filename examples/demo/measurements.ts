import type { LaneName } from './scene.ts'

/** What is measured and kept, apart from how it is shown: the table, the JSON and any other view read only this. */

export type Source = LaneName | 'script' | 'registry'

export type DecisionKind =
  | 'script'
  | 'ejected'
  | 'restored'
  | 'panic'
  | 'breaker'
  | 'retries'
  | 'failures'
  | 'stale'
  | 'recovered'
  | 'changed'
  | 'registry'

/** Something that was done or decided, on the clock of the run. */
export interface Decision {
  readonly atMs: number
  readonly source: Source
  readonly kind: DecisionKind
  readonly text: string
}

/** What became of the calls that were scheduled in one second of the run. */
export interface SecondOfLane {
  /** 0 is the first. */
  readonly second: number
  readonly calls: number
  readonly successes: number
  readonly attempts: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Attempts and failed attempts by instance. */
  readonly instances: Readonly<Record<string, InstanceCounts>>
}

export interface InstanceCounts {
  attempts: number
  failures: number
}

/** A call that was no success, told in full. */
export interface LostCall {
  readonly atMs: number
  readonly call: string
  readonly latencyMs: number
  readonly why: string
  readonly attempts: string
}

export interface LaneReport {
  readonly calls: number
  readonly successes: number
  readonly attempts: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** How late the worst call was sent: large where the machine, not the services, was the bottleneck. */
  readonly worstStartDelayMs: number
  /** The first of them. */
  readonly lost: readonly LostCall[]
  /** Calls still in flight after the client was closed. */
  readonly inFlight: number
  /** What still kept the process alive after the client was closed, by Node's own account. */
  readonly handles: readonly string[]
}

/** Everything one run gathered. */
export interface RunRecord {
  readonly seconds: number
  readonly timeline: readonly Decision[]
  readonly perSecond: Readonly<Record<LaneName, readonly SecondOfLane[]>>
  readonly lanes: Readonly<Record<LaneName, LaneReport>>
  /** Processes that did not end by themselves, and calls and handles that the gateless caller left behind. */
  readonly leftovers: number
}

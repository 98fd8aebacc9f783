import type { LaneName } from './scene.ts'
import type { Action } from './script.ts'

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
  /** The same for a program: who only prints the text needs none of it. */
  readonly change?: Change | undefined
}

/** What a decision changed, where somebody who draws the scene has to know more than the words. */
export type Change =
  | { readonly what: 'fault'; readonly action: Action; readonly target: string }
  | { readonly what: 'ejected'; readonly instance: string; readonly forMs: number }
  | { readonly what: 'restored'; readonly instance: string }
  | { readonly what: 'breaker'; readonly service: string; readonly state: string }
  | { readonly what: 'panic'; readonly service: string; readonly on: boolean }
  /** Discovery's list: who is on it now and how well, and who left it. */
  | {
      readonly what: 'listed'
      readonly present: readonly { readonly instance: string; readonly status: string }[]
      readonly removed: readonly string[]
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
  readonly instances: Readonly<Record<string, InstanceCounts>>
}

/** What one instance got in one second, and how it did. */
export interface InstanceCounts {
  readonly attempts: number
  readonly failures: number
  /** Of its attempts, failed ones included; here a call has no scheduled arrival, only a beginning. */
  readonly p50Ms: number
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

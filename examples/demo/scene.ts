/**
 * The scene, in numbers: which services there are, what load they get, and what counts as a success. The services and
 * paths are those of the source documents; everything that has to fit into a run of 40 seconds says so.
 */

/** Calls per second in each lane: 40 seconds make 20,800. */
export const RATE = 520

export const DEFAULT_SECONDS = 40

/** Below this the faults would be too short to be noticed, let alone repaired. */
export const MIN_SECONDS = 10

/** A call is a success when a 2xx is there within this time of its *scheduled* arrival, however late it was sent. */
export const SUCCESS_WITHIN_MS = 1_000

/** What a healthy instance takes for an answer. */
export const WORK_MS = 3

/** What a slow one takes: longer than anybody waits. */
export const SLOW_MS = 2_000

/**
 * An instance that does not say that it lives for three seconds is taken off the registry's list. The library's
 * defaults are ten times as long; in 40 seconds nobody would see them at work.
 */
export const HEARTBEAT_MS = 1_000
export const LEASE_MS = 3_000

/** How often the registry asks each instance for `/health`, and how long it waits for the answer. */
export const HEALTH_INTERVAL_MS = 1_000
export const HEALTH_TIMEOUT_MS = 500

/**
 * How long an instance rests before a call probes it: two seconds, in a short run less. Faults come every few seconds
 * here, and only one device instance in three may be out at once (`maxEjectedShare` is 0.5). A longer rest would keep
 * one that is well out while the next one fails, and that one could then not be ejected.
 */
export function recoveryMs(seconds: number): number {
  return Math.min(2_000, 50 * seconds)
}

export type ServiceName = 'device-service' | 'sensor-service'

export interface ServiceScene {
  readonly path: string
  readonly instances: readonly string[]
}

export const SERVICES: Readonly<Record<ServiceName, ServiceScene>> = {
  'device-service': { path: '/api/devices', instances: ['device-1', 'device-2', 'device-3'] },
  'sensor-service': { path: '/api/sensors', instances: ['sensor-1', 'sensor-2'] },
}

export const SERVICE_NAMES: readonly ServiceName[] = ['device-service', 'sensor-service']

export type LaneName = 'plain' | 'gateless'

export const LANE_NAMES: readonly LaneName[] = ['plain', 'gateless']

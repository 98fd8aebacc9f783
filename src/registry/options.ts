import { DEFAULT_LEASE_MS, MAX_LEASE_MS, MIN_LEASE_MS } from '../backends/http/api.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { MemoryStore, type RegistryStore } from './store.ts'

/** Options of a {@link ServiceRegistry}. */
export interface ServiceRegistryOptions {
  /**
   * How long an instance that names no lease of its own may be silent, in milliseconds from 1000 to 86_400_000.
   * @default 30_000
   */
  readonly leaseMs?: number
  /**
   * For so long after the start, in milliseconds from 0, a service nobody registered is not yet called unknown: its
   * instances may not have come back. Make it at least one lease where the registry is reached over a network.
   * @default 0
   */
  readonly warmupMs?: number
  /** Names it may ever know; further ones are refused. An integer from 1. @default 1_000 */
  readonly maxServices?: number
  /** Instances of all services together; further ones are refused. An integer from 1. @default 10_000 */
  readonly maxInstances?: number
  /** Where it is kept; closed with the registry. @default new MemoryStore() */
  readonly store?: RegistryStore
  readonly clock?: Partial<Clock>
}

/** @internal */
export interface RegistrySettings {
  readonly leaseMs: number
  readonly warmupMs: number
  readonly maxServices: number
  readonly maxInstances: number
  readonly store: RegistryStore
  readonly clock: Clock
}

const STORE_METHODS = [
  'services',
  'records',
  'record',
  'recordAt',
  'put',
  'remove',
  'definition',
  'putDefinition',
  'close',
] as const

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readRegistryOptions(options: ServiceRegistryOptions | undefined): RegistrySettings {
  const read = new OptionReader('ServiceRegistry', options)
  const settings: RegistrySettings = {
    leaseMs: read.number('leaseMs', {
      default: DEFAULT_LEASE_MS,
      min: MIN_LEASE_MS,
      max: MAX_LEASE_MS,
      unit: 'milliseconds',
    }),
    warmupMs: read.duration('warmupMs', 0),
    maxServices: read.number('maxServices', { default: 1_000, min: 1, integer: true }),
    maxInstances: read.number('maxInstances', { default: 10_000, min: 1, integer: true }),
    store: read.implementing<RegistryStore | undefined>('store', STORE_METHODS, undefined) ?? new MemoryStore(),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

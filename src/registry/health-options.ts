import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { ServiceRegistry } from './service-registry.ts'

/** Asks an instance how it is: resolves for healthy, rejects for not. To be given up when the signal aborts. */
export type HealthProbe = (url: URL, signal: AbortSignal) => Promise<void>

/** Options of a {@link HealthChecker}. */
export interface HealthCheckerOptions {
  readonly registry: ServiceRegistry
  /** From the end of one check to the next, milliseconds from 100; varied by ±10 % per check. @default 30_000 */
  readonly intervalMs?: number
  /** A check that takes longer has failed, milliseconds from 1. @default 5_000 */
  readonly timeoutMs?: number
  /** Failures in a row that make a healthy instance unhealthy; an integer from 1. One success undoes it. @default 2 */
  readonly unhealthyThreshold?: number
  /** Checks in flight at once; an integer from 1. @default 32 */
  readonly concurrency?: number
  /** Another way to ask than HTTP. @default a GET without redirects that any 2xx satisfies */
  readonly probe?: HealthProbe
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/** @internal */
export interface HealthSettings {
  readonly registry: ServiceRegistry
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyThreshold: number
  readonly concurrency: number
  readonly probe: HealthProbe | undefined
  readonly clock: Clock
  readonly random: Random
}

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readHealthOptions(options: HealthCheckerOptions): HealthSettings {
  const read: OptionReader = new OptionReader('HealthChecker', options)
  const registry = read.raw('registry')
  if (!(registry instanceof ServiceRegistry)) read.refuse('registry', 'a ServiceRegistry')
  const settings: HealthSettings = {
    registry,
    intervalMs: read.duration('intervalMs', 30_000, 100),
    timeoutMs: read.duration('timeoutMs', 5_000, 1),
    unhealthyThreshold: read.number('unhealthyThreshold', { default: 2, min: 1, integer: true }),
    concurrency: read.number('concurrency', { default: 32, min: 1, integer: true }),
    probe: read.function<HealthProbe | undefined>('probe', undefined),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

import type { CallContext } from '../core/context.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import type { LoadBalancer } from './load-balancer.ts'

/**
 * Asks an instance how it is. It is well unless this throws, rejects, answers `false` or takes too long; `signal` says when
 * nobody waits for the answer any more.
 */
export type HealthQuestion = (instance: ServiceInstance, context: CallContext) => unknown

/** Options of an {@link ActiveHealthCheck}. */
export interface ActiveHealthCheckOptions {
  /** Whose instances are asked, and who is told. */
  readonly balancer: LoadBalancer
  readonly check: HealthQuestion
  /** From the end of one check of an instance to the next, milliseconds from 1; varied by `jitter`. @default 10_000 (Kubernetes) */
  readonly intervalMs?: number
  /** The share by which chance lengthens or shortens an interval, from 0 to 1. @default 0.1 */
  readonly jitter?: number
  /** A check that takes longer has failed, milliseconds from 1. @default 1_000 (Kubernetes) */
  readonly timeoutMs?: number
  /** Failures in a row that take an instance out; an integer from 1. @default 3 (Kubernetes) */
  readonly unhealthyThreshold?: number
  /** Successes in a row that bring it back; an integer from 1. @default 1 (Kubernetes) */
  readonly healthyThreshold?: number
  /** Checks in flight at once; an integer from 1. @default 32 */
  readonly concurrency?: number
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/** @internal */
export interface HealthCheckSettings extends Required<Omit<ActiveHealthCheckOptions, 'clock'>> {
  readonly clock: Clock
}

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readHealthCheckOptions(options: ActiveHealthCheckOptions): HealthCheckSettings {
  const read: OptionReader = new OptionReader('ActiveHealthCheck', options)
  const methods = ['instance', 'instances', 'setHealth', 'on']
  const balancer = read.implementing<LoadBalancer | undefined>('balancer', methods, undefined)
  const check = read.function<HealthQuestion | undefined>('check', undefined)
  const settings: HealthCheckSettings = {
    balancer: balancer ?? read.refuse('balancer', 'a LoadBalancer'),
    check: check ?? read.refuse('check', 'a function'),
    intervalMs: read.duration('intervalMs', 10_000, 1),
    jitter: read.number('jitter', { default: 0.1, min: 0, max: 1 }),
    timeoutMs: read.duration('timeoutMs', 1_000, 1),
    unhealthyThreshold: read.number('unhealthyThreshold', { default: 3, min: 1, integer: true }),
    healthyThreshold: read.number('healthyThreshold', { default: 1, min: 1, integer: true }),
    concurrency: read.number('concurrency', { default: 32, min: 1, integer: true }),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

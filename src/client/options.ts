import type { Dispatcher } from 'undici'
import type { LoadBalancerOptions } from '../balancing/options.ts'
import type { CircuitBreakerOptions } from '../breaker/options.ts'
import type { Guard } from '../core/policy.ts'
import type { DiscoveryClient } from '../discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../discovery/options.ts'
import type { RetryOptions } from '../retry/options.ts'
import type { Clock } from '../time/clock.ts'
import type { Random } from '../time/random.ts'

/** What a user may configure. How it is checked and merged stands in `settings.ts`. */

/** The breaker of each instance: so many failures in a row, and it leaves the rotation until a probe succeeds. */
export interface InstanceBreakerOptions {
  /** An integer from 1. @default 5 */
  readonly failureThreshold?: number
  /** First time out of the rotation, in milliseconds; grows when it happens again. @default 30_000 */
  readonly recoveryTimeoutMs?: number
  /** Longest time out of the rotation, in milliseconds. @default 300_000 */
  readonly maxRecoveryTimeoutMs?: number
  /** At most this share of the instances is out at once, from 0 to 1. @default 0.5 */
  readonly maxEjectedShare?: number
}

/** How the calls to one service are treated. Given for the client, and per service on top of that. */
export interface CallPolicy {
  /** The whole call with all its attempts, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number
  /** One attempt, up to the final response headers, in milliseconds. @default 5_000 */
  readonly attemptTimeoutMs?: number
  /**
   * `false`: one attempt only. Unless a budget is given, all clients of the process share one per service.
   * @default 3 attempts, 25 ms base, 250 ms cap, full jitter, 20 % budget
   */
  readonly retry?: Omit<RetryOptions, 'attemptTimeoutMs' | 'clock' | 'random'> | false
  readonly balancing?: Pick<LoadBalancerOptions, 'strategy' | 'panicThreshold'>
  readonly breaker?: {
    readonly instance?: InstanceBreakerOptions | false
    /** @default failureRate 0.5 over 10 s with at least 20 calls, open for 5 s, growing to 60 s */
    readonly service?: Omit<CircuitBreakerOptions, 'clock' | 'random' | 'name' | 'classify'> | false
  }
  /**
   * What stands in front of each call with all its attempts, outermost first: a `Bulkhead`, a `RateLimiter`, an
   * `AdaptiveThrottle`, one of your own. Services that are given the same objects share them. @default none
   */
  readonly guards?: readonly Guard[]
  /** The largest body `call` reads, in bytes from 1. @default 10 MiB */
  readonly maxBodyBytes?: number
}

/** Options of a {@link ServiceClient}. */
export interface ServiceClientOptions extends CallPolicy {
  /** Where instances come from: a client of your own (yours to close), or the options of one that is made. */
  readonly discovery: DiscoveryClient | DiscoveryClientOptions
  /** What differs for single services; merged over the client's own, option by option. */
  readonly services?: Readonly<Record<string, CallPolicy>>
  /** As a global dispatcher, `http://<service>.<suffix>` is also resolved; for example `'svc.internal'`. @default none */
  readonly suffix?: string
  /**
   * What sends the attempts, in place of pools of its own: a ProxyAgent, a MockAgent, a stub in a test. Yours to close;
   * `connections` and `connectTimeoutMs` are then its own business.
   */
  readonly transport?: Dispatcher
  /** Connections per instance, an integer from 1. @default 64 */
  readonly connections?: number
  /** A connection must stand after this long, in milliseconds. @default 5_000 */
  readonly connectTimeoutMs?: number
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

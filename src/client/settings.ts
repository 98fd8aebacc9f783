import { leastConnections } from '../balancing/strategies/least-connections.ts'
import type { Strategy } from '../balancing/strategy.ts'
import { failureRate } from '../breaker/failure-rate.ts'
import type { CircuitBreakerOptions } from '../breaker/options.ts'
import { asOptions, OptionReader } from '../core/options.ts'
import type { Guard } from '../core/policy.ts'
import type { RetryOptions } from '../retry/options.ts'
import { exponentialBackoff } from '../time/backoff.ts'

/** Checks call policies and merges them: service over client over defaults, option by option. */

/** @internal Everything that is decided per service, complete. */
export interface CallSettings {
  readonly timeoutMs: number
  readonly attemptTimeoutMs: number
  readonly maxBodyBytes: number
  readonly retry: RetryOptions | false
  readonly strategy: Strategy
  readonly panicThreshold: number | undefined
  readonly instanceBreaker: InstanceBreakerSettings | false
  readonly serviceBreaker: CircuitBreakerOptions | false
  readonly guards: readonly Guard[]
}

/** @internal */
export interface InstanceBreakerSettings {
  readonly failureThreshold: number
  readonly recoveryTimeoutMs: number
  readonly maxRecoveryTimeoutMs: number
  readonly maxEjectedShare: number
}

const CALL_DEFAULTS = /* @__PURE__ */ Object.freeze({
  timeoutMs: 30_000,
  attemptTimeoutMs: 5_000,
  maxBodyBytes: 10 * 1_024 * 1_024,
  maxAttempts: 3,
  // Envoy's retry back-off (25 ms base, ten times that at most): the next try goes to another instance, so there is
  // little to wait for.
  backoff: { baseMs: 25, maxMs: 250 },
  instanceBreaker: {
    failureThreshold: 5,
    recoveryTimeoutMs: 30_000,
    maxRecoveryTimeoutMs: 300_000,
    maxEjectedShare: 0.5,
  },
  // Polly's and Hystrix's five seconds at first. A service that fails every probe is asked less and less; no client asks
  // it in step with the others.
  serviceBreakerOpen: { baseMs: 5_000, factor: 2, maxMs: 60_000, jitterRatio: 0.1 },
})

/** The settings of a client before any service says otherwise. */
export function defaultCallSettings(): CallSettings {
  return {
    timeoutMs: CALL_DEFAULTS.timeoutMs,
    attemptTimeoutMs: CALL_DEFAULTS.attemptTimeoutMs,
    maxBodyBytes: CALL_DEFAULTS.maxBodyBytes,
    retry: { maxAttempts: CALL_DEFAULTS.maxAttempts, backoff: exponentialBackoff(CALL_DEFAULTS.backoff) },
    strategy: leastConnections(),
    panicThreshold: undefined,
    instanceBreaker: CALL_DEFAULTS.instanceBreaker,
    serviceBreaker: {
      trip: failureRate({ threshold: 0.5, windowMs: 10_000, minimumCalls: 20 }),
      recoveryBackoff: exponentialBackoff({ ...CALL_DEFAULTS.serviceBreakerOpen, jitter: 'proportional' }),
    },
    guards: [],
  }
}

/** Reads one policy over what it inherits. `read` belongs to the caller, who also ends it. */
export function readCallPolicy(owner: string, read: OptionReader, base: CallSettings): CallSettings {
  const timeoutMs = read.duration('timeoutMs', base.timeoutMs, 1)
  const attemptTimeoutMs = read.duration('attemptTimeoutMs', Math.min(base.attemptTimeoutMs, timeoutMs), 1)
  if (attemptTimeoutMs > timeoutMs) read.refuse('attemptTimeoutMs', `at most timeoutMs (${timeoutMs} milliseconds)`)

  const balancing = new OptionReader(`${owner}: balancing`, read.raw('balancing') ?? {})
  const strategy = balancing.implementing<Strategy>('strategy', ['create'], base.strategy)
  const panicThreshold = balancing.number('panicThreshold', { default: base.panicThreshold, min: 0, max: 1 })
  balancing.end()

  const breaker = new OptionReader(`${owner}: breaker`, read.raw('breaker') ?? {})
  const instance = breaker.raw('instance')
  const service = breaker.raw('service')
  breaker.end()

  return {
    timeoutMs,
    attemptTimeoutMs,
    maxBodyBytes: read.number('maxBodyBytes', { default: base.maxBodyBytes, min: 1, integer: true }),
    retry: mergeRetry(`${owner}: retry`, read.raw('retry'), base.retry),
    strategy,
    panicThreshold,
    instanceBreaker: readInstanceBreaker(`${owner}: breaker.instance`, instance, base.instanceBreaker),
    serviceBreaker: mergeServiceBreaker(`${owner}: breaker.service`, service, base.serviceBreaker),
    guards: readGuards(read, base.guards),
  }
}

function readGuards(read: OptionReader, base: readonly Guard[]): readonly Guard[] {
  const given = read.raw('guards')
  if (given === undefined) return base
  const fits = Array.isArray(given) && given.every((each: unknown) => isGuardLike(each))
  return fits ? [...(given as readonly Guard[])] : read.refuse('guards', 'an array of objects with admit() and judge()')
}

function isGuardLike(value: unknown): boolean {
  const { admit, judge } = (value ?? {}) as Partial<Guard>
  return typeof admit === 'function' && typeof judge === 'function'
}

/** What the values may be is checked by the policies themselves, when the client makes one of each. */
function mergeRetry(owner: string, given: unknown, base: RetryOptions | false): RetryOptions | false {
  if (given === undefined) return base
  if (given === false) return false
  const own = givenOptions(owner, given)
  if (Object.hasOwn(own, 'attemptTimeoutMs'))
    throw new TypeError(`${owner}: attemptTimeoutMs stands beside retry, not in it`)
  const inherited: Record<string, unknown> = { ...(base === false ? defaultCallSettings().retry : base) }
  // One way of saying what is worth a try replaces the other: together they are refused.
  if (Object.hasOwn(own, 'retryOn')) delete inherited['retryable']
  if (Object.hasOwn(own, 'retryable')) delete inherited['retryOn']
  return { ...inherited, ...own }
}

function mergeServiceBreaker(
  owner: string,
  given: unknown,
  base: CircuitBreakerOptions | false,
): CircuitBreakerOptions | false {
  if (given === undefined) return base
  if (given === false) return false
  const own = givenOptions(owner, given)
  const inherited: Record<string, unknown> = { ...(base === false ? defaultCallSettings().serviceBreaker : base) }
  // One way of saying when to open, and for how long, replaces the other: together they are refused.
  if (Object.hasOwn(own, 'failureThreshold')) delete inherited['trip']
  if (Object.hasOwn(own, 'trip')) delete inherited['failureThreshold']
  if (Object.hasOwn(own, 'recoveryTimeoutMs')) delete inherited['recoveryBackoff']
  if (Object.hasOwn(own, 'recoveryBackoff')) delete inherited['recoveryTimeoutMs']
  return { ...inherited, ...own }
}

/** The options somebody really gave: an explicit `undefined` is no wish to lose what is inherited. */
function givenOptions(owner: string, given: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(asOptions(owner, given)).filter(([, value]) => value !== undefined))
}

function readInstanceBreaker(
  owner: string,
  given: unknown,
  base: InstanceBreakerSettings | false,
): InstanceBreakerSettings | false {
  if (given === undefined) return base
  if (given === false) return false
  const fallback = base === false ? CALL_DEFAULTS.instanceBreaker : base
  const read = new OptionReader(owner, given)
  const recoveryTimeoutMs = read.duration('recoveryTimeoutMs', fallback.recoveryTimeoutMs, 1)
  const longest = Math.max(fallback.maxRecoveryTimeoutMs, recoveryTimeoutMs)
  const settings: InstanceBreakerSettings = {
    failureThreshold: read.number('failureThreshold', { default: fallback.failureThreshold, min: 1, integer: true }),
    recoveryTimeoutMs,
    maxRecoveryTimeoutMs: read.duration('maxRecoveryTimeoutMs', longest, recoveryTimeoutMs),
    maxEjectedShare: read.number('maxEjectedShare', { default: fallback.maxEjectedShare, min: 0, max: 1 }),
  }
  read.end()
  return settings
}

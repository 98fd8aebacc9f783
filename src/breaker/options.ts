import { classifyByAttribution } from '../core/attribution.ts'
import type { GateRules } from '../core/gate.ts'
import { OptionReader } from '../core/options.ts'
import type { Classify } from '../core/outcome.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { consecutiveFailures } from './consecutive-failures.ts'
import type { TripRule } from './trip-rule.ts'

export interface HalfOpenOptions {
  /** Probes in flight at once; the other callers are rejected. An integer from 1. @default 1 */
  readonly probes?: number
  /** A probe that has not ended after this long, in milliseconds, gives its slot to the next caller. @default 60_000 */
  readonly probeTimeoutMs?: number
}

/** Options of a {@link CircuitBreaker}. Defaults are those of the classic pattern: 5 failures, 60 s, 3 successes. */
export interface CircuitBreakerOptions {
  /** Stands in errors and events. @default 'circuit breaker' */
  readonly name?: string
  /** Failures in a row that open the breaker; an integer from 1. Not together with `trip`. @default 5 */
  readonly failureThreshold?: number
  /** How long it stays open, in milliseconds from 0. @default 60_000 */
  readonly recoveryTimeoutMs?: number
  /** Successful probes that close it again; an integer from 1. @default 3 */
  readonly successThreshold?: number
  /** Another rule to open by, like `failureRate()`. @default consecutiveFailures() */
  readonly trip?: TripRule
  readonly halfOpen?: HalfOpenOptions
  /**
   * What an outcome says about the remote. One that throws is reported as an `error` event, and the default decides.
   * @default every result a success; every error a failure, unless this process made it itself (`local`)
   */
  readonly classify?: Classify
  readonly clock?: Partial<Clock>
}

/** @internal */
export interface BreakerSettings {
  readonly name: string
  readonly recoveryTimeoutMs: number
  readonly trip: TripRule
  readonly gate: GateRules
  readonly classify: Classify
  readonly clock: Clock
}

const BREAKER_DEFAULTS = /* @__PURE__ */ Object.freeze({
  name: 'circuit breaker',
  recoveryTimeoutMs: 60_000,
  successThreshold: 3,
  probes: 1,
  probeTimeoutMs: 60_000,
})

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readBreakerOptions(options: CircuitBreakerOptions | undefined): BreakerSettings {
  const read = new OptionReader('CircuitBreaker', options)
  const failureThreshold = read.number('failureThreshold', { default: undefined, min: 1, integer: true })
  const trip = read.implementing<TripRule | undefined>('trip', ['create'], undefined)
  if (failureThreshold !== undefined && trip !== undefined)
    read.refuse('failureThreshold', 'left out when trip is given')
  const halfOpen = new OptionReader('CircuitBreaker: halfOpen', read.raw('halfOpen') ?? {})
  const settings: BreakerSettings = {
    name: read.string<string>('name', BREAKER_DEFAULTS.name),
    recoveryTimeoutMs: read.duration('recoveryTimeoutMs', BREAKER_DEFAULTS.recoveryTimeoutMs),
    trip: trip ?? consecutiveFailures(failureThreshold === undefined ? {} : { failureThreshold }),
    gate: {
      successThreshold: read.number('successThreshold', {
        default: BREAKER_DEFAULTS.successThreshold,
        min: 1,
        integer: true,
      }),
      probes: halfOpen.number('probes', { default: BREAKER_DEFAULTS.probes, min: 1, integer: true }),
      probeTimeoutMs: halfOpen.duration('probeTimeoutMs', BREAKER_DEFAULTS.probeTimeoutMs, 1),
    },
    classify: read.function('classify', classifyByAttribution),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  halfOpen.end()
  read.end()
  return settings
}

export { anyOf } from './any-of.ts'
export { CircuitBreaker } from './circuit-breaker.ts'
export { type ConsecutiveFailuresOptions, consecutiveFailures } from './consecutive-failures.ts'
export { CircuitOpenError } from './errors.ts'
export type { BreakerEvents, BreakerMetrics, BreakerMode, BreakerState } from './events.ts'
export { type FailureRateOptions, failureRate } from './failure-rate.ts'
export {
  KeyedBreakers,
  type KeyedBreakersEvents,
  type KeyedBreakersMetrics,
  type KeyedBreakersOptions,
} from './keyed-breakers.ts'
export type { CircuitBreakerOptions, CircuitBreakerPatch, HalfOpenOptions, ReadmissionOptions } from './options.ts'
export { type SlowCallRateOptions, slowCallRate } from './slow-call-rate.ts'
export type { BreakerSnapshot } from './snapshot.ts'
export type { TripCounts, TripMemory, TripRule } from './trip-rule.ts'

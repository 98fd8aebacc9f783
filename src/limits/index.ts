/** How many, how long, how fast? */
export type { AdaptiveLimiterOptions, AdaptiveLimiterPatch } from './adaptive-limiter-options.ts'
export { AdaptiveLimiter, type AdaptiveLimiterEvents, type AdaptiveLimiterMetrics } from './adaptive-limiter.ts'
export type { AdaptiveThrottleOptions, AdaptiveThrottlePatch } from './adaptive-throttle-options.ts'
export { AdaptiveThrottle, type AdaptiveThrottleEvents, type AdaptiveThrottleMetrics } from './adaptive-throttle.ts'
export { aimd, type AimdOptions } from './aimd.ts'
export type { BulkheadOptions, BulkheadPatch } from './bulkhead-options.ts'
export { Bulkhead, type BulkheadEvents, type BulkheadMetrics } from './bulkhead.ts'
export {
  BulkheadFullError,
  type BulkheadReason,
  ConcurrencyLimitedError,
  LoadShedError,
  RateLimitedError,
  ThrottledError,
} from './errors.ts'
export { gradient2, type Gradient2Options } from './gradient2.ts'
export type { LimitAlgorithm, LimitEstimator, LimitSample, LimitStart } from './limit-algorithm.ts'
export type { LimitPolicy } from './limit-policy.ts'
export type { LoadShedderOptions, LoadShedderPatch } from './load-shedder-options.ts'
export { LoadShedder, type LoadShedderEvents, type LoadShedderMetrics } from './load-shedder.ts'
export { classifyByOverload } from './overload.ts'
export type { RateAlgorithm, RateLimiterOptions, RateLimiterPatch } from './rate-limiter-options.ts'
export { RateLimiter, type RateLimiterEvents, type RateLimiterMetrics } from './rate-limiter.ts'
export type { TimeoutEvents, TimeoutMode, TimeoutOptions } from './timeout.ts'
export { timeout, TimeoutPolicy } from './timeout.ts'
export { vegas, type VegasOptions } from './vegas.ts'
export type { QueueOrder } from './wait-queue.ts'

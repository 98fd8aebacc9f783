import { decorrelatedBackoff } from '../time/decorrelated-backoff.ts'
import type { RetryOptions } from './options.ts'

/** The parts of Microsoft's standard handler, outermost first: the options of each, as the classes here take them. */
export interface MicrosoftStandard {
  /** For `Bulkhead`: calls at once, and none that wait. Microsoft calls it a rate limiter. */
  readonly bulkhead: { readonly maxConcurrent: number; readonly maxQueue: number }
  /** For `timeout`, around everything. */
  readonly totalTimeout: { readonly timeoutMs: number; readonly name: string }
  readonly retry: RetryOptions
  /** For `failureRate`, the trip rule of the breaker. */
  readonly failureRate: { readonly threshold: number; readonly minimumCalls: number; readonly windowMs: number }
  /** For `CircuitBreaker`; `trip` is to be made of `failureRate`. */
  readonly breaker: { readonly recoveryTimeoutMs: number; readonly successThreshold: number }
  /** For `timeout`, around each try. */
  readonly attemptTimeout: { readonly timeoutMs: number; readonly name: string }
}

/**
 * The numbers of `AddStandardResilienceHandler` (Microsoft.Extensions.Http.Resilience 10.9): 1000 calls at once, 30 s in
 * all, three retries from 2 s with decorrelated jitter and Retry-After, a breaker at 10 % of at least 100 calls in 30 s
 * that opens for 5 s, 10 s for each try.
 *
 * When to use: a service that moves over from .NET and is to behave as before.
 *
 * Gotchas: `pipeline` warns, rightly, that four tries of 10 s do not fit into 30 s. Microsoft bounds no retries, this does
 * (`budget: false` takes that away); there, Retry-After is cut nowhere, here at 30 s. Like there, every failure is
 * retried, whatever the method: leave out what is not idempotent.
 *
 * @example
 * const { bulkhead, totalTimeout, retry, failureRate: rate, breaker, attemptTimeout } = microsoftStandard()
 * const handler = pipeline(
 *   new Bulkhead(bulkhead),
 *   timeout(totalTimeout),
 *   new RetryPolicy(retry),
 *   new CircuitBreaker({ ...breaker, trip: failureRate(rate) }),
 *   timeout(attemptTimeout),
 * )
 */
export function microsoftStandard(): MicrosoftStandard {
  return {
    bulkhead: { maxConcurrent: 1_000, maxQueue: 0 },
    totalTimeout: { timeoutMs: 30_000, name: 'total' },
    retry: {
      maxAttempts: 4,
      // Polly has no bound; no try begins after the total timeout.
      backoff: decorrelatedBackoff({ baseMs: 2_000, maxMs: 30_000, formula: 'polly' }),
      retryAfterMode: 'exact',
    },
    failureRate: { threshold: 0.1, minimumCalls: 100, windowMs: 30_000 },
    breaker: { recoveryTimeoutMs: 5_000, successThreshold: 1 },
    attemptTimeout: { timeoutMs: 10_000, name: 'attempt' },
  }
}

import { exponentialBackoff } from '../time/backoff.ts'
import { failureKindOf } from './failure-kind.ts'
import type { RetryOptions } from './options.ts'
import { RetryQuota } from './retry-quota.ts'
import { isTransient } from './transient.ts'

/**
 * The numbers of AWS's standard mode since November 2026 (smithy-typescript, @smithy/core 3.40, `Retry.v2026`): before, the
 * bases were 100 and 500 ms and the costs 10 and 5.
 */
const NUMBERS = /* @__PURE__ */ Object.freeze({
  maxAttempts: 3,
  baseMs: 50,
  throttlingBaseMs: 1_000,
  maxMs: 20_000,
  maxRetryAfterExtraMs: 5_000,
})

/**
 * The options of a `RetryPolicy` that retries as AWS's SDKs do in standard mode: three tries, 50 ms (1 s when asked for
 * patience) × 2 up to 20 s with full jitter, a Retry-After between the backoff and 5 s more, and a `RetryQuota`.
 *
 * When to use: calls to AWS that do not go through its SDK, and services that should be treated the same.
 *
 * Gotchas: each call of this function makes a quota. For one per service, give
 * `budget: RetryBudget.shared('s3', () => new RetryQuota())`. As everywhere here, a Retry-After beyond the deadline ends
 * the call, where AWS would come back too early. The additional wait of AWS's long polls is not part of it.
 *
 * @param options Replace single options.
 *
 * @example
 * const retry = new RetryPolicy(awsStandard({ maxAttempts: 5 }))
 */
export function awsStandard(options?: RetryOptions): RetryOptions {
  const { maxAttempts, baseMs, throttlingBaseMs, maxMs, maxRetryAfterExtraMs } = NUMBERS
  // A list of its own stands in the place of the preset's predicate.
  const retryable = options?.retryOn === undefined ? { retryable: isAwsRetryable } : undefined
  return {
    maxAttempts,
    backoff: exponentialBackoff({ baseMs, throttlingBaseMs, maxMs }),
    ...retryable,
    maxRetryAfterExtraMs,
    budget: options?.budget ?? new RetryQuota(),
    ...options,
  }
}

/** Requests for patience may come as status 400, with a code that says so. */
function isAwsRetryable(error: unknown): boolean {
  return failureKindOf(error) === 'throttling' || isTransient(error)
}

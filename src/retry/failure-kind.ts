import type { FailureKind } from '../time/backoff.ts'
import { askChain, statusOf } from './error-chain.ts'

/** Whether a failure broke something or was a request for patience: the two cost a quota, and wait, differently. */

/** What AWS's services answer when they are asked too often (smithy-typescript, service-error-classification). */
const THROTTLING_CODES: ReadonlySet<unknown> = /* @__PURE__ */ new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
])

/**
 * `throttling` for status 429 and for the codes and names by which AWS's services ask for patience; `transient` for
 * everything else. The error is asked first, then its causes, up to five in all.
 */
export function failureKindOf(error: unknown): FailureKind {
  const throttled = askChain(error, (link) =>
    statusOf(link) === 429 || THROTTLING_CODES.has(link.code) || THROTTLING_CODES.has(link.name) ? true : undefined,
  )
  return throttled === true ? 'throttling' : 'transient'
}

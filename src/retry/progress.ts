import type { BackoffMemory, FailureKind } from '../time/backoff.ts'

/**
 * How far the retries of one call have come. `execute` keeps one by itself; whoever uses `decide` alone makes one at a
 * call's first failure, hands it to every `decide` of that call, and to `succeeded` in the end.
 */
export class RetryProgress implements BackoffMemory {
  /** The delay before the last try, in milliseconds. */
  delayMs: number | undefined
  /** What the last failure was that led to another try. */
  kind: FailureKind | undefined
  /** Tries before the backoff began anew, because the remote named the delay itself. */
  restartedAfter = 0
  phase: number | undefined
}

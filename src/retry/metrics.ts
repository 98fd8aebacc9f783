import type { StopReason } from './decision.ts'

/** What a policy has done since it was made. */
export interface RetryMetrics {
  /** Calls that began. */
  readonly calls: number
  /** Tries in all: one per call, and the retries. */
  readonly attempts: number
  /** Further tries: of `execute` those that began, of `decide` those that were granted. */
  readonly retries: number
  /** Calls that succeeded after a retry. */
  readonly recovered: number
  /** Calls that failed after `maxAttempts` tries. */
  readonly exhausted: number
  /** Retries that the budget refused. */
  readonly suppressed: number
  /** Calls whose last failure was not worth another try. */
  readonly notRetryable: number
  /** Calls without time for another try, those included whose time was over during a try or a wait. */
  readonly outOfTime: number
  /** Calls that stopped because their breaker was open. */
  readonly circuitOpen: number
  /** Calls that their callers gave up. */
  readonly aborted: number
}

/** @internal */
export class RetryCounters {
  calls = 0
  retries = 0
  recovered = 0
  readonly #stops: Record<StopReason, number> = {
    aborted: 0,
    exhausted: 0,
    'not-retryable': 0,
    'circuit-open': 0,
    deadline: 0,
    budget: 0,
  }

  stopped(reason: StopReason): void {
    this.#stops[reason] += 1
  }

  read(): RetryMetrics {
    const { calls, retries, recovered } = this
    const stops = this.#stops
    return {
      calls,
      attempts: calls + retries,
      retries,
      recovered,
      exhausted: stops.exhausted,
      suppressed: stops.budget,
      notRetryable: stops['not-retryable'],
      outOfTime: stops.deadline,
      circuitOpen: stops['circuit-open'],
      aborted: stops.aborted,
    }
  }
}

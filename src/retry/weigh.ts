import type { FailureKind } from '../time/backoff.ts'
import type { FailedTry, RetryDecision, StopReason } from './decision.ts'
import { waitFor } from './delay.ts'
import type { Circuit, RetrySettings } from './options.ts'

/**
 * The decision: whether to try again after a failure, and when. Everything it asks may be a user's, and may fail: that is
 * reported, and never changes more than the one answer.
 */

/** @internal Tells of a hook that failed. */
export type Report = (hook: string, fault: unknown) => void

/** @internal A yes has taken one retry out of the budget, and is noted in the call's progress. */
export function weigh(settings: RetrySettings, failure: FailedTry, report: Report): RetryDecision {
  const { budget, clock, maxAttempts } = settings
  const { attempt, deadline, error, progress } = failure
  if (failure.aborted) return stop('aborted')
  const last = attempt >= maxAttempts
  // A budget that counts failures has to hear of the last one too.
  if (last && budget?.failed === undefined) return stop('exhausted')
  const ask = <T>(hook: string, question: () => T, otherwise: T): T => {
    try {
      return question()
    } catch (fault) {
      report(hook, fault)
      return otherwise
    }
  }
  const advice = failure.retryAfterMs ?? ask('retryAfterOf', () => settings.retryAfterOf(error), undefined)
  const wanted = failure.retryable ?? ask('retryable', () => answerOf(settings.retryable(error)), false)
  const kind = ask('kindOf', () => settings.kindOf(error), 'transient')
  if (wanted || advice === 'never') ask('budget', () => budget?.failed?.(kind), undefined)
  if (last) return stop('exhausted')
  if (!wanted || advice === 'never') return stop('not-retryable')
  if (isOpen(settings.breaker, report)) return stop('circuit-open')
  // A delay that is no number would make a storm of a retry.
  const backoffMs = ask('backoff', () => backoffOf(settings, failure, kind), undefined)
  if (backoffMs === undefined) return stop('not-retryable')
  const { delayMs, askedMs, exact } = waitFor(settings, advice, backoffMs)
  if (deadline !== undefined && clock.now() + askedMs >= deadline) return stop('deadline')
  // A budget that fails grants nothing: who cannot count must not multiply.
  if (!ask('budget', () => budget?.tryWithdraw(kind) ?? true, false)) return stop('budget')
  if (progress !== undefined) {
    progress.delayMs = delayMs
    progress.kind = kind
    if (exact) progress.restartedAfter = attempt
  }
  return { retry: true, delayMs }
}

/** @internal Whether the breaker lets nothing through; one that fails stops nobody, its own refusal will. */
export function isOpen(breaker: Circuit | undefined, report: Report): boolean {
  try {
    return breaker !== undefined && (breaker.state === 'open' || breaker.mode === 'isolated')
  } catch (fault) {
    report('breaker', fault)
    return false
  }
}

/** A promise is truthy: an async predicate would retry everything. */
function answerOf(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new TypeError(`retryable must answer true or false, got ${typeof answer}`)
}

function backoffOf({ backoff, random }: RetrySettings, failure: FailedTry, kind: FailureKind): number {
  const { previousDelayMs, progress } = failure
  const attempt = failure.attempt - (progress?.restartedAfter ?? 0)
  // One that began anew knows no delay before.
  const before = previousDelayMs ?? (attempt === 1 ? undefined : progress?.delayMs)
  const delayMs = backoff.delayMs({ attempt, previousDelayMs: before, random, kind, memory: progress })
  if (Number.isFinite(delayMs) && delayMs >= 0) return delayMs
  throw new RangeError(`backoff must answer milliseconds from 0, got ${String(delayMs)}`)
}

function stop(reason: StopReason): RetryDecision {
  return { retry: false, reason }
}

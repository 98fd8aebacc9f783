import { isGatelessError } from './errors.ts'
import type { Outcome, Verdict } from './outcome.ts'

/**
 * Whether an error may be held against the remote. Only what the remote did counts: refusals of this process (circuit
 * open, bulkhead full, budget spent, request invalid) carry `local`, and say nothing about anybody else.
 */
export function isAttributable(error: unknown): boolean {
  return !(isGatelessError(error) && error.local)
}

/** The default `classify`: every result is a success, every error a failure unless this process made it itself. */
export function classifyByAttribution(outcome: Outcome): Verdict {
  if (outcome.ok) return 'success'
  return isAttributable(outcome.error) ? 'failure' : 'ignore'
}

import { isGatelessError } from './errors.ts'
import { show } from './options.ts'
import type { Classify, Outcome, Verdict } from './outcome.ts'

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

/**
 * What an outcome says about the remote, by the user's `classify`. That is never asked about what this process refused,
 * and one that throws, or answers anything but a verdict, is reported, and `otherwise` decides.
 */
export function judgeBy(
  classify: Classify,
  outcome: Outcome,
  report: (fault: unknown) => void,
  otherwise: Classify = classifyByAttribution,
): Verdict {
  if (!outcome.ok && !isAttributable(outcome.error)) return 'ignore'
  try {
    const verdict: unknown = classify(outcome)
    if (isVerdict(verdict)) return verdict
    // An async one: nobody waits for it, and its rejection would end the process.
    if (verdict instanceof Promise) verdict.catch(() => {})
    throw new TypeError(`classify must answer 'success', 'failure' or 'ignore', got ${show(verdict)}`)
  } catch (fault) {
    report(fault)
    return otherwise(outcome)
  }
}

function isVerdict(value: unknown): value is Verdict {
  return value === 'success' || value === 'failure' || value === 'ignore'
}

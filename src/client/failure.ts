import type { Verdict } from '../core/outcome.ts'
import { type AttemptOutcome, InvalidRequestError } from './errors.ts'

/**
 * The one place that says what a failed attempt means: how far it came, and whether anybody is to blame. Judged by what
 * happened first (was it sent? did an answer begin?), and by error code only where that leaves doubt.
 */

// The caller's or the configuration's fault: every instance would answer the same.
const LOCAL_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_MAX_ORIGINS_REACHED',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  // A body whose pieces cannot be written.
  'ERR_INVALID_ARG_TYPE',
])

/** A caller's own mistake (4xx) says nothing bad about the server; asking to slow down, or giving up, does. */
export function verdictOfStatus(status: number): Verdict {
  return status >= 500 || status === 408 || status === 429 ? 'failure' : 'success'
}

/** What an error of the transport means, given how far the request had come. */
export function outcomeOfError(error: unknown, sent: boolean, answered: boolean): AttemptOutcome {
  if (LOCAL_CODES.has(codeOf(error))) return 'local'
  if (answered) return 'partial'
  return sent ? 'maybe-sent' : 'not-sent'
}

/** The connection is gone, which says little of who was at its other end. */
const LOST_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** Whether the connection itself broke: every request on it then fails with the same error. */
export function isLostConnection(error: unknown): boolean {
  return LOST_CODES.has(codeOf(error))
}

/**
 * A server may close a kept connection just as the next request is written to it: that is a race, and nobody's failure.
 * (Whoever is really gone refuses the next connection, and that one counts.)
 */
export function isKeepAliveRace(outcome: AttemptOutcome, reused: boolean, error: unknown): boolean {
  return outcome === 'maybe-sent' && reused && LOST_CODES.has(codeOf(error))
}

export function verdictOfOutcome(outcome: AttemptOutcome): Verdict {
  return outcome === 'local' || outcome === 'caller' ? 'ignore' : 'failure'
}

/** What undici refuses as invalid reads like what this package refuses before it; everything else stays what it is. */
export function localError(error: unknown): Error {
  const code = codeOf(error)
  const invalid = code.startsWith('UND_ERR_INVALID') || code.endsWith('MISMATCH')
  return invalid ? new InvalidRequestError((error as Error).message, error) : (error as Error)
}

/** The code of an error, its name, or at least its type: never its text. */
export function codeOf(error: unknown): string {
  if (error === null) return 'null'
  if (typeof error !== 'object') return typeof error
  const { code, name } = error as { code?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  return typeof name === 'string' ? name : 'Error'
}

/**
 * From when on the end of its time is held against an instance: half of what an attempt could have, but no caller's own
 * limit makes that less than a tenth of what attempts are given. An impatient caller judges nobody; a patient one, whose
 * limit is shorter than an attempt's, still sees who never answers.
 */
export function fairTime(attemptTimeoutMs: number, callTimeoutMs: number): number {
  return Math.max(Math.min(attemptTimeoutMs, callTimeoutMs) / 2, attemptTimeoutMs / 10)
}

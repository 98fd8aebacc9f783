import { isGatelessError } from '../core/errors.ts'
import type { Outcome, Verdict } from '../core/outcome.ts'

/** What says "too much" in the languages of HTTP (RFC 6585, RFC 9110) and of Node's and undici's own errors. */
const OVERLOAD: ReadonlySet<unknown> = new Set([
  429,
  503,
  'ERR_GATELESS_TIMEOUT',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

/**
 * The default `classify` of an adaptive limiter: every result a success, time running out and "too many requests" (429, 503)
 * a failure, every other error ignored. A limit that shrank at every "no such order" would starve whoever asks for them, and
 * fast failures say nothing about how long work takes.
 */
export function classifyByOverload(outcome: Outcome): Verdict {
  if (outcome.ok) return 'success'
  const { error } = outcome
  if (typeof error !== 'object' || error === null || (isGatelessError(error) && error.local)) return 'ignore'
  const { name, code, status, statusCode } = error as Partial<Record<string, unknown>>
  const overload = name === 'TimeoutError' || OVERLOAD.has(code) || OVERLOAD.has(status) || OVERLOAD.has(statusCode)
  return overload ? 'failure' : 'ignore'
}

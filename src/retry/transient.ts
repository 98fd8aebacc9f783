import { isGatelessError, type TimeoutError } from '../core/errors.ts'
import { askChain, type ErrorLike, statusOf } from './error-chain.ts'

/** Which errors a retry may cure, judged by what the error carries and never by its message. */

/** Statuses that name a passing condition: the intersection of what got, ky and undici retry, with 408 and RFC 8470's 425. */
const TRANSIENT_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504]

/** The network failed, not the request. Node's codes as in undici's RetryHandler and got, and undici's own. */
const NETWORK_CODES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EADDRINUSE',
  // Names come and go with the instances behind them, so even "no such name" may pass.
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

/** Mistakes that stay mistakes: files, permissions, arguments, certificates. */
const LASTING_CODES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ERR_ASSERTION',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** Whether an HTTP status says that the same request may succeed a little later. */
export function isTransientStatus(status: number): boolean {
  return TRANSIENT_STATUSES.includes(status)
}

/**
 * Whether trying again may help: the default `retryable`.
 *
 * When to use: around work that may fail in any way. Whoever wraps a function in a retry wants it tried again, so
 * everything counts as transient (as in p-retry) but what is known not to be:
 *
 * - a refusal of this process (circuit open, bulkhead full, closed), the end of the whole call's time, an `AbortError`;
 * - a status (`status`, `statusCode`, also on `response`) other than 408, 425, 429, 500, 502, 503, 504;
 * - a code of a lasting mistake (`ENOENT`, a bad certificate, an invalid argument);
 * - a `TypeError`, `RangeError`, `ReferenceError`, `SyntaxError`, `URIError` or `EvalError`, which is a bug in the work,
 *   unless a network error is its cause, as in what `fetch` throws.
 *
 * The error is asked first, then its causes, up to five; the first that knows decides.
 *
 * @example
 * new RetryPolicy({ retryable: (error) => isTransient(error) && !(error instanceof QuotaError) })
 */
export function isTransient(error: unknown): boolean {
  return askChain(error, verdict) ?? !isProgrammingError(error)
}

/** What this one error says by itself; undefined when it says nothing. */
function verdict(error: ErrorLike): boolean | undefined {
  if (isGatelessError(error)) {
    if (error.local) return false
    if (error.code === 'ERR_GATELESS_TIMEOUT') return (error as TimeoutError).limit === 'attempt'
  }
  if (error.name === 'AbortError') return false
  const status = statusOf(error)
  if (status !== undefined && status >= 400 && status <= 599) return isTransientStatus(status)
  if (typeof error.code !== 'string') return undefined
  return NETWORK_CODES.has(error.code) ? true : LASTING_CODES.has(error.code) ? false : undefined
}

function isProgrammingError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError ||
    error instanceof URIError ||
    error instanceof EvalError
  )
}

import type { Dispatcher } from 'undici'
import { FormData } from 'undici'
import { headerValue } from './request-check.ts'

/** May a request be made a second time? Two questions: does it do harm, and is its body still there? */

// RFC 9110, 9.2.2.
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Whether a request that may have reached a server can be repeated: by its method, or because the caller says so
 * (`idempotent: true`, or an `Idempotency-Key`, which makes the server recognise the second one).
 */
export function isRepeatable(options: Dispatcher.DispatchOptions): boolean {
  if (typeof options.idempotent === 'boolean') return options.idempotent
  return IDEMPOTENT.has(options.method) || headerValue(options.headers, 'idempotency-key') !== undefined
}

/** Whether the body can be sent again. Streams and generators are gone once something was read from them. */
export function isReplayable(body: unknown): boolean {
  return (
    body === null ||
    body === undefined ||
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    body instanceof Blob ||
    body instanceof FormData
  )
}

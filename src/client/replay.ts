import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { copyOf } from './own-properties.ts'
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
    // By its tag: Node's own FormData is another class than undici's, and as good.
    Object.prototype.toString.call(body) === '[object FormData]'
  )
}

/** The request once more, for another origin. */
export function requestTo(origin: string, request: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  const copy = copyOf(request)
  copy.origin = origin
  return copy
}

/** Whether an error is what the body failed with that was being sent: the caller's own, and no instance's. */
export function isBodysOwn(error: unknown, { body }: Dispatcher.DispatchOptions): boolean {
  return body instanceof Readable && body.errored === error
}

/** A body that is no Node stream keeps no record of its failure, so what it throws is reported as it passes. */
export function overhearBody(request: Dispatcher.DispatchOptions, onError: (error: unknown) => void): void {
  const body: unknown = request.body
  if (typeof body !== 'object' || isReplayable(body) || body instanceof Readable) return
  const iterable = Symbol.asyncIterator in (body as object) || Symbol.iterator in (body as object)
  if (iterable) request.body = overheard(body as AsyncIterable<unknown>, onError) as never
}

/** Always throws an Error: undici takes `throw null` for no error at all, and waits for the rest. */
async function* overheard(body: AsyncIterable<unknown>, onError: (error: unknown) => void): AsyncGenerator {
  try {
    yield* body
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error('the request body failed', { cause: thrown })
    onError(error)
    throw error
  }
}

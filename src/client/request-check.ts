import type { Dispatcher } from 'undici'
import { show } from '../core/options.ts'
import { InvalidRequestError } from './errors.ts'

/**
 * Refuses requests that cannot be sent as they are meant, before undici sees them. Two reasons: undici sends some
 * things verbatim that mean something else to the server (`//host/x`, an absolute URL, raw non-ASCII bytes), and a
 * request that it refuses itself costs its pool a connection for ever (see `instance-pools.ts`).
 */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// Field values: visible ASCII, space, tab and obs-text; no control characters, above all no CR, LF and NUL (RFC 9110, 5.5).
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
// Framing belongs to undici: a second opinion about length or connection is how requests are smuggled.
const FORBIDDEN = new Set(['transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'expect', 'host'])

/** The path as it may be sent: checked, and with everything outside ASCII percent-encoded. */
export function checkedPath(path: unknown): string {
  if (typeof path !== 'string') throw new InvalidRequestError('path must be a string')
  if (!path.startsWith('/')) throw new InvalidRequestError('path must start with a slash, and must not be a whole URL')
  // A second slash would make the first segment a host for whoever resolves the path as a URL reference.
  if (path.startsWith('//') || path.startsWith('/\\'))
    throw new InvalidRequestError('path must start with a single slash')
  let ascii = true
  for (let i = 0; i < path.length; i += 1) {
    const code = path.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f) {
      throw new InvalidRequestError(`path must not hold spaces or control characters (position ${i})`)
    }
    if (code === 0x23) throw new InvalidRequestError('path must not hold a fragment (#)')
    if (code > 0x7f) ascii = false
  }
  if (ascii) return path
  return path.replace(/[\u0080-\uffff]+/g, (text) => encodeURIComponent(text.toWellFormed()))
}

export function checkMethod(method: unknown): void {
  if (typeof method !== 'string' || !TOKEN.test(method)) throw new InvalidRequestError('method must be an HTTP token')
}

/** A call's own time limit: a timer would take NaN, or a text, for one millisecond. */
export function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs >= 0)) return
  throw new InvalidRequestError(`timeoutMs must be a number from 0 milliseconds, got ${show(timeoutMs)}`)
}

/** Headers that can be read more than once: an iterator would be at its end after it was checked. */
export function settledHeaders<H>(headers: H): H | string[] {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers) || !(Symbol.iterator in headers)) {
    return headers
  }
  const settled: string[] = []
  for (const pair of headers as unknown as Iterable<[string, string]>) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new InvalidRequestError('headers must come as pairs')
    settled.push(...pair)
  }
  return settled
}

/** Checks every header, in whichever of undici's three forms they come. */
export function checkHeaders(headers: Dispatcher.DispatchOptions['headers']): void {
  if (headers === null || headers === undefined) return
  if (typeof headers !== 'object') throw new InvalidRequestError('headers must be an object or an array')
  if (Array.isArray(headers)) {
    if (headers.length % 2 !== 0) throw new InvalidRequestError('headers as an array must alternate names and values')
    for (let i = 0; i < headers.length; i += 2) checkHeader(headers[i], headers[i + 1])
  } else if (Symbol.iterator in headers) {
    for (const [name, value] of headers) checkHeader(name, value)
  } else {
    const record = headers as Record<string, unknown>
    for (const name of Object.keys(record)) checkHeader(name, record[name])
  }
}

function checkHeader(name: unknown, value: unknown): void {
  // Names and not values in the messages: a header's value may be a secret.
  if (typeof name !== 'string' || !TOKEN.test(name)) throw new InvalidRequestError('header names must be HTTP tokens')
  if (FORBIDDEN.has(name.toLowerCase())) throw new InvalidRequestError(`header ${name} is not the caller's to set`)
  for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (item === undefined || item === null || typeof item === 'number' || typeof item === 'boolean') continue
    if (typeof item !== 'string' || !FIELD_VALUE.test(item)) {
      throw new InvalidRequestError(`header ${name} holds characters that no header may hold`)
    }
  }
}

/** The value of a header, in whichever form the headers come. */
export function headerValue(headers: Dispatcher.DispatchOptions['headers'], wanted: string): unknown {
  if (headers === null || headers === undefined) return undefined
  if (Array.isArray(headers)) {
    for (let i = 0; i < headers.length; i += 2) {
      if ((headers[i] as string).toLowerCase() === wanted) return headers[i + 1]
    }
    return undefined
  }
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers)
  for (const [name, value] of entries) if (name.toLowerCase() === wanted) return value
  return undefined
}

import { type Clock, systemClock } from '../time/clock.ts'
import { parseHttpDate } from './http-date.ts'

/** Nobody is made to wait longer than this by a header. */
const MAX_RETRY_AFTER_MS = 300_000

/** Optional white space is spaces and tabs (RFC 9110, 5.6.3), nothing else. */
const DIGITS = /^[ \t]*(\d+)[ \t]*$/

/**
 * Headers that give it in milliseconds, by how much they are to be preferred: Azure's two (azure-core reads them in this
 * order, before Retry-After), and AWS's.
 */
const IN_MILLISECONDS = ['retry-after-ms', 'x-ms-retry-after-ms', 'x-amz-retry-after'] as const

/**
 * Reads Retry-After (RFC 9110, 10.2.3) into milliseconds from 0 to 300_000: seconds, or one of the three dates of HTTP.
 * Anything else is ignored: `Number` reads "0x10" and "1e3", and an empty text as 0.
 */
export function parseRetryAfter(value: unknown, clock: Clock): number | undefined {
  if (typeof value !== 'string') return undefined
  const seconds = DIGITS.exec(value)?.[1]
  if (seconds !== undefined) return bounded(Number(seconds) * 1_000)
  const date = parseHttpDate(value.trim(), clock)
  return date === undefined ? undefined : bounded(date - clock.wallNow())
}

/** Reads a header that gives milliseconds, with the same bounds. */
function parseMilliseconds(value: unknown): number | undefined {
  const digits = typeof value === 'string' ? DIGITS.exec(value)?.[1] : undefined
  return digits === undefined ? undefined : bounded(Number(digits))
}

/**
 * How long an answer asks to be left alone, in milliseconds from 0 to 300_000; undefined when it does not, or not in a
 * way that makes sense.
 *
 * When to use: as `retryAfterOf` of a `RetryPolicy`, for errors that carry the headers of an answer.
 *
 * Gotchas: of a plain object, only names in lower case are looked at, as Node and undici give them. A header that came
 * more than once is ambiguous, and ignored.
 *
 * @param headers `Headers`, or a plain object of them.
 *
 * @example
 * retryAfterOf({ 'retry-after': '2' }) // 2_000
 */
export function retryAfterOf(headers: unknown, clock: Clock = systemClock): number | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined
  for (const name of IN_MILLISECONDS) {
    const asked = parseMilliseconds(headerOf(headers, name))
    if (asked !== undefined) return asked
  }
  return parseRetryAfter(headerOf(headers, 'retry-after'), clock)
}

function headerOf(headers: object, name: string): unknown {
  const { get } = headers as { get?: unknown }
  if (typeof get === 'function') return get.call(headers, name)
  return Object.hasOwn(headers, name) ? (headers as Record<string, unknown>)[name] : undefined
}

function bounded(waitMs: number): number {
  return Math.min(Math.max(0, waitMs), MAX_RETRY_AFTER_MS)
}

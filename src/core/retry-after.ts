import { type Clock, parseDate } from '../time/clock.ts'

/** Nobody is made to wait longer than this by a header. */
const MAX_RETRY_AFTER_MS = 300_000

const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * Reads Retry-After (RFC 9110, 10.2.3): seconds, or a date as it is written today. Anything else is ignored: `Date.parse`
 * alone would read "-1", "1.5" and "5, 10" as years.
 */
export function parseRetryAfter(value: unknown, clock: Clock): number | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text) * 1_000, MAX_RETRY_AFTER_MS)
  if (!HTTP_DATE.test(text)) return undefined
  const wait = parseDate(text) - clock.wallNow()
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(0, wait), MAX_RETRY_AFTER_MS)
}

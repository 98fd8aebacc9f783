import { type Clock, formatDate, parseDate } from '../time/clock.ts'

/**
 * The three dates of HTTP (RFC 9110, 5.6.7), by their grammar. `Date.parse` alone reads "-1" and "5, 10" as years, and
 * puts 99 into the last century for ever.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = MONTHS.join('|')
const DAY = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun'
const WEEKDAY = 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday'
const TIME = String.raw`\d{2}:\d{2}:\d{2}`

/** Sun, 06 Nov 1994 08:49:37 GMT */
const IMF_FIXDATE = new RegExp(
  String.raw`^(?:${DAY}), (?<day>\d{2}) (?<month>${MONTH}) (?<year>\d{4}) (?<time>${TIME}) GMT$`,
)
/** Sunday, 06-Nov-94 08:49:37 GMT */
const RFC_850 = new RegExp(
  String.raw`^(?:${WEEKDAY}), (?<day>\d{2})-(?<month>${MONTH})-(?<year>\d{2}) (?<time>${TIME}) GMT$`,
)
/** Sun Nov  6 08:49:37 1994 */
const ASCTIME = new RegExp(
  String.raw`^(?:${DAY}) (?<month>${MONTH}) (?<day>\d{2}| \d) (?<time>${TIME}) (?<year>\d{4})$`,
)

/**
 * Milliseconds since the Unix epoch; undefined for anything that is no date of HTTP. The name of the day has to be one,
 * but need not fit: it says nothing that the date does not.
 */
export function parseHttpDate(text: string, clock: Clock): number | undefined {
  const parts = (IMF_FIXDATE.exec(text) ?? ASCTIME.exec(text))?.groups
  if (parts !== undefined) return instantOf(isoOf(parts['year'] as string, parts))
  const old = RFC_850.exec(text)?.groups
  return old === undefined ? undefined : instantOf(withCentury(old, formatDate(clock.wallNow())))
}

type Parts = Readonly<Record<string, string>>

function isoOf(year: string, { month, day = '', time }: Parts): string {
  const number = String(MONTHS.indexOf(month as string) + 1).padStart(2, '0')
  return `${year}-${number}-${day.trim().padStart(2, '0')}T${time}.000Z`
}

/** Two digits are the latest year they can be that lies no more than 50 years ahead. */
function withCentury(parts: Parts, now: string): string {
  const latest = String(Number(now.slice(0, 4)) + 50) + now.slice(4)
  const century = Number(latest.slice(0, 2))
  const year = parts['year'] as string
  const iso = isoOf(`${century}${year}`, parts)
  return iso > latest ? isoOf(`${century - 1}${year}`, parts) : iso
}

/** A date that its own text gives back: the 31st of February would quietly become the 3rd of March. */
function instantOf(iso: string): number | undefined {
  // The one second that Unix time does not count.
  const leap = iso.endsWith(':60.000Z')
  const counted = leap ? iso.replace(':60.', ':59.') : iso
  const instant = parseDate(counted)
  if (Number.isNaN(instant) || formatDate(instant) !== counted) return undefined
  return leap ? instant + 1_000 : instant
}

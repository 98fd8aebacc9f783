import { describe, expect, it } from 'vitest'
import { parseRetryAfter, retryAfterOf } from '../../src/core/retry-after.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/**
 * Retry-After by its grammar (RFC 9110, 10.2.3 and 5.6.7), with the values that other clients test: the suites of
 * linkerd2-proxy, ky and smithy-typescript, and what JavaScript's own readers take for something.
 */

/** A Friday. */
const NOW = Date.parse('2026-11-20T12:00:00Z')
const read = (value: unknown, now = NOW): number | undefined => parseRetryAfter(value, new FakeClock(now))

const cases: readonly (readonly [value: unknown, ms: number | undefined, why: string])[] = [
  // ---- seconds
  ['0', 0, 'at once'],
  ['1', 1_000, 'a second'],
  ['120', 120_000, 'the example of RFC 9110'],
  ['007', 7_000, '1*DIGIT allows leading zeros'],
  [' 7 ', 7_000, 'optional white space'],
  ['\t7\t', 7_000, 'tabs are white space'],
  ['300', 300_000, 'the longest wait'],
  ['301', 300_000, 'cut down'],
  ['86400', 300_000, 'a day is cut down'],
  ['99999999999', 300_000, 'however many digits'],
  ['9'.repeat(400), 300_000, 'infinitely many seconds are cut down too'],
  // ---- the three dates
  ['Fri, 20 Nov 2026 12:00:05 GMT', 5_000, 'IMF-fixdate'],
  ['Friday, 20-Nov-26 12:00:05 GMT', 5_000, 'RFC 850'],
  ['Fri Nov 20 12:00:05 2026', 5_000, 'asctime'],
  ['Fri, 20 Nov 2026 12:00:00 GMT', 0, 'now'],
  ['Fri, 20 Nov 2026 11:59:59 GMT', 0, 'a date gone by is no wait'],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0, 'long gone by'],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 0, 'the examples of RFC 9110'],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 0, 'the examples of RFC 9110'],
  ['Sun Nov  6 08:49:37 1994', 0, 'the examples of RFC 9110, with a space for a digit'],
  ['Sat, 20 Nov 2027 12:00:00 GMT', 300_000, 'a year is cut down'],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 300_000, 'the last date there is'],
  ['Mon, 20 Nov 2026 12:00:05 GMT', 5_000, 'the name of the day adds nothing'],
  ['Fri, 20 Nov 2026 12:00:60 GMT', 60_000, 'a leap second'],
  ['  Fri, 20 Nov 2026 12:00:05 GMT ', 5_000, 'white space around a date'],
  ['Monday, 20-Nov-76 12:00:00 GMT', 300_000, 'fifty years ahead are not too far'],
  ['Monday, 20-Nov-76 12:00:01 GMT', 0, 'more than fifty years ahead were a century ago'],
  ['Friday, 20-Nov-99 12:00:05 GMT', 0, '99 was 1999'],
  // ---- what is neither
  ['', undefined, 'Number reads 0'],
  [' ', undefined, 'Number reads 0'],
  ['-1', undefined, 'Date.parse reads 2001'],
  ['1.5', undefined, 'Date.parse reads 2001'],
  ['5, 10', undefined, 'Date.parse reads 2001'],
  ['+5', undefined, 'Number reads 5'],
  ['0x10', undefined, 'Number reads 16'],
  ['1e3', undefined, 'Number reads 1000'],
  ['1_000', undefined, 'a literal is no header'],
  ['5s', undefined, 'a unit'],
  ['Infinity', undefined, 'Number reads it'],
  ['NaN', undefined, 'Number reads it, as itself'],
  ['null', undefined, 'a serializer’s mistake'],
  ['tomorrow', undefined, 'a word'],
  ['2026-11-20T12:00:05Z', undefined, 'a date, but none of HTTP'],
  ['Fri, 20 Nov 2026 12:00:05 UTC', undefined, 'GMT is the only zone'],
  ['Fri, 20 Nov 2026 12:00:05 +0000', undefined, 'GMT is the only zone'],
  ['fri, 20 nov 2026 12:00:05 gmt', undefined, 'case matters'],
  ['Fri, 20 November 2026 12:00:05 GMT', undefined, 'months have three letters'],
  ['Friday, 20 Nov 2026 12:00:05 GMT', undefined, 'half of each format'],
  ['Fri, 1 Dec 2026 12:00:05 GMT', undefined, 'days have two digits'],
  ['Fri Nov 2 12:00:05 2026', undefined, 'or a space and one'],
  ['Xyz, 20 Nov 2026 12:00:05 GMT', undefined, 'no day'],
  ['Fri, 20 Foo 2026 12:00:05 GMT', undefined, 'no month'],
  ['Tue, 31 Feb 2026 12:00:00 GMT', undefined, 'no date: Date.parse reads the 3rd of March'],
  ['Mon, 00 Jan 2026 12:00:00 GMT', undefined, 'no date'],
  ['Fri, 20 Nov 2026 24:00:00 GMT', undefined, 'no hour'],
  ['Fri, 20 Nov 2026 12:60:00 GMT', undefined, 'no minute'],
  ['Fri, 20 Nov 2026 12:00:61 GMT', undefined, 'no second'],
  ['Sunday, 29-Feb-27 12:00:00 GMT', undefined, 'no leap year'],
  ['Fri, 20 Nov 2026 12:00:05 GMT, 5', undefined, 'a list'],
  ['Fri, 20 Nov 2026 12:00:05 GMT; x', undefined, 'a parameter'],
  ['\u00A07', undefined, 'a space that is none of HTTP’s'],
  ['５', undefined, 'a digit that is none of HTTP’s'],
  [undefined, undefined, 'absent'],
  [null, undefined, 'absent'],
  [5, undefined, 'no text'],
  [['5', '6'], undefined, 'more than one'],
  [{}, undefined, 'no text'],
]

describe('Retry-After', () => {
  it('has at least 30 cases', () => {
    expect(cases.length).toBeGreaterThanOrEqual(30)
  })

  it.each(cases)('%j is %s (%s)', (value, ms) => {
    expect(read(value)).toBe(ms)
  })

  it.each([
    ['a year of two digits, early in a century', '2001-03-01T00:00:00Z', 'Thursday, 01-Mar-01 00:00:09 GMT', 9_000],
    ['one that was a century ago', '2001-03-01T00:00:00Z', 'Thursday, 01-Mar-99 00:00:09 GMT', 0],
    ['one at the turn of a century', '2099-12-31T23:59:59Z', 'Friday, 01-Jan-00 00:00:01 GMT', 2_000],
    ['one that the next century has', '2070-01-01T00:00:00Z', 'Friday, 01-Jan-10 00:00:00 GMT', 300_000],
  ])('%s', (_, now, value, ms) => {
    expect(read(value, Date.parse(now))).toBe(ms)
  })
})

describe('retryAfterOf', () => {
  const of = (headers: unknown): number | undefined => retryAfterOf(headers, new FakeClock(NOW))

  it.each([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': 'Fri, 20 Nov 2026 12:00:05 GMT' }, 5_000],
    [{ 'retry-after-ms': '1500' }, 1_500],
    [{ 'x-ms-retry-after-ms': '250' }, 250],
    [{ 'x-amz-retry-after': '700' }, 700],
    [{ 'retry-after-ms': '0', 'retry-after': '9' }, 0],
    [{ 'retry-after-ms': '1', 'x-ms-retry-after-ms': '2', 'x-amz-retry-after': '3', 'retry-after': '4' }, 1],
    [{ 'x-ms-retry-after-ms': '2', 'x-amz-retry-after': '3', 'retry-after': '4' }, 2],
    [{ 'x-amz-retry-after': '3', 'retry-after': '4' }, 3],
    [{ 'retry-after-ms': 'soon', 'retry-after': '4' }, 4_000],
    [{ 'retry-after-ms': '-1' }, undefined],
    [{ 'retry-after-ms': '1.5' }, undefined],
    [{ 'retry-after-ms': ['1', '2'] }, undefined],
    [{ 'retry-after-ms': '300001' }, 300_000],
    [{ 'retry-after': ['1', '2'] }, undefined],
    [{ 'Retry-After': '2' }, undefined],
    [{}, undefined],
    [undefined, undefined],
    [null, undefined],
    ['retry-after: 2', undefined],
    [new Headers({ 'Retry-After': '2' }), 2_000],
    [new Headers({ 'Retry-After-Ms': '20' }), 20],
    [new Headers(), undefined],
    [new Map([['retry-after', '3']]), 3_000],
    [Object.create({ 'retry-after': '2' }), undefined],
  ])('%o is %s', (headers, ms) => {
    expect(of(headers)).toBe(ms)
  })

  it('reads the system’s clock unless given another', () => {
    const soon = new Date(Date.now() + 100_000).toUTCString()
    const wait = retryAfterOf({ 'retry-after': soon }) as number
    expect(wait).toBeGreaterThan(90_000)
    expect(wait).toBeLessThanOrEqual(100_000)
  })
})

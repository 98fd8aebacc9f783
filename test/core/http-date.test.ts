import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseHttpDate } from '../../src/core/http-date.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const clock = new FakeClock(Date.parse('2026-11-20T12:00:00Z'))
const read = (text: string): string | undefined => {
  const instant = parseHttpDate(text, clock)
  return instant === undefined ? undefined : new Date(instant).toISOString()
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** The three ways HTTP writes an instant; the last has a space for a leading zero. */
function written(instant: Date): [imf: string, rfc850: string, asctime: string] {
  const day = String(instant.getUTCDate())
  const month = MONTHS[instant.getUTCMonth()] as string
  const year = String(instant.getUTCFullYear())
  const weekday = WEEKDAYS[instant.getUTCDay()] as string
  const time = instant.toISOString().slice(11, 19)
  return [
    `${weekday.slice(0, 3)}, ${day.padStart(2, '0')} ${month} ${year} ${time} GMT`,
    `${weekday}, ${day.padStart(2, '0')}-${month}-${year.slice(2)} ${time} GMT`,
    `${weekday.slice(0, 3)} ${month} ${day.padStart(2)} ${time} ${year}`,
  ]
}

describe('a date of HTTP', () => {
  it.each(MONTHS.map((month, index) => [month, index] as const))('knows %s in all three formats', (_, index) => {
    for (const day of [2, 27]) {
      const instant = new Date(Date.UTC(2026, index, day, 8, 49, 37))
      expect(written(instant).map(read)).toEqual(Array.from({ length: 3 }, () => instant.toISOString()))
    }
  })

  it.each([
    ['Sunday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37.000Z'],
    ['Friday, 20-Nov-76 12:00:00 GMT', '2076-11-20T12:00:00.000Z'],
    ['Saturday, 20-Nov-76 12:00:01 GMT', '1976-11-20T12:00:01.000Z'],
    ['Saturday, 01-Jan-00 00:00:00 GMT', '2000-01-01T00:00:00.000Z'],
  ])('%s is the latest it can be, up to fifty years ahead', (text, expected) => {
    expect(read(text)).toBe(expected)
  })

  it('is read back as it was written, whenever it was (property)', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1980-01-01T00:00:00Z'), max: new Date('2075-12-31T00:00:00Z'), noInvalidDate: true }),
        (date) => {
          date.setUTCMilliseconds(0)
          expect(written(date).map(read)).toEqual(Array.from({ length: 3 }, () => date.toISOString()))
        },
      ),
    )
  })
})

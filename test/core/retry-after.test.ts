import { describe, expect, it } from 'vitest'
import { parseRetryAfter } from '../../src/core/retry-after.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const NOW = Date.parse('Fri, 20 Nov 2026 12:00:00 GMT')
const read = (value: unknown): number | undefined => parseRetryAfter(value, new FakeClock(NOW))

describe('Retry-After (FAULTS 80)', () => {
  it.each([
    ['0', 0],
    ['1', 1_000],
    [' 7 ', 7_000],
    ['007', 7_000],
    ['300', 300_000],
    ['301', 300_000],
    ['9999999999', 300_000],
    ['12345678901', 300_000],
    ['Fri, 20 Nov 2026 12:00:05 GMT', 5_000],
    ['Friday, 20-Nov-26 12:00:05 GMT', 5_000],
    ['Fri Nov 20 12:00:05 2026', 5_000],
    ['Fri, 20 Nov 2026 12:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Sat, 20 Nov 2027 12:00:00 GMT', 300_000],
  ])('%j is %i ms', (value, expected) => {
    expect(read(value)).toBe(expected)
  })

  it.each([
    '',
    ' ',
    '-1',
    '1.5',
    '+5',
    '5s',
    '5, 10',
    '1e3',
    '1e20',
    '0x10',
    'Infinity',
    'NaN',
    'tomorrow',
    '2026-11-20T12:00:05Z',
    'Fri, 20 Nov 2026 12:00:05 +0000',
    'Fri, 99 Foo 2026 12:00:05 GMT',
    'Fri, 20 Nov 2026 12:00:05 GMT; x',
    '５',
  ])('%j is ignored', (value) => {
    expect(read(value)).toBeUndefined()
  })

  it.each([[undefined], [null], [5], [['5', '6']], [{}]])('%j, which is no single header, is ignored', (value) => {
    expect(read(value)).toBeUndefined()
  })

  it('takes a hostile value in linear time', () => {
    const began = performance.now()
    expect(read(`${'1'.repeat(1_000_000)}x`)).toBeUndefined()
    expect(read(`${' '.repeat(1_000_000)}x`)).toBeUndefined()
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

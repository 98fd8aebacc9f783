import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLoadReport } from 'gateless/balancing'
import { loadReportOf } from '../../src/balancing/load-report.ts'
import { SEED } from './fleet.ts'

const orca = (value: unknown) => parseLoadReport({ 'endpoint-load-metrics': value })

describe('parseLoadReport', () => {
  it('reads requests in flight', () => {
    expect(parseLoadReport({ 'x-load-rif': '12' })).toEqual({ inFlight: 12 })
    expect(parseLoadReport({ 'x-load-rif': '0' })).toEqual({ inFlight: 0 })
  })

  it('reads every metric of the text form, and passes over names it does not know', () => {
    const text =
      'TEXT application_utilization=0.8,cpu_utilization=0.7, mem_utilization=.5'.replace('=.5', '=0.5') +
      ',rps_fractional=120.5,eps=1e-1,named_metrics.queue=7,custom=3'
    expect(orca(text)).toEqual({
      applicationUtilization: 0.8,
      cpuUtilization: 0.7,
      memoryUtilization: 0.5,
      requestsPerSecond: 120.5,
      errorsPerSecond: 0.1,
    })
  })

  it('reads the older form without a prefix, with colons', () => {
    expect(orca('cpu_utilization:0.3,rps_fractional: 9')).toEqual({ cpuUtilization: 0.3, requestsPerSecond: 9 })
  })

  it('reads the JSON form', () => {
    expect(orca('JSON {"cpu_utilization": 0.3, "rps_fractional": 10, "named_metrics": {"q": 1}, "eps": 0}')).toEqual({
      cpuUtilization: 0.3,
      requestsPerSecond: 10,
      errorsPerSecond: 0,
    })
  })

  it('puts both headers together', () => {
    expect(parseLoadReport({ 'x-load-rif': '3', 'endpoint-load-metrics': 'TEXT eps=1' })).toEqual({
      inFlight: 3,
      errorsPerSecond: 1,
    })
    expect(parseLoadReport({ 'x-load-rif': '3', 'endpoint-load-metrics': 'nonsense' })).toEqual({ inFlight: 3 })
    expect(parseLoadReport({ 'x-load-rif': 'x', 'endpoint-load-metrics': 'TEXT eps=1' })).toEqual({
      errorsPerSecond: 1,
    })
  })

  it.each([
    'NaN',
    'Infinity',
    '-1',
    '0x10',
    '',
    ' ',
    '1 ',
    ' 1',
    '1,2',
    '1e999',
    '.5',
    '5.',
    '1e',
    '1'.repeat(21),
    '١',
    ['1'],
    ['1', '2'],
    1,
    null,
    undefined,
  ])('reads no requests in flight from %j', (value) => {
    expect(parseLoadReport({ 'x-load-rif': value })).toBeUndefined()
  })

  it.each([
    '',
    'TEXT',
    'TEXT ',
    'TEXT eps',
    'TEXT eps=',
    'TEXT =1',
    'TEXT eps=NaN',
    'TEXT eps=-1',
    'TEXT eps=1,eps=2',
    'TEXT cpu_utilization=0.5,eps=x',
    'TEXT eps=1,',
    'TEXT e ps=1',
    'TEXT only=1',
    'BIN CgAA',
    'YAML eps: 1',
    'JSON',
    'JSON {',
    'JSON null',
    'JSON 7',
    'JSON []',
    'JSON {}',
    'JSON {"eps": "1"}',
    'JSON {"eps": -1}',
    'JSON {"eps": 1e999}',
    'JSON {"eps": null}',
    'JSON {"cpu_utilization": 0.5, "eps": -0.1}',
    'JSON {"__proto__": {"eps": 1}}',
    ['TEXT eps=1'],
    `TEXT eps=1,${'x'.repeat(4_096)}=1`,
    7,
    undefined,
  ])('makes nothing of %j', (value) => {
    expect(orca(value)).toBeUndefined()
  })

  it('looks at a header of 4,096 characters, and at none that is longer', () => {
    const filler = (length: number): string => `TEXT eps=1,${'x'.repeat(length - 13)}=1`
    expect(filler(4_096)).toHaveLength(4_096)
    expect(orca(filler(4_096))).toEqual({ errorsPerSecond: 1 })
    expect(orca(filler(4_097))).toBeUndefined()
  })

  it(`gives finite numbers from 0 or nothing, whatever comes (seed ${SEED})`, () => {
    const number = fc.oneof(fc.double().map(String), fc.string({ maxLength: 6 }), fc.integer().map(String))
    const name = fc.constantFrom('eps', 'cpu_utilization', 'rps_fractional', 'other', '')
    const text = fc.tuple(
      fc.constantFrom('TEXT ', 'JSON ', '', 'BIN '),
      fc.array(fc.tuple(name, number).map((pair) => pair.join('='))),
    )
    const json = fc.dictionary(name, fc.oneof(fc.double(), fc.string())).map((value) => `JSON ${JSON.stringify(value)}`)
    fc.assert(
      fc.property(
        fc.oneof(
          text.map(([prefix, entries]) => prefix + entries.join(',')),
          json,
          fc.string(),
        ),
        (value) => {
          for (const read of Object.values(orca(value) ?? {})) {
            expect(Number.isFinite(read)).toBe(true)
            expect(read).toBeGreaterThanOrEqual(0)
          }
        },
      ),
      { seed: SEED, numRuns: 1_000 },
    )
  })
})

describe('what stands in an outcome', () => {
  it('is a report, or the number of requests in flight', () => {
    const report = { cpuUtilization: 0.5 }
    expect(loadReportOf(report)).toBe(report)
    expect(loadReportOf(4)).toEqual({ inFlight: 4 })
    expect(loadReportOf(0)).toEqual({ inFlight: 0 })
    for (const nothing of [Number.NaN, -1, Number.POSITIVE_INFINITY, null, undefined, '7']) {
      expect(loadReportOf(nothing)).toBeUndefined()
    }
  })
})

import { describe, expect, it } from 'vitest'
import { without } from '../../examples/demo/handles.ts'
import type { LaneReport, RunRecord } from '../../examples/demo/measurements.ts'
import { decisionLine, laneTable, table } from '../../examples/demo/print.ts'
import { type LaneSummary, missedBars, summarize } from '../../examples/demo/verdict.ts'

/** From what was gathered to what is said about it. */

const report: LaneReport = {
  calls: 20_800,
  successes: 20_799,
  attempts: 20_900,
  p50Ms: 4.5123,
  p99Ms: 12.3456,
  maxMs: 650,
  worstStartDelayMs: 3,
  lost: [],
  inFlight: 0,
  handles: [],
}

const record: RunRecord = {
  seconds: 40,
  timeline: [{ atMs: 2_000.4, source: 'script', kind: 'script', text: 'device-1 is slow' }],
  perSecond: { plain: [], gateless: [] },
  lanes: { plain: { ...report, successes: 18_720, attempts: 20_800 }, gateless: report },
  leftovers: 0,
}

describe('the summary', () => {
  it('says what the JSON promises', () => {
    expect(summarize(record)).toEqual({
      lanes: {
        plain: {
          calls: 20_800,
          successes: 18_720,
          successRate: 0.9,
          p50Ms: 4.51,
          p99Ms: 12.35,
          maxMs: 650,
          attemptsPerCall: 1,
        },
        gateless: {
          calls: 20_800,
          successes: 20_799,
          successRate: 20_799 / 20_800,
          p50Ms: 4.51,
          p99Ms: 12.35,
          maxMs: 650,
          attemptsPerCall: 1.0048,
        },
      },
      timeline: [{ atMs: 2_000, source: 'script', text: 'device-1 is slow' }],
      leftovers: 0,
    })
  })
})

describe('the bars', () => {
  const { lanes } = summarize(record)
  const gateless = (changes: Partial<LaneSummary>) => ({ ...lanes, gateless: { ...lanes.gateless, ...changes } })

  it('are held by a good run', () => {
    expect(missedBars({ lanes, leftovers: 0 })).toEqual([])
  })

  it.each([
    ['lost calls', gateless({ successRate: 0.9989 }), 0, /99\.89 % success/],
    ['too many attempts', gateless({ attemptsPerCall: 1.21 }), 0, /1\.21 attempts/],
    ['faults that did no harm', { ...lanes, plain: lanes.gateless }, 0, /prove nothing/],
    ['somebody left behind', lanes, 1, /1 processes, calls or handles/],
  ])('are missed by %s', (_, measured, leftovers, message) => {
    expect(missedBars({ lanes: measured, leftovers })).toEqual([expect.stringMatching(message)])
  })
})

describe('the table', () => {
  it('has a line for each lane, with numbers to the right', () => {
    expect(laneTable(summarize(record)).split('\n')).toEqual([
      '          calls  success  lost     p50      p99       max  attempts/call',
      'plain     20800  90.00 %  2080  4.5 ms  12.3 ms  650.0 ms          1.000',
      'gateless  20800  99.99 %     1  4.5 ms  12.3 ms  650.0 ms          1.005',
    ])
  })

  it('is as wide as its widest cells, and has no trailing spaces', () => {
    expect(
      table([
        ['a', 'b'],
        ['long', '1'],
      ]),
    ).toBe('a     b\nlong  1')
  })
})

describe('a line of the timeline', () => {
  it('says when, who and what', () => {
    expect(decisionLine({ atMs: 2_345, source: 'gateless', kind: 'ejected', text: 'device-1 ejected' })).toBe(
      '   2.3 s  gateless  device-1 ejected',
    )
  })
})

describe('the handles left', () => {
  it('are those beyond the ones there were, each counted', () => {
    expect(without(['PipeWrap', 'TCPSocketWrap', 'TCPSocketWrap'], ['PipeWrap', 'TCPSocketWrap', 'Timeout'])).toEqual([
      'TCPSocketWrap',
    ])
  })
})

import { describe, expect, it } from 'vitest'
import { binned } from '../../examples/demo/report/bins.ts'
import { page } from '../../examples/demo/report/page.ts'
import { HOSTILE, sampleRun, sampleSecond } from './sample-run.ts'

/** The report of a run. */

const circumstances = {
  node: '24.0.0',
  platform: 'linux x64',
  cores: 2,
  date: '2026-01-02',
  configuration: 'if (a < b) { demo() }',
}

describe('the report', () => {
  const text = page(sampleRun(), circumstances)

  it('has the numbers of both lanes', () => {
    expect(text).toContain('<td>90.00 %</td><td class="strong">100.00 %</td>')
    expect(text).toContain('<td>520</td><td class="strong">0</td>')
  })

  it('draws both lanes in each chart of lines, wide and narrow', () => {
    for (const id of ['success', 'p99', 'p50', 'attempts']) {
      for (const size of ['wide', 'narrow']) {
        const svg = text.split(`aria-describedby="${id}-${size}-d`)[1]?.split('</svg>')[0] ?? ''
        expect(svg).toContain('class="line plain"')
        expect(svg).toContain('class="line gateless"')
      }
    }
    expect(text).toContain('share-plain-wide')
    expect(text).toContain('share-gateless-wide')
  })

  it('names every fault, at the charts and in the table', () => {
    for (const words of ['device-1 slow', 'device-2 failing', 'device-3 dead', 'device-1 stopped', 'registry dead']) {
      expect(text).toContain(`<b>${words}</b>`)
    }
    for (const label of ['A device-1', 'B device-2', 'C device-3', 'D device-1', 'E registry']) {
      expect(text).toContain(`>${label}</text>`)
    }
  })

  it('says when a promise was not held', () => {
    const run = sampleRun()
    const lost = { atMs: 1, call: 'GET /x', latencyMs: 1_001, why: 'too late', attempts: HOSTILE }
    const gateless = { ...run.lanes.gateless, successes: 5_000, lost: [lost] }
    const bad = page({ ...run, lanes: { ...run.lanes, gateless } }, circumstances)
    expect(bad).toContain('<b>Not held:</b> gateless: 96.15 % success, 99.90 % promised')
    expect(bad).toContain('too late after 1001.0 ms')
    expect(bad).not.toContain('<img')
  })

  it('loads nothing, runs nothing, and numbers every id once', () => {
    expect(text).not.toMatch(/<script|<link|<img|https?:|@import|url\((?!#)/)
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const images = [...text.matchAll(/role="img" aria-label="[^"]+" aria-describedby="([^"]+)"/g)].map(([, id]) => id)
    expect(images).toHaveLength(12)
    for (const id of images) expect(ids).toContain(id)
  })

  it('draws nothing that is not a number', () => {
    expect(text).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('escapes what others named', () => {
    const run = sampleRun()
    const strange = sampleSecond(0, { instances: { [HOSTILE]: { attempts: 520, failures: 1, p50Ms: 1 } } })
    const hostile = page(
      {
        ...run,
        timeline: [...run.timeline, { atMs: 5, source: 'gateless', kind: 'ejected', text: `${HOSTILE} ejected` }],
        perSecond: { ...run.perSecond, gateless: [strange] },
      },
      { ...circumstances, configuration: HOSTILE },
    )
    expect(hostile).not.toContain('<img')
    expect(hostile).not.toContain('\u{1B}')
    expect(hostile).toContain('&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;\u{FFFD}[2J ejected')
    expect(hostile).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('can be made of a run of which no second is known', () => {
    const empty = page({ ...sampleRun(), perSecond: { plain: [], gateless: [] }, timeline: [] }, circumstances)
    expect(empty).not.toMatch(/NaN|Infinity|undefined/)
  })
})

describe('the report of an hour', () => {
  it('says how many seconds a step is, and stays small', () => {
    const hour = page(sampleRun(3_600), circumstances)
    expect(hour).toContain('Each step is 15 seconds')
    expect(hour.length).toBeLessThan(1_000_000)
  })
})

describe('the bins', () => {
  it('are the seconds themselves in a short run, with a gap for one that is missing', () => {
    const bins = binned([sampleSecond(0), sampleSecond(2)], 3)
    expect(bins.map(({ fromS, toS, calls }) => [fromS, toS, calls])).toEqual([
      [0, 1, 520],
      [1, 2, 0],
      [2, 3, 520],
    ])
  })

  it('sum up several seconds in a long one, and keep the worst percentile', () => {
    const seconds = [5, 7, 6].map((p50Ms, second) => sampleSecond(second, { p50Ms, p99Ms: p50Ms * 10 }))
    const [bin, ...others] = binned(seconds, 3, 1)
    expect(others).toEqual([])
    expect(bin).toMatchObject({ fromS: 0, toS: 3, calls: 1_560, p50Ms: 6, p99Ms: 70 })
    expect(bin?.attemptsOf.get('device-1')).toBe(312)
  })
})

import { describe, expect, it } from 'vitest'
import { fits, layout } from '../../examples/demo/live/layout.ts'
import { textOf } from '../../examples/demo/live/line.ts'
import { LiveModel } from '../../examples/demo/live/model.ts'
import type { Change, Decision } from '../../examples/demo/measurements.ts'
import { HOSTILE, sampleSecond, sampleTimeline } from './sample-run.ts'

/** The live view: what it knows, and where it puts it. */

function decision(atMs: number, text: string, change?: Change): Decision {
  return { atMs, source: 'gateless', kind: 'ejected', text, ...(change && { change }) }
}

/** At five seconds of forty: device-1 is slow, and out. */
function model(): LiveModel {
  const live = new LiveModel(40)
  for (const step of sampleTimeline(40).filter(({ atMs }) => atMs < 5_000)) live.decision(step)
  live.decision(decision(4_000, 'device-1 ejected', { what: 'ejected', instance: 'device-1', forMs: 2_000 }))
  live.second('plain', sampleSecond(3, { successes: 416 }))
  live.second('gateless', sampleSecond(3))
  return live
}

const lines = (live: LiveModel, columns: number, rows: number, atMs = 5_000): string[] =>
  layout(live.picture(atMs), { columns, rows }).map(textOf)

describe('the layout', () => {
  it('at 80 columns is this', () => {
    expect(lines(model(), 80, 24).map((line) => line.trimEnd())).toEqual([
      'gateless demo: the same load and faults, twice                       5.0 of 40 s',
      '━━━━██████░░──────░░░░░░░░──────░░░░░░░░░░──────░░░░░░░░░░──────░░░░░░░░░░──────',
      '    A slow        B failing     C device-3 dead D stopped       E registry dead',
      '              last second   overall  calls/s       p50       p99  attempts/call',
      'plain undici      80.00 %   80.00 %      520    4.2 ms   12.5 ms          1.000',
      'gateless         100.00 %  100.00 %      520    4.2 ms   12.5 ms          1.000',
      '                  plain undici          gateless',
      'instance  state   share errors     p50  share errors     p50  standing',
      'device-1  slow     20 %    0 %  3.5 ms   20 %    0 %  3.5 ms  ejected for 1.0 s',
      'device-2  up       20 %    0 %  3.5 ms   20 %    0 %  3.5 ms  in rotation',
      'device-3  up       20 %    0 %  3.5 ms   20 %    0 %  3.5 ms  in rotation',
      'sensor-1  up       20 %    0 %  3.5 ms   20 %    0 %  3.5 ms  in rotation',
      'sensor-2  up       20 %    0 %  3.5 ms   20 %    0 %  3.5 ms  in rotation',
      'registry  up',
      'breakers  device-service closed  sensor-service closed',
      '   2.0 s  script    device-1 answers after 2 s from now on',
      '   4.0 s  gateless  device-1 ejected',
    ])
  })

  it.each([
    [70, 18],
    [79, 24],
    [80, 24],
    [120, 40],
    [300, 100],
  ])('fits %i x %i, with long names and many events', (columns, rows) => {
    const live = model()
    const instances = { ['x'.repeat(90)]: { attempts: 520, failures: 520, p50Ms: 1_001.4 } }
    live.second('gateless', sampleSecond(4, { instances }))
    for (let index = 0; index < 100; index += 1) live.decision(decision(index, 'y'.repeat(500)))
    const drawn = lines(live, columns, rows)
    expect(drawn.length).toBeLessThan(rows)
    expect(Math.max(...drawn.map((line) => Array.from(line).length))).toBeLessThanOrEqual(columns)
    expect(drawn.at(-1)).toContain('yyy')
  })

  it('shows nothing it does not know yet', () => {
    const drawn = layout(new LiveModel(40).picture(undefined), { columns: 100, rows: 30 }).map(textOf)
    expect(drawn[0]).toMatch(/starting the fleet …$/)
    expect(drawn.join('\n')).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('needs 70 columns and 18 rows', () => {
    expect(fits({ columns: 70, rows: 18 })).toBe(true)
    expect(fits({ columns: 69, rows: 40 })).toBe(false)
    expect(fits({ columns: 80, rows: 17 })).toBe(false)
  })

  it('lets no name speak to the terminal', () => {
    const live = model()
    live.second('gateless', sampleSecond(4, { instances: { [HOSTILE]: { attempts: 1, failures: 0, p50Ms: 1 } } }))
    live.decision(decision(4_500, `${HOSTILE}\r\n ejected`))
    expect(lines(live, 120, 40).join('')).not.toMatch(/\p{Cc}/u)
  })
})

describe('the standing of an instance', () => {
  const standing = (live: LiveModel, atMs: number): string | undefined =>
    live.picture(atMs).instances.find(({ id }) => id === 'device-1')?.standing
  const listed = (status: string): Change => ({
    what: 'listed',
    present: [{ instance: 'device-1', status }],
    removed: [],
  })

  it('counts an ejection down, and is probing then', () => {
    expect(standing(model(), 4_500)).toBe('ejected for 1.5 s')
    expect(standing(model(), 6_000)).toBe('probing')
  })

  it('is what the registry says, before anything else', () => {
    const live = model()
    live.decision(decision(4_200, 'unhealthy', listed('unhealthy')))
    expect(standing(live, 4_500)).toBe('unhealthy')
    live.decision(decision(4_600, 'healthy', listed('healthy')))
    expect(standing(live, 4_700)).toBe('ejected for 1.3 s')
    live.decision(decision(4_800, 'restored', { what: 'restored', instance: 'device-1' }))
    expect(standing(live, 4_900)).toBe('in rotation')
  })

  it('is forgotten with the instance', () => {
    const live = model()
    live.decision(decision(4_200, 'gone', { what: 'listed', present: [], removed: ['device-1'] }))
    expect(standing(live, 4_500)).toBe('not listed')
    live.decision(decision(4_600, 'back', listed('healthy')))
    expect(standing(live, 4_700)).toBe('in rotation')
  })
})

describe('the services', () => {
  it('show their breakers and their panic', () => {
    const live = model()
    live.decision(decision(1, 'open', { what: 'breaker', service: 'device-service', state: 'open' }))
    live.decision(decision(1, 'panic', { what: 'panic', service: 'sensor-service', on: true }))
    expect(lines(live, 120, 24)).toContain('breakers  device-service open  sensor-service closed (believes no health)')
  })
})

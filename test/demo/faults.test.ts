import { describe, expect, it } from 'vitest'
import { faultsOf, stepsOf } from '../../examples/demo/faults.ts'
import { scriptFor } from '../../examples/demo/script.ts'
import { sampleTimeline } from './sample-run.ts'

/** The faults as bands. */

describe('the faults', () => {
  it('are five, each from its beginning to its repair', () => {
    const faults = faultsOf(scriptFor(40), 40_000)
    expect(faults.map(({ letter, target, state, fromMs, toMs }) => [letter, target, state, fromMs, toMs])).toEqual([
      ['A', 'device-1', 'slow', 2_000, 6_000],
      ['B', 'device-2', 'failing', 9_000, 13_000],
      ['C', 'device-3', 'dead', 16_000, 21_000],
      ['D', 'device-1', 'stopped', 24_000, 29_000],
      ['E', 'registry', 'dead', 32_000, 37_000],
    ])
  })

  it('last until the end when nobody repairs them', () => {
    expect(faultsOf(scriptFor(40).slice(0, 1), 3_000)[0]).toMatchObject({ fromMs: 2_000, toMs: 3_000 })
  })

  it('can be read from what was performed', () => {
    expect(stepsOf(sampleTimeline(40))).toEqual(scriptFor(40))
  })
})

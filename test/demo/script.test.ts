import { describe, expect, it } from 'vitest'
import { recoveryMs, SERVICES } from '../../examples/demo/scene.ts'
import { scriptFor } from '../../examples/demo/script.ts'

/** The fault script: the same story at every length, one bad instance at a time. */

const ENDS: Readonly<Record<string, string>> = {
  slow: 'heal',
  fail: 'heal',
  kill: 'revive',
  freeze: 'thaw',
  'kill-registry': 'revive-registry',
}

describe('the fault script', () => {
  it('is scaled to the length of the run', () => {
    const long = scriptFor(40)
    const short = scriptFor(10)
    expect(short.map(({ text }) => text)).toEqual(long.map(({ text }) => text))
    expect(short.map(({ atMs }) => atMs * 4)).toEqual(long.map(({ atMs }) => atMs))
  })

  it.each([10, 40, 3_600])('happens in order and within the run of %i s', (seconds) => {
    const times = scriptFor(seconds).map(({ atMs }) => atMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times[0]).toBeGreaterThan(0)
    expect(times.at(-1)).toBeLessThan(seconds * 1_000)
  })

  it('has every fault of the scene, each repaired before the next', () => {
    const steps = scriptFor(40)
    const faults = steps.filter((_, index) => index % 2 === 0)
    expect(faults.map(({ action }) => action)).toEqual(Object.keys(ENDS))
    for (const [index, fault] of faults.entries()) {
      expect(steps[index * 2 + 1]).toMatchObject({ action: ENDS[fault.action], target: fault.target })
    }
  })

  it('leaves the callers the time to find out that an instance is well again', () => {
    const steps = scriptFor(40)
    for (let index = 2; index < steps.length; index += 2) {
      const pauseMs = (steps[index]?.atMs ?? 0) - (steps[index - 1]?.atMs ?? 0)
      expect(pauseMs).toBeGreaterThan(recoveryMs(40) * 1.1)
    }
  })

  it('names nobody who is not on the scene', () => {
    const actors = ['registry', ...Object.values(SERVICES).flatMap(({ instances }) => instances)]
    for (const { target } of scriptFor(40)) expect(actors).toContain(target)
  })
})

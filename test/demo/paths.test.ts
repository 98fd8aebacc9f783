import { describe, expect, it } from 'vitest'
import { spread, stepArea, stepLine } from '../../examples/demo/report/paths.ts'

/** What is drawn. */

describe('a line of steps', () => {
  it('holds each value for its time, and moves only where it changes', () => {
    const steps = [
      { from: 0, to: 10, at: 5 },
      { from: 10, to: 20, at: 5 },
      { from: 20, to: 30, at: 7.25 },
    ]
    expect(stepLine(steps)).toBe('M0,5H10H20V7.3H30')
  })

  it('has a gap where nothing was measured', () => {
    const steps = [
      { from: 0, to: 10, at: undefined },
      { from: 10, to: 20, at: 1 },
      { from: 20, to: 30, at: undefined },
      { from: 30, to: 40, at: 2 },
    ]
    expect(stepLine(steps)).toBe('M10,1H20M30,2H40')
    expect(stepLine([])).toBe('')
  })
})

describe('an area of steps', () => {
  it('goes along the tops, back along the bottoms, and is closed', () => {
    const slabs = [
      { from: 0, to: 10, top: 1, bottom: 9 },
      { from: 10, to: 20, top: 2, bottom: 8 },
    ]
    expect(stepArea(slabs)).toBe('M0,9V1H10V2H20V8H10V9H0Z')
    expect(stepArea([])).toBe('')
  })
})

describe('labels', () => {
  it('stay where they are when there is room', () => {
    expect(spread([10, 50], 15, [0, 100])).toEqual([10, 50])
  })

  it.each([
    [
      [50, 50, 50],
      [50, 65, 80],
    ],
    [
      [98, 97],
      [98, 83],
    ],
    [
      [-5, 0],
      [0, 15],
    ],
  ])('at %j are moved apart within the edges, in order', (places, moved) => {
    expect(spread(places, 15, [0, 98])).toEqual(moved)
  })
})

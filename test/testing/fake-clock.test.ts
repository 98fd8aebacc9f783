import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'

describe('FakeClock', () => {
  it('stands still until told to move', async () => {
    const clock = new FakeClock(1_000)
    expect([clock.now(), clock.wallNow()]).toEqual([1_000, 1_000])
    await clock.advance(5)
    expect([clock.now(), clock.wallNow()]).toEqual([1_005, 1_005])
  })

  it('fires what is due, in order of time and then of setting, each at its own time', async () => {
    const clock = new FakeClock()
    const fired: [string, number][] = []
    const note = (name: string): void => {
      fired.push([name, clock.now()])
    }
    clock.setTimeout(note, 20, 'c')
    clock.setTimeout(note, 10, 'a')
    clock.setTimeout(note, 10, 'b')
    clock.setTimeout(note, 31, 'd')
    await clock.advance(30)
    expect(fired).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 20],
    ])
    expect(clock.pending).toBe(1)
    expect(clock.now()).toBe(30)
  })

  it('lets promises settle between timers, so that a chain of waits fits into one advance', async () => {
    const clock = new FakeClock()
    const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimeout(resolve, ms))
    const ends: number[] = []
    const chain = (async () => {
      for (let i = 0; i < 5; i += 1) {
        await wait(10)
        ends.push(clock.now())
      }
    })()
    await clock.advance(50)
    await chain
    expect(ends).toEqual([10, 20, 30, 40, 50])
  })

  it('clears timers, and a timer of no time takes a millisecond as in Node', async () => {
    const clock = new FakeClock()
    const fired: number[] = []
    clock.clearTimeout(clock.setTimeout(() => fired.push(-1), 1))
    clock.setTimeout(() => fired.push(clock.now()), 0)
    await clock.advance(0)
    expect(fired).toEqual([])
    await clock.advance(1)
    expect(fired).toEqual([1])
  })

  it('clears what has fired, or never was, without harm', async () => {
    const clock = new FakeClock()
    const fired: string[] = []
    const timer = clock.setTimeout(() => fired.push('a'), 1)
    clock.setTimeout(() => fired.push('b'), 2)
    await clock.advance(1)
    clock.clearTimeout(timer)
    clock.clearTimeout(undefined as never)
    clock.clearTimeout(7)
    await clock.advance(1)
    expect(fired).toEqual(['a', 'b'])
    expect(clock.pending).toBe(0)
  })

  it('fires thousands in order', async () => {
    const clock = new FakeClock()
    const fired: number[] = []
    for (let i = 0; i < 2_000; i += 1) clock.setTimeout(() => fired.push(clock.now()), 1 + ((i * 7_919) % 2_003))
    await clock.advance(3_000)
    expect(fired).toHaveLength(2_000)
    expect(fired).toEqual(fired.toSorted((a, b) => a - b))
  })
})

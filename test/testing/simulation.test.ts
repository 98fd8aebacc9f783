import { describe, expect, it } from 'vitest'
import { Simulation, type SimulationOptions } from '../../src/testing/simulation.ts'
import { toClock } from '../../src/time/clock.ts'
import { sleep } from '../../src/time/sleep.ts'

describe('Simulation', () => {
  it('lets events happen in the order of their time, and of their planning where that is the same', () => {
    const simulation = new Simulation()
    const seen: [string, number][] = []
    const note = (name: string): void => {
      seen.push([name, simulation.now()])
    }
    simulation.after(2, note, 'c')
    simulation.after(0.5, note, 'a')
    simulation.after(0.5, note, 'b')
    simulation.after(0, note, 'first')
    simulation.run()
    expect(seen).toEqual([
      ['first', 0],
      ['a', 0.5],
      ['b', 0.5],
      ['c', 2],
    ])
    expect([simulation.happened, simulation.pending, simulation.now(), simulation.wallNow()]).toEqual([4, 0, 2, 2])
  })

  it('runs up to a moment, that moment included, and stands there', () => {
    const simulation = new Simulation()
    const seen: number[] = []
    for (const ms of [10, 20, 20.001]) simulation.after(ms, (at: number) => seen.push(at), ms)
    simulation.run(20)
    expect(seen).toEqual([10, 20])
    expect([simulation.now(), simulation.pending]).toEqual([20, 1])
    simulation.run(15)
    expect(simulation.now()).toBe(20)
    simulation.run(100)
    expect(seen).toEqual([10, 20, 20.001])
    expect(simulation.now()).toBe(100)
  })

  it('plans at a moment, and at once for one that is past', () => {
    const simulation = new Simulation()
    simulation.run(50)
    const seen: number[] = []
    simulation.at(70, () => seen.push(simulation.now()))
    simulation.at(10, () => seen.push(simulation.now()))
    simulation.run()
    expect(seen).toEqual([50, 70])
  })

  it('takes back what was planned, and does nothing for what has happened', () => {
    const simulation = new Simulation()
    const seen: string[] = []
    const kept = simulation.after(1, (name: string) => seen.push(name), 'kept')
    const gone = simulation.after(1, (name: string) => seen.push(name), 'gone')
    simulation.cancel(gone)
    simulation.cancel(gone)
    simulation.run()
    simulation.cancel(kept)
    expect(seen).toEqual(['kept'])
  })

  it('is a clock, whose timers take a millisecond at least, as in Node', () => {
    const simulation = new Simulation()
    const clock = toClock(simulation)
    expect(clock).toBe(simulation)
    const seen: [string, number][] = []
    clock.setTimeout((a: string, b: string) => seen.push([a + b, clock.now()]), 0, 'x', 'y')
    clock.setTimeout(() => seen.push(['late', clock.now()]), 1.5)
    clock.setTimeout(() => seen.push(['nan', clock.now()]), Number.NaN)
    clock.clearTimeout(clock.setTimeout(() => seen.push(['never', 0]), 1))
    simulation.clearTimeout(undefined)
    simulation.clearTimeout(7)
    simulation.run()
    expect(seen).toEqual([
      ['xy', 1],
      ['nan', 1],
      ['late', 1.5],
    ])
  })

  it.each([-1, Number.NaN])('refuses a delay of %s', (delayMs) => {
    expect(() => new Simulation().after(delayMs, () => {}, undefined)).toThrow(
      new RangeError(`Simulation: delayMs must be a number from 0, got ${delayMs}`),
    )
  })

  it('refuses to be run inside a run, and survives a callback that throws', () => {
    const simulation = new Simulation()
    simulation.after(1, () => simulation.run(), undefined)
    expect(() => simulation.run()).toThrow('the simulation is running')
    let after = false
    simulation.after(
      1,
      () => {
        after = true
      },
      undefined,
    )
    simulation.run()
    expect(after).toBe(true)
  })

  it('lets promises settle between events, however long their chain', async () => {
    const simulation = new Simulation()
    const seen: number[] = []
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        await sleep(10, simulation)
        for (let hop = 0; hop < 200; hop += 1) await Promise.resolve()
        seen.push(simulation.now())
      }
    }
    const done = chain()
    simulation.after(11, () => seen.push(-simulation.now()), undefined)
    await simulation.runAsync(30)
    await done
    expect(seen).toEqual([10, -11, 20, 30])
    expect(simulation.now()).toBe(30)
  })

  it('lets promises settle before the first event, too', async () => {
    const simulation = new Simulation()
    let began = -1
    void Promise.resolve().then(() => simulation.after(5, () => (began = simulation.now()), undefined))
    await simulation.runAsync()
    expect(began).toBe(5)
  })

  it('rejects with what a callback throws, and refuses to be run twice at once', async () => {
    const simulation = new Simulation()
    simulation.after(
      1,
      () => {
        throw new Error('oops')
      },
      undefined,
    )
    const first = simulation.runAsync()
    expect(() => simulation.run()).toThrow('running')
    await expect(first).rejects.toThrow('oops')
    await expect(simulation.runAsync(9)).resolves.toBeUndefined()
  })

  it('draws the same chance for the same seed and name, whatever others draw', () => {
    const draws = (seed: number, name: string): number[] => {
      const simulation = new Simulation({ seed })
      simulation.random()
      const stream = simulation.stream(name)
      return [stream(), stream(), stream()]
    }
    expect(draws(1, 'a')).toEqual(draws(1, 'a'))
    const first = [draws(1, 'a'), draws(1, 'b'), draws(2, 'a'), draws(1, 'ab'), draws(0, 'a')].map(([draw]) => draw)
    expect(new Set(first).size).toBe(5)
  })

  it('has the seed 1 unless told', () => {
    expect(new Simulation().seed).toBe(1)
    expect(new Simulation().random()).toBe(new Simulation({ seed: 1 }).random())
    expect(new Simulation({ seed: 0 }).random()).not.toBe(new Simulation().random())
  })

  it.each([
    [{ seed: -1 }, 'Simulation: seed must be an integer from 0 up to 4294967295, got -1'],
    [{ seed: 1.5 }, 'Simulation: seed must be an integer from 0 up to 4294967295, got 1.5'],
    [{ sed: 1 }, 'Simulation: unknown option "sed"'],
  ])('refuses %j', (options, message) => {
    expect(() => new Simulation(options as SimulationOptions)).toThrow(message)
  })
})

import { describe, expect, it } from 'vitest'
import { aimd, gradient2, type LimitAlgorithm, vegas } from '../../src/limits/index.ts'
import { type ServerModel, simulate } from './simulated-server.ts'

/**
 * Does each algorithm find what a server can take, when its clients want twice as much? Virtual time, several seeds; the
 * bounds are for the second half of each run.
 */

const SEEDS = [1, 2, 3]

/** Twice as many calls as it can do; refuses when `maxQueue` of them wait. */
const server = (workers: number, serviceMs: number, maxQueue: number): ServerModel => ({
  workers,
  serviceMs,
  maxQueue,
  perSecond: (2 * 1_000 * workers) / serviceMs,
})

describe.each(SEEDS)('a service at twice its capacity (seed %i)', (seed) => {
  it.each([
    [10, 20],
    [50, 20],
    [100, 50],
  ])('vegas keeps %i workers of %i ms busy, with hardly a queue', (workers, serviceMs) => {
    const { limits, goodput, slowdown } = simulate(vegas(), server(workers, serviceMs, 1_000), { seed, seconds: 120 })
    expect(goodput).toBeGreaterThan(0.97)
    expect(slowdown).toBeLessThan(1.7)
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(workers * 0.9)
    expect(Math.max(...limits)).toBeLessThanOrEqual(workers + 12)
  })

  it('gradient2 finds it within minutes, and allows the latency that it tolerates', () => {
    const { limits, goodput, slowdown } = simulate(gradient2(), server(50, 20, 1_000), { seed, seconds: 160 })
    expect(goodput).toBeGreaterThan(0.97)
    expect(slowdown).toBeLessThan(2)
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...limits)).toBeLessThanOrEqual(110)
  })

  it('aimd stays about where the service begins to refuse', () => {
    const { limits, goodput, slowdown } = simulate(aimd(), server(50, 20, 20), { seed, seconds: 60 })
    expect(goodput).toBeGreaterThan(0.97)
    expect(slowdown).toBeLessThan(1.5)
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(50)
    // 50 working, 20 waiting: beyond that it refuses.
    expect(Math.max(...limits)).toBeLessThanOrEqual(75)
  })

  it.each([
    ['vegas', vegas(), 1_000, 42],
    ['gradient2', gradient2(), 1_000, 85],
    ['aimd', aimd(), 20, 55],
  ] as const)(
    '%s follows when the service loses half of its workers',
    (_, algorithm: LimitAlgorithm, maxQueue, most) => {
      const halved = server(30, 50, maxQueue)
      const { limits, goodput } = simulate(algorithm, halved, {
        seed,
        seconds: 240,
        change: (at) => (at < 60_000 ? server(60, 50, maxQueue) : halved),
      })
      expect(goodput).toBeGreaterThan(0.97)
      expect(Math.min(...limits)).toBeGreaterThanOrEqual(27)
      expect(Math.max(...limits)).toBeLessThanOrEqual(most)
    },
  )
})

describe('a service with nothing much to do', () => {
  it.each([
    ['vegas', vegas()],
    ['gradient2', gradient2()],
    ['aimd', aimd()],
  ] as const)('%s does not raise a limit that nobody needs', (_, algorithm: LimitAlgorithm) => {
    const quiet: ServerModel = { ...server(50, 20, 1_000), perSecond: 100 }
    const { limits } = simulate(algorithm, quiet, { seed: 1, seconds: 60, initialLimit: 100 })
    expect(Math.max(...limits)).toBeLessThanOrEqual(100)
  })
})

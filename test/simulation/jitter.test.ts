import { describe, expect, it } from 'vitest'
import { normal } from '../../src/testing/distributions.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { type Backoff, exponentialBackoff, fixedBackoff } from '../../src/time/backoff.ts'
import { decorrelatedBackoff } from '../../src/time/decorrelated-backoff.ts'
import { mean, print, SEEDS, within } from './support.ts'

/**
 * What jitter is worth, by the experiment of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015:
 * N clients each want to write one row once, under optimistic concurrency control. Of all who read a version only the
 * first to write wins; the others come back after their backoff. Network: 10 ms, deviation 2 ms, each way. The numbers
 * beside ours are another reimplementation's.
 */

/** 10 ms after the first failure: the article doubles a base of 5 ms before it first waits. */
const exponential = (jitter: 'none' | 'equal' | 'full'): Backoff =>
  exponentialBackoff({ baseMs: 10, maxMs: 2_000, jitter })

const BACKOFFS: Readonly<Record<string, Backoff>> = {
  none: fixedBackoff({ delayMs: 0 }),
  exponential: exponential('none'),
  equal: exponential('equal'),
  full: exponential('full'),
  decorrelated: decorrelatedBackoff({ baseMs: 5, maxMs: 2_000 }),
}

const networkMs = normal(10, 2)
const RUNS_PER_SEED = 20

interface Cost {
  /** Writes in all, the failed ones included. */
  readonly calls: number
  /** When the last client had written. */
  readonly ms: number
}

function contend(seed: number, clients: number, backoff: Backoff): Cost {
  const simulation = new Simulation({ seed })
  const network = simulation.stream('network')
  const random = simulation.stream('jitter')
  const travel = <A>(arrive: (argument: A) => void, argument: A, waitMs = 0): void => {
    simulation.after(networkMs(network) + waitMs, arrive, argument)
  }
  let version = 0
  let calls = 0
  for (let client = 0; client < clients; client += 1) {
    let attempt = 0
    let previousDelayMs: number | undefined
    const read = (): void => travel(write, version)
    const write = (seen: number): void => travel(arrive, seen)
    const arrive = (seen: number): void => {
      calls += 1
      const won = seen === version
      if (won) version += 1
      travel(answered, won)
    }
    const answered = (won: boolean): void => {
      if (won) return
      attempt += 1
      previousDelayMs = backoff.delayMs({ attempt, previousDelayMs, random })
      travel(read, undefined, previousDelayMs)
    }
    travel(read, undefined)
  }
  simulation.run()
  expect(version).toBe(clients)
  return { calls, ms: simulation.now() }
}

/** Calls, and milliseconds until all were done, by clients and backoff. */
const REFERENCE: Readonly<Record<number, Readonly<Record<string, readonly [number, number]>>>> = {
  50: {
    none: [691, 1_139],
    exponential: [625, 36_342],
    equal: [347, 4_212],
    full: [333, 2_889],
    decorrelated: [376, 2_198],
  },
  100: {
    none: [2_419, 2_026],
    exponential: [1_855, 63_478],
    equal: [813, 6_676],
    full: [795, 5_001],
    decorrelated: [1_000, 4_588],
  },
}

describe('clients that contend for one row', { timeout: 120_000 }, () => {
  for (const [clients, reference] of Object.entries(REFERENCE)) {
    it(`need, ${clients} of them, as many calls and as long as in the article, and jitter halves the calls`, () => {
      const ours = Object.entries(BACKOFFS).map(([name, backoff]) => {
        const costs = SEEDS.flatMap((seed) =>
          Array.from({ length: RUNS_PER_SEED }, (_, run) => contend(seed * 1_000 + run, Number(clients), backoff)),
        )
        return { name, calls: mean(costs.map(({ calls }) => calls)), ms: mean(costs.map(({ ms }) => ms)) }
      })
      print(`Backoff and jitter, ${clients} clients, calls / ms`, [
        ['', 'ours', 'reference'],
        ...ours.map(({ name, calls, ms }) => [
          name,
          `${calls.toFixed(0)} / ${ms.toFixed(0)}`,
          reference[name]?.join(' / ') ?? '',
        ]),
      ])
      for (const { name, calls, ms } of ours) {
        const [referenceCalls, referenceMs] = reference[name] as readonly [number, number]
        inside(calls, referenceCalls, `${name}: calls`)
        inside(ms, referenceMs, `${name}: ms`)
      }
    })
  }
})

function inside(value: number, reference: number, what: string): void {
  const [low, high] = within(reference)
  expect(value, what).toBeGreaterThanOrEqual(low)
  expect(value, what).toBeLessThanOrEqual(high)
}

import { describe, expect, it } from 'vitest'
import { CircuitBreaker, failureRate } from '../../src/breaker/index.ts'
import { RetryBudget, type Budget } from '../../src/retry/budget.ts'
import { RetryPolicy } from '../../src/retry/retry-policy.ts'
import { RetryThrottle } from '../../src/retry/retry-throttle.ts'
import { arrivals } from '../../src/testing/arrivals.ts'
import type { CallMeter } from '../../src/testing/call-meter.ts'
import { constant } from '../../src/testing/distributions.ts'
import { hanging } from '../../src/testing/faults.ts'
import { SimulatedClient } from '../../src/testing/simulated-client.ts'
import { SimulatedServer } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { mean, print, SEEDS, within } from './support.ts'

/**
 * The retry storm of Bronson, Aghayev, Charapko and Zhu, "Metastable Failures in Distributed Systems", HotOS 2021: a
 * database that serves 300 queries per second, callers with a time limit of 1 s and one retry, and an outage of 10 s
 * during which requests pile up. The trigger ends, the failure stays: the server is busy with what nobody waits for any
 * more, and every answer that comes too late brings one more request.
 *
 * The numbers beside ours were found with another simulator of the same setup (three seeds): the time from the end of the
 * outage until 95 % of a second's calls succeed.
 */

const CAPACITY = 300
const OUTAGE = { fromMs: 30_000, untilMs: 40_000 }
const END_MS = 240_000

const DEFENCES = ['no retry', 'naive retry', '10 % budget', 'gRPC throttle', 'breaker over naive'] as const
type Defence = (typeof DEFENCES)[number]

function storm(seed: number, perSecond: number, defence: Defence, abandoned: 'serve' | 'drop' = 'serve'): CallMeter {
  const simulation = new Simulation({ seed })
  const server = new SimulatedServer(simulation, { serviceMs: constant(1_000 / CAPACITY), abandoned })
  server.suffer(hanging(), OUTAGE)
  const clock = simulation
  const retryOnce = (budget: Budget | false): RetryPolicy =>
    new RetryPolicy({ maxAttempts: 2, backoff: fixedBackoff({ delayMs: 0 }), budget, clock, random: simulation.random })
  const shared = { servers: [server], attemptTimeoutMs: 1_000 }
  const clients: Record<Defence, () => SimulatedClient> = {
    'no retry': () => new SimulatedClient(simulation, shared),
    'naive retry': () => new SimulatedClient(simulation, { ...shared, retry: retryOnce(false) }),
    '10 % budget': () => {
      const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0, clock })
      return new SimulatedClient(simulation, { ...shared, retry: retryOnce(budget) })
    },
    'gRPC throttle': () => new SimulatedClient(simulation, { ...shared, retry: retryOnce(new RetryThrottle()) }),
    'breaker over naive': () => {
      const trip = failureRate({ threshold: 0.5, windowMs: 10_000 })
      const breaker = new CircuitBreaker({ trip, recoveryTimeoutMs: 5_000, clock })
      return new SimulatedClient(simulation, { ...shared, retry: retryOnce(false), guards: [breaker] })
    },
  }
  const client = clients[defence]()
  arrivals(simulation, { perSecond, untilMs: END_MS }, () => client.call())
  simulation.run(END_MS)
  return client.meter
}

/** Seconds from the end of the outage, for each seed; infinite where it never recovers. */
function recoveries(perSecond: number, defence: Defence, abandoned?: 'drop'): number[] {
  return SEEDS.map((seed) => {
    const at = storm(seed, perSecond, defence, abandoned).recoveredAt(OUTAGE.untilMs)
    return at === undefined ? Number.POSITIVE_INFINITY : (at - OUTAGE.untilMs) / 1_000
  })
}

function show(seconds: readonly number[]): string {
  const [low, high] = [Math.min(...seconds), Math.max(...seconds)]
  if (low === Number.POSITIVE_INFINITY) return 'never'
  return low === high ? `${low}` : `${low}–${high}`
}

const NEVER = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] as const

/** By load: what each defence needs to recover, in seconds. */
const REFERENCE: Readonly<Record<number, Readonly<Record<Defence, readonly [number, number]>>>> = {
  140: {
    'no retry': [6, 8],
    'naive retry': [104, 126],
    '10 % budget': [9, 10],
    'gRPC throttle': [7, 8],
    'breaker over naive': [6, 6],
  },
  200: {
    'no retry': [17, 18],
    'naive retry': NEVER,
    '10 % budget': [24, 26],
    'gRPC throttle': [16, 19],
    'breaker over naive': [5, 6],
  },
  250: {
    'no retry': [39, 42],
    'naive retry': NEVER,
    '10 % budget': [95, 97],
    'gRPC throttle': [40, 44],
    'breaker over naive': [6, 12],
  },
  280: {
    'no retry': [98, 140],
    'naive retry': NEVER,
    '10 % budget': NEVER,
    'gRPC throttle': [121, 147],
    'breaker over naive': [12, 12],
  },
}

describe('a retry storm after an outage of 10 s', { timeout: 120_000 }, () => {
  for (const [load, reference] of Object.entries(REFERENCE)) {
    const perSecond = Number(load)

    it(`at ${load} of 300 queries per second ends when, and only if, the load with its retries is below the capacity`, () => {
      const rows = DEFENCES.map((defence) => ({ defence, seconds: recoveries(perSecond, defence) }))
      print(`HotOS'21, ${load} of ${CAPACITY} queries per second: seconds to recover`, [
        ['', 'ours', 'reference'],
        ...rows.map(({ defence, seconds }) => [defence, show(seconds), show(reference[defence])]),
      ])
      for (const { defence, seconds } of rows) {
        if (reference[defence] === NEVER) {
          expect(seconds, defence).toEqual(SEEDS.map(() => Number.POSITIVE_INFINITY))
        } else {
          const [low, high] = within(reference[defence])
          expect(mean(seconds), defence).toBeLessThanOrEqual(high)
          // A breaker may be quicker than the other simulator's, whose probes fell at other moments.
          if (defence !== 'breaker over naive') expect(mean(seconds), defence).toBeGreaterThanOrEqual(low)
        }
      }
      // Without abort, the bar for the breaker at any load.
      expect(Math.max(...(rows.at(-1)?.seconds ?? []))).toBeLessThanOrEqual(15)
    })
  }

  it('never ends near the capacity with a budget alone: a tenth more than 280 is more than 300', () => {
    for (const seed of SEEDS) {
      const meter = storm(seed, 280, '10 % budget')
      // The budget holds: what is sent is never more than it allows …
      const sentPerSecond = meter.sent.sum(60_000, END_MS) / ((END_MS - 60_000) / 1_000)
      expect(sentPerSecond / 280).toBeLessThan(1.12)
      // … and that is the trouble: 1.1 × 280 = 308, every one of them served for nobody.
      expect(sentPerSecond).toBeGreaterThan(CAPACITY)
      expect(meter.goodput(60_000, END_MS)).toBeLessThan(0.01)
    }
  })

  it('is over within a second where an abort closes the connection and the server drops dead work', () => {
    const loads = Object.keys(REFERENCE).map(Number)
    const rows = DEFENCES.map((defence) => ({
      defence,
      byLoad: loads.map((load) => recoveries(load, defence, 'drop')),
    }))
    print('The same, with dead work dropped: seconds to recover', [
      ['', ...loads],
      ...rows.map(({ defence, byLoad }) => [defence, ...byLoad.map(show)]),
      ['reference', '≤1', '≤1', '≤1', '≤1, naive 3–10'],
    ])
    for (const { defence, byLoad } of rows) {
      const seconds = byLoad.flat()
      // Twice 280 is more than 300 even of living work, so this one needs a lull; and a breaker that opened at the end of
      // the outage stays open for its 5 s, however well the server is.
      if (defence === 'naive retry') expect(Math.max(...seconds)).toBeLessThan(30)
      else if (defence === 'breaker over naive') expect(Math.max(...seconds)).toBeLessThanOrEqual(6)
      else expect(Math.max(...seconds), defence).toBeLessThanOrEqual(1)
    }
  })
})

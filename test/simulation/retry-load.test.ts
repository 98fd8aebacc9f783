import { beforeAll, describe, expect, it } from 'vitest'
import { type Budget, RetryBudget } from '../../src/retry/budget.ts'
import { RetryPolicy } from '../../src/retry/retry-policy.ts'
import { arrivals } from '../../src/testing/arrivals.ts'
import { CallMeter } from '../../src/testing/call-meter.ts'
import { constant, exponential } from '../../src/testing/distributions.ts'
import { failing } from '../../src/testing/faults.ts'
import { SimulatedClient } from '../../src/testing/simulated-client.ts'
import { SimulatedServer } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import { mean, print, SEEDS, within } from './support.ts'

/**
 * What retries cost while a share of all requests fails, by the experiment of Marc Brooker, "Fixing retries with token
 * buckets and circuit breakers", 2022: 100 clients with 10 calls a second each, here for 20 s, no backoff, and a server
 * that fails by chance and not by load. Success is what retries are for, load is what they cost. The numbers beside ours
 * are another reimplementation's.
 */

const CLIENTS = 100
const PER_SECOND = 10
const DURATION_MS = 20_000
const FAILURES = [0.1, 0.2, 0.5, 1] as const

/** The article's own bucket: a call pays in a tenth of a retry, five are the most it holds, and it begins full. */
class TokenBucket implements Budget {
  available = 5
  suppressed = 0

  deposit(): void {
    this.available = Math.min(5, this.available + 0.1)
  }

  tryWithdraw(): boolean {
    if (this.available > 1) {
      this.available -= 1
      return true
    }
    this.suppressed += 1
    return false
  }
}

type Strategy = (simulation: Simulation) => RetryPolicy | undefined

function retrying(budgetOf: (simulation: Simulation) => Budget | false): Strategy {
  return (simulation) =>
    new RetryPolicy({
      maxAttempts: 4,
      backoff: fixedBackoff({ delayMs: 0 }),
      budget: budgetOf(simulation),
      clock: simulation,
      random: simulation.random,
    })
}

const STRATEGIES: Readonly<Record<string, Strategy>> = {
  none: () => undefined,
  '3 retries': retrying(() => false),
  'bucket 0.1/5': retrying(() => new TokenBucket()),
  'RetryBudget (default)': retrying((clock) => new RetryBudget({ clock })),
}

/** Success in per cent, load per call; by strategy and share of failures. The default budget is not in the article. */
const REFERENCE: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  none: [
    [90, 1],
    [79.8, 1],
    [49.8, 1],
    [0, 1],
  ],
  '3 retries': [
    [99.98, 1.11],
    [99.8, 1.25],
    [93.7, 1.88],
    [0, 4],
  ],
  'bucket 0.1/5': [
    [98.6, 1.1],
    [89.2, 1.12],
    [56, 1.12],
    [0, 1.12],
  ],
}

function measure(strategy: Strategy, share: number): { success: number; load: number } {
  const meters = SEEDS.map((seed) => {
    const simulation = new Simulation({ seed })
    const server = new SimulatedServer(simulation, { serviceMs: constant(0), concurrency: 10_000 })
    server.set(failing(share))
    const meter = new CallMeter()
    for (let i = 0; i < CLIENTS; i += 1) {
      const name = `client ${i}`
      const retry = strategy(simulation)
      const options = { servers: [server], name, meter, networkMs: exponential(10) }
      const client = new SimulatedClient(simulation, retry === undefined ? options : { ...options, retry })
      arrivals(simulation, { perSecond: PER_SECOND, untilMs: DURATION_MS, name }, () => client.call())
    }
    simulation.run()
    return meter
  })
  return {
    success: 100 * mean(meters.map((meter) => meter.successRate)),
    load: mean(meters.map((meter) => meter.load)),
  }
}

describe('retries while a share of all requests fails', { timeout: 120_000 }, () => {
  const results = new Map<string, readonly { success: number; load: number }[]>()
  beforeAll(() => {
    for (const [name, strategy] of Object.entries(STRATEGIES)) {
      const byShare = FAILURES.map((share) => measure(strategy, share))
      results.set(name, byShare)
    }
  }, 120_000)
  const of = (name: string): readonly { success: number; load: number }[] => results.get(name) ?? []

  it('help and cost as in the article: 3 retries are 4 times the load when all is lost, a bucket keeps it near 1', () => {
    const cells = (name: string): string[] =>
      of(name).map(({ success, load }, i) => {
        const reference = REFERENCE[name]?.[i]
        const ours = `${success.toFixed(1)} / ${load.toFixed(2)}`
        return reference === undefined ? ours : `${ours} (${reference[0]} / ${reference[1]})`
      })
    print('Retries by share of failures: success % / load, reference in brackets', [
      ['', ...FAILURES.map((share) => `${share * 100} %`)],
      ...[...results.keys()].map((name) => [name, ...cells(name)]),
    ])
    for (const [name, reference] of Object.entries(REFERENCE)) {
      for (const [i, [success, load]] of reference.entries()) {
        const ours = of(name)[i] as { success: number; load: number }
        const what = `${name} at ${(FAILURES[i] as number) * 100} %`
        expect(ours.success, what).toBeGreaterThanOrEqual(within(success)[0])
        expect(ours.success, what).toBeLessThanOrEqual(within(success)[1])
        expect(ours.load, what).toBeGreaterThanOrEqual(within(load)[0])
        expect(ours.load, what).toBeLessThanOrEqual(within(load)[1])
      }
    }
  })

  it('load a service that fails altogether at most 1.15 times with the bucket', () => {
    expect(of('bucket 0.1/5')[3]?.load).toBeLessThanOrEqual(1.15)
  })

  it('load it 1.3 times with the default RetryBudget at ten calls a second: a fifth, and one a second', () => {
    // 0.2 × 10 + 1 = 3 retries per second on 10 calls; a busier client comes down to 1.2.
    expect(of('RetryBudget (default)')[3]?.load).toBeCloseTo(1.3, 1)
    // In return it cures nearly all failures while they are few.
    expect(of('RetryBudget (default)')[0]?.success).toBeGreaterThan(99.9)
  })
})

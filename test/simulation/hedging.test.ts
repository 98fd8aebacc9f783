import { beforeAll, describe, expect, it } from 'vitest'
import { Hedge } from '../../src/retry/hedge.ts'
import { CallMeter } from '../../src/testing/call-meter.ts'
import { exponential, lognormal, mixture } from '../../src/testing/distributions.ts'
import { Samples } from '../../src/testing/samples.ts'
import { SimulatedClient } from '../../src/testing/simulated-client.ts'
import { SimulatedServer } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { print, SEEDS, within } from './support.ts'

/**
 * Hedged requests, by the example of Dean and Barroso, "The Tail at Scale", CACM 2013: an answer that needs many servers
 * is as slow as the slowest of them. Their benchmark reads 1,000 keys from 100 servers; a second request for what has not
 * come after 10 ms brings the 99.9th percentile of the whole from 1,800 to 74 ms, with 2 % more requests.
 *
 * Here a gather reads 100 keys at once. A read takes 2.2 ms (99 % within 12 ms), but one in 500 meets a pause of 330 ms on
 * average. It is calibrated: 2 % of the reads exceed 10 ms, 0.6 % exceed 15 ms, and a gather's 99.9th percentile without
 * hedges is that of the article, about 1,750 ms. The numbers beside ours are another generator's of the same calibration.
 */

const readMs = mixture([0.998, lognormal({ medianMs: 2.16, p99Ms: 11.82 })], [0.002, exponential(330)])
const KEYS = 100
const GATHERS = 3_000

interface Tail {
  readonly p999: number
  /** Requests beyond one per key, in per cent. */
  readonly extra: number
}

function gather(makeHedge: (simulation: Simulation) => Hedge | undefined): Tail {
  const gathers = new Samples()
  let attempts = 0
  for (const seed of SEEDS) {
    const simulation = new Simulation({ seed })
    const server = new SimulatedServer(simulation, { serviceMs: readMs, concurrency: 1_000_000 })
    const hedge = makeHedge(simulation)
    const meter = new CallMeter()
    const client = new SimulatedClient(simulation, {
      servers: [server],
      meter,
      ...(hedge === undefined ? {} : { hedge }),
    })
    for (let i = 0; i < GATHERS; i += 1) {
      const beganMs = simulation.now()
      let missing = KEYS
      const done = (): void => {
        missing -= 1
        if (missing === 0) gathers.add(simulation.now() - beganMs)
      }
      for (let key = 0; key < KEYS; key += 1) client.call(done)
      simulation.run()
    }
    attempts += meter.attempts
  }
  const reads = SEEDS.length * GATHERS * KEYS
  return { p999: gathers.quantile(0.999), extra: (100 * (attempts - reads)) / reads }
}

describe('a gather of 100 reads of which one in 500 meets a pause', { timeout: 120_000 }, () => {
  let plain: Tail
  beforeAll(() => {
    plain = gather(() => undefined)
  }, 120_000)

  it('has a tail more than 20 times shorter with a second request after 10 ms, for less than 2.5 % more requests', () => {
    const after = (delayMs: number): Tail => gather((clock) => new Hedge({ delayMs, clock }))
    const [ten, fifteen] = [after(10), after(15)]
    const row = (name: string, { p999, extra }: Tail, reference: string): string[] => [
      name,
      p999.toFixed(0),
      `${extra.toFixed(2)} %`,
      reference,
    ]
    print('Hedging a gather of 100 reads: p99.9 in ms and extra requests', [
      ['', 'p99.9', 'extra', 'reference'],
      row('no hedge', plain, '1746, 0 %'),
      row('after 10 ms', ten, '26, 2.0 %'),
      row('after 15 ms', fifteen, '31, 0.6 %'),
    ])
    expect(plain.extra).toBe(0)
    expect(plain.p999 / ten.p999).toBeGreaterThan(20)
    expect(ten.extra).toBeLessThanOrEqual(2.5)
    // Fifteen gathers are beyond this quantile, so it moves by several milliseconds from seed to seed.
    expect(fifteen.p999).toBeGreaterThan(ten.p999)
    expect(fifteen.p999).toBeLessThan(40)
    for (const [ours, reference] of [
      [plain.p999, 1_746],
      [ten.p999, 26],
      [ten.extra, 2],
      [fifteen.extra, 0.6],
    ] as const) {
      expect(ours).toBeGreaterThanOrEqual(within(reference)[0])
      expect(ours).toBeLessThanOrEqual(within(reference)[1])
    }
  })

  it('learns the delay by itself: the 98th percentile costs the 2 % that 10 ms cost', () => {
    const learnt = gather((clock) => new Hedge({ delay: { percentile: 0.98 }, clock }))
    print('The same with a learnt delay (98th percentile)', [
      ['p99.9', 'extra'],
      [learnt.p999.toFixed(0), `${learnt.extra.toFixed(2)} %`],
    ])
    expect(learnt.extra).toBeLessThanOrEqual(2.5)
    expect(plain.p999 / learnt.p999).toBeGreaterThan(20)
  })
})

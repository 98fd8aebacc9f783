import { OptionReader } from '../../core/options.ts'
import { ReportedMeter } from '../loads/reported-meter.ts'
import { ReportedWeights } from '../loads/reported-weights.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { ReportedPicker } from './reported-picker.ts'
import { MeteredPicker } from './sampled-picker.ts'

/** Options of {@link serverLoad}. The times and the penalty are for `'weighted'` alone. */
export interface ServerLoadOptions {
  /**
   * `'weighted'`: in turn, as often as requests per second and utilization say that each can take. `'least-loaded'`: of two
   * random ones the one with fewer requests in flight there, everybody's counted.
   * @default 'weighted'
   */
  readonly choose?: 'weighted' | 'least-loaded'
  /** Reports count once they have been coming for so long. Milliseconds from 0 up to 24 days. @default 10_000 (gRFC A58) */
  readonly blackoutMs?: number
  /** A report counts for so long. Milliseconds from 1 up to 24 days. @default 180_000 (gRFC A58) */
  readonly expirationMs?: number
  /** How often weights change. Milliseconds from 100 up to 24 days. @default 1_000 (gRFC A58) */
  readonly updateMs?: number
  /**
   * What an error counts: with 1, who fails half of its requests is taken for half a machine busier. From 0 up to 1000.
   * @default 1 (gRFC A58)
   */
  readonly errorPenalty?: number
}

/**
 * By what the instances say of their own load in the headers of their answers.
 *
 * When to use: many clients with few calls each, which see too little of the instances by themselves; machines of unequal
 * size whose sizes nobody knows. The instances must report: `LoadResponder` of `gateless/inbound` does, and everything
 * that speaks ORCA.
 *
 * Gotchas: `'weighted'` needs requests per second and a utilization (of the application, or else of the CPU), and is as
 * blind to the moment as `weightedRoundRobin`; without two instances that report it is that. `'least-loaded'` needs
 * requests in flight. Who does not report is taken for the mean of those who do. Whoever sends the calls must hand the
 * report over: `lease.responded(verdict, { load: parseLoadReport(headers) })`. Weights of the operator multiply. O(1); in
 * large fleets weights change less often (every second up to 10,000 instances, every ten seconds with 100,000).
 *
 * Sources: gRFC A58 (`'weighted'`); Netflix, "Rethinking Netflix's Edge Load Balancing", 2018 (`'least-loaded'`).
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * new LoadBalancer({ strategy: serverLoad({ choose: 'least-loaded' }) })
 */
export function serverLoad(options?: ServerLoadOptions): Strategy {
  const read = new OptionReader('serverLoad', options)
  const choose = read.oneOf('choose', ['weighted', 'least-loaded'], 'weighted')
  const rules = {
    blackoutMs: read.duration('blackoutMs', 10_000),
    expirationMs: read.duration('expirationMs', 180_000, 1),
    errorPenalty: read.number('errorPenalty', { default: 1, min: 0, max: 1_000 }),
  }
  const updateMs = read.duration('updateMs', 1_000, 100)
  if (choose === 'least-loaded') refuseForWeights(read)
  read.end()
  return Object.freeze({
    name: choose === 'weighted' ? 'server-load' : 'server-load, least loaded',
    needsLatency: true,
    create: (context: StrategyContext) =>
      choose === 'weighted'
        ? new ReportedPicker(new ReportedWeights(rules), updateMs, context)
        : new MeteredPicker(2, new ReportedMeter(), context.random, context.clock),
  })
}

function refuseForWeights(read: OptionReader): void {
  for (const name of ['blackoutMs', 'expirationMs', 'updateMs', 'errorPenalty']) {
    if (read.raw(name) !== undefined) read.refuse(name, "left out with choose 'least-loaded'")
  }
}

import { OptionReader } from '../../core/options.ts'
import type { LoadProbe } from '../loads/probing.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { PrequalPicker } from './prequal-picker.ts'

/** Options of {@link prequal}. */
export interface PrequalOptions {
  /** Asks an instance how busy it is. `LoadResponder` of `gateless/inbound` answers. */
  readonly probe: LoadProbe
  /**
   * How many random instances are asked per call, above 0 up to 10; a fraction asks only at some calls. One instead of
   * three costs a third, and makes the slowest calls take half as long again under high load.
   * @default 3 (the paper)
   */
  readonly probesPerCall?: number
  /** How long an answer is waited for, in milliseconds from 1 up to 24 days. @default 100 */
  readonly probeTimeoutMs?: number
  /** How long an answer counts, in milliseconds from 1 up to 24 days. @default 1_000 (the paper) */
  readonly maxAgeMs?: number
  /**
   * An instance is hot, and its latency no longer looked at, when it has more requests in flight than this share of the
   * recent answers. From 0 (almost only requests in flight count) up to 1 (only latency). The paper advises 0.6 to 0.9.
   * @default 0.6
   */
  readonly hotQuantile?: number
  /** Answers kept at most, an integer from 2 up to 64; never more than half of the instances. @default 16 (the paper) */
  readonly poolSize?: number
}

/**
 * The fastest of those that are not busy, by asking: each call sends probes to a few random instances without waiting, and
 * chooses by the answers to those of the calls before.
 *
 * When to use: many clients whose own counts say little of the load of a server: a hundred clients with a call in flight
 * each balance no better than at random. Costs three probes per call, so calls should cost the server much more than one.
 *
 * Gotchas: the instances must answer probes. With fewer than two fresh answers (few calls, or two instances that were
 * tried already) it is `leastConnections`. On a few instances that are busy with computing the probes themselves are load.
 * An instance that fails is taken for busier than it says, and what it said before is dropped. No timer while idle: probes
 * go with calls only.
 *
 * Source: Wydrowski, Kleinberg, Rumble, Archer, "Load is not what you should balance: Introducing Prequal", NSDI 2024.
 *
 * @throws {RangeError | TypeError} for wrong options.
 * @example
 * const probe: LoadProbe = async ({ host, port }, signal) =>
 *   (await fetch(`http://${host}:${port}/load`, { signal })).json() as Promise<ProbedLoad>
 * new LoadBalancer({ strategy: prequal({ probe }) })
 */
export function prequal(options: PrequalOptions): Strategy {
  const read = new OptionReader('prequal', options)
  const probe = read.function<LoadProbe | undefined>('probe', undefined)
  const rules = {
    probe: probe ?? read.refuse('probe', 'a function'),
    probesPerCall: read.number('probesPerCall', { default: 3, min: 0, above: true, max: 10 }),
    probeTimeoutMs: read.duration('probeTimeoutMs', 100, 1),
    maxAgeMs: read.duration('maxAgeMs', 1_000, 1),
    hotQuantile: read.number('hotQuantile', { default: 0.6, min: 0, max: 1 }),
    poolSize: read.number('poolSize', { default: 16, min: 2, max: 64, integer: true }),
  }
  read.end()
  return Object.freeze({
    name: 'prequal',
    needsLatency: true,
    create: (context: StrategyContext) => new PrequalPicker(rules, context),
  })
}

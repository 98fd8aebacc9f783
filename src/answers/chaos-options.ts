import type { CallContext } from '../core/context.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'

/** The options of a {@link ChaosPolicy}, and how they are read. */

export interface ChaosLatencyOptions {
  /** The share of calls that are delayed, from 0 to 1. Source: Polly. @default 0.001 */
  readonly rate?: number
  /**
   * How long, in milliseconds from 0; or a function that says so. One that throws, or answers no such number, is reported
   * as an `error` event, and nothing is injected. Source: Polly. @default 30_000
   */
  readonly latencyMs?: number | ((context: CallContext) => number)
}

export interface ChaosFaultOptions {
  /** The share of calls that fail, from 0 to 1. Source: Polly. @default 0.001 */
  readonly rate?: number
  /** Makes what is thrown. What it throws itself is thrown. @default a new ChaosError */
  readonly error?: (context: CallContext) => unknown
}

export interface ChaosOutcomeOptions<R = unknown> {
  /** The share of calls that are answered without the work, from 0 to 1. Source: Polly. @default 0.001 */
  readonly rate?: number
  /** Makes the answer. Must be given. */
  readonly result: (context: CallContext) => R | PromiseLike<R>
}

export interface ChaosOptions<R = unknown> {
  /**
   * Whether anything is injected; a function is asked at each call. One that throws, or answers anything but true and
   * false, is reported as an `error` event and taken for a no. @default false
   */
  readonly enabled?: boolean | ((context: CallContext) => boolean)
  /** Delays calls. @default none */
  readonly latency?: ChaosLatencyOptions
  /** Makes calls fail. @default none */
  readonly fault?: ChaosFaultOptions
  /** Answers in place of the work. @default none */
  readonly outcome?: ChaosOutcomeOptions<R>
  /** Stands in `info` and in messages. @default 'chaos' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /** A source of chance, in [0, 1). @default Math.random */
  readonly random?: Random
}

/** The defaults that are plain values. Polly's, but for `enabled`: chaos by mistake is worse than none by mistake. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ enabled: false, rate: 0.001, latencyMs: 30_000, name: 'chaos' })

/** @internal One kind of chaos: how often, and what. */
export interface Injection<T> {
  readonly rate: number
  readonly make: (context: CallContext) => T
}

/** @internal */
export interface ChaosSettings {
  readonly enabled: (context: CallContext) => boolean
  readonly latency: Injection<number> | undefined
  readonly fault: Injection<unknown> | undefined
  readonly outcome: Injection<unknown> | undefined
  readonly name: string
  readonly clock: Clock
  readonly random: Random
}

/** @internal @param defaultFault Makes the fault of who names none. */
export function readChaosOptions(options: ChaosOptions | undefined, defaultFault: () => unknown): ChaosSettings {
  const read = new OptionReader('chaos', options)
  const settings = {
    enabled: readEnabled(read),
    latency: readInjection(read, 'latency', readLatency),
    fault: readInjection(read, 'fault', (fault) => fault.function<Injection<unknown>['make']>('error', defaultFault)),
    outcome: readInjection(
      read,
      'outcome',
      (outcome) =>
        outcome.function<Injection<unknown>['make'] | undefined>('result', undefined) ??
        outcome.refuse('result', 'given, a function'),
    ),
    name: read.string('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', systemRandom),
  }
  read.end()
  return settings
}

function readEnabled(read: OptionReader): ChaosSettings['enabled'] {
  const given = read.raw('enabled') ?? DEFAULTS.enabled
  if (typeof given === 'function') return given as ChaosSettings['enabled']
  const enabled = typeof given === 'boolean' ? given : read.refuse('enabled', 'true, false or a function')
  return () => enabled
}

function readLatency(read: OptionReader): Injection<number>['make'] {
  const given = read.raw('latencyMs')
  if (typeof given === 'function') return given as Injection<number>['make']
  const latencyMs = read.duration('latencyMs', DEFAULTS.latencyMs)
  return () => latencyMs
}

function readInjection<T>(
  outer: OptionReader,
  kind: string,
  readMake: (read: OptionReader) => Injection<T>['make'],
): Injection<T> | undefined {
  const given = outer.raw(kind)
  if (given === undefined) return undefined
  const read = new OptionReader(`chaos: ${kind}`, given)
  const injection = { rate: read.number('rate', { default: DEFAULTS.rate, min: 0, max: 1 }), make: readMake(read) }
  read.end()
  return injection
}

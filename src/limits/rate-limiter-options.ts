import { OptionReader } from '../core/options.ts'
import { SlidingWindowLog } from '../stats/sliding-window-log.ts'
import { TokenBucket } from '../stats/token-bucket.ts'
import { type Clock, toClock } from '../time/clock.ts'

/**
 * `token-bucket`: an even flow, with bursts after a quiet spell. `sliding-window`: never more than `limit` in any interval,
 * wherever it begins; what most published quotas mean.
 */
export type RateAlgorithm = 'token-bucket' | 'sliding-window'

/** Options of a {@link RateLimiter}. */
export interface RateLimiterOptions {
  /** Calls per interval, an integer from 1; up to 1_000_000 for a sliding window. Must be given. */
  readonly limit: number
  /** The interval, in milliseconds from 1. @default 1_000 */
  readonly intervalMs?: number
  /** @default 'token-bucket' */
  readonly algorithm?: RateAlgorithm
  /** Tokens that pile up in a quiet spell, an integer from 1. Of the token bucket alone. @default the limit */
  readonly burst?: number | undefined
  /** Calls that may wait their turn, an integer from 0. @default 0 */
  readonly maxQueue?: number
  /** A call whose turn is further off is refused at once; milliseconds from 0. @default as long as the call may take */
  readonly maxWaitMs?: number | undefined
  /** Reports what it would refuse, and lets everything through at once; who would only wait is not reported. @default false */
  readonly dryRun?: boolean
  /** Stands in errors and events. @default 'rate limiter' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** What `configure` can change. */
export type RateLimiterPatch = Partial<Omit<RateLimiterOptions, 'algorithm' | 'name' | 'clock'>>

/** @internal */
export interface RateLimiterSettings {
  readonly limit: number
  readonly intervalMs: number
  readonly algorithm: RateAlgorithm
  readonly burst: number
  readonly maxQueue: number
  readonly maxWaitMs: number
  readonly dryRun: boolean
  readonly name: string
  readonly clock: Clock
}

/** The defaults of {@link RateLimiterOptions}. No queue, as in the bulkhead: waiting must be asked for. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  intervalMs: 1_000,
  algorithm: 'token-bucket',
  maxQueue: 0,
  dryRun: false,
  name: 'rate limiter',
} as const)

const ALGORITHMS: readonly RateAlgorithm[] = ['token-bucket', 'sliding-window']

/** The log keeps the time of every call of a window, 8 bytes each. */
const MAX_LOGGED = 1_000_000

/** @internal Checks and copies. */
export function readRateLimiterOptions(options: RateLimiterOptions): RateLimiterSettings {
  const read = new OptionReader('RateLimiter', options)
  const algorithm = read.oneOf('algorithm', ALGORITHMS, DEFAULTS.algorithm)
  const max = algorithm === 'sliding-window' ? MAX_LOGGED : Number.MAX_SAFE_INTEGER
  const limit =
    read.number('limit', { default: undefined, min: 1, max, integer: true }) ??
    read.refuse('limit', 'given, an integer from 1')
  const burst = read.number('burst', { default: undefined, min: 1, integer: true })
  if (burst !== undefined && algorithm === 'sliding-window') read.refuse('burst', 'left out with a sliding window')
  const settings: RateLimiterSettings = {
    limit,
    intervalMs: read.duration<number>('intervalMs', DEFAULTS.intervalMs, 1),
    algorithm,
    burst: burst ?? limit,
    maxQueue: read.number('maxQueue', { default: DEFAULTS.maxQueue, min: 0, integer: true }),
    maxWaitMs: read.duration('maxWaitMs', undefined) ?? Number.POSITIVE_INFINITY,
    dryRun: read.boolean('dryRun', DEFAULTS.dryRun),
    name: read.string<string>('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

/** @internal In plain words. */
export function describeRateLimiter(settings: RateLimiterSettings): string {
  const { limit, intervalMs, algorithm, burst, maxQueue } = settings
  const rate = `${limit} calls per ${intervalMs} ms`
  const shape =
    algorithm === 'sliding-window' ? ', wherever they begin' : burst === limit ? '' : `, ${burst} in a burst`
  return `at most ${rate}${shape}${maxQueue === 0 ? '' : `; ${maxQueue} wait`}`
}

/** @internal How much has been used up. Pure: `now` is passed in. */
export interface RateMeter {
  /** Lets one call through and counts it, if it may go; `waiting` counts those who wait, this one if it did included. */
  tryTake(now: number, waiting?: number): boolean
  /** Milliseconds until the `calls`-th from now may go, when those before it go as soon as they may. */
  waitMs(now: number, calls?: number): number
  /** Calls that could go now, besides those that wait. */
  available(now: number, waiting?: number): number
  configure(limit: number, intervalMs: number, burst: number, now: number): void
}

/** @internal */
export function toMeter({ algorithm, limit, intervalMs, burst, clock }: RateLimiterSettings): RateMeter {
  if (algorithm === 'sliding-window') return new SlidingWindowLog(limit, intervalMs)
  return new TokenBucket(limit, intervalMs, burst, clock.now())
}

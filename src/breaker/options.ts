import { classifyByAttribution } from '../core/attribution.ts'
import type { GateRules, Readmission } from '../core/gate.ts'
import { OptionReader } from '../core/options.ts'
import type { Classify } from '../core/outcome.ts'
import type { Backoff } from '../time/backoff.ts'
import { type Clock, systemClock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { consecutive } from './consecutive-failures.ts'
import type { BreakerMode } from './events.ts'
import type { TripRule } from './trip-rule.ts'

export interface HalfOpenOptions {
  /** Probes in flight at once; the other callers are rejected, or wait. An integer from 1. @default 1 */
  readonly probes?: number
  /** A probe that has not ended after this long, in milliseconds, gives its slot to the next caller. @default 60_000 */
  readonly probeTimeoutMs?: number
  /**
   * Judges by so many probes together instead of `successThreshold`, so that a single failure need not open it again; an
   * integer from 1. It decides as soon as the rest could not change the verdict.
   */
  readonly sampleSize?: number
  /** Share of failed probes of a sample that opens it again, above 0 up to 1. Only with `sampleSize`. @default 0.5 */
  readonly failureRatio?: number
  /**
   * How long probing may take, in milliseconds from 1, or `false` for no limit. Then what the probes said so far decides:
   * it closes when none failed (of a sample: fewer than `failureRatio`), and opens when all they did was hang. When
   * nobody asked at all it goes on: there is nothing to judge by. @default false
   */
  readonly maxMs?: number | false
  /** What a caller gets while all probes are taken: a rejection, or a place in a queue. @default 'reject' */
  readonly whenBusy?: 'reject' | 'queue'
  /** Callers that may wait at once; those beyond are rejected. An integer from 1. @default 100 */
  readonly maxQueue?: number
}

export interface ReadmissionOptions {
  /** From the last probe until every call is let through again, in milliseconds from 1. */
  readonly durationMs: number
  /** Share of calls that is let through at the beginning, from 0 up to 1. @default 0.1 */
  readonly initialShare?: number
  /** The share grows in so many equal steps; an integer from 1. Steadily when left out. */
  readonly steps?: number
}

/** Options of a {@link CircuitBreaker}. Defaults are those of the classic pattern: 5 failures, 60 s, 3 successes. */
export interface CircuitBreakerOptions {
  /** Stands in errors and events. @default 'circuit breaker' */
  readonly name?: string
  /** Failures in a row that open the breaker; an integer from 1. Not together with `trip`. @default 5 */
  readonly failureThreshold?: number
  /** How long it stays open, in milliseconds from 0. @default 60_000 */
  readonly recoveryTimeoutMs?: number
  /**
   * How long it stays open, growing with each time in a row. Not together with `recoveryTimeoutMs`. One that throws, or
   * answers anything but a finite number from 0, is reported as an `error` event, and the open time is the fixed one.
   */
  readonly recoveryBackoff?: Backoff
  /** After so long closed, in milliseconds, opening again counts as the first time in a row. @default 60_000 */
  readonly forgetTripsAfterMs?: number
  /** A longer wish of the remote (Retry-After) is cut down to this, in milliseconds; 0 ignores it. @default 300_000 */
  readonly maxRetryAfterMs?: number
  /** Successful probes that close it again; an integer from 1. Not together with `halfOpen.sampleSize`. @default 3 */
  readonly successThreshold?: number
  /** Another rule to open by, like `failureRate()`. @default consecutiveFailures() */
  readonly trip?: TripRule
  readonly halfOpen?: HalfOpenOptions
  /** Lets the calls in again by and by once the probes succeeded, instead of all at once. @default false */
  readonly readmission?: ReadmissionOptions | false
  /** What it begins with, and goes back to on `reset()`. @default 'normal' */
  readonly mode?: BreakerMode
  /**
   * What an outcome says about the remote; never asked about refusals of this process (`local`). One that throws, or
   * answers anything else, a promise included, is reported as an `error` event, and the default decides.
   * @default every result a success; every error a failure, unless this process made it itself (`local`)
   */
  readonly classify?: Classify
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
  /**
   * A source of chance, for the readmission and the jitter of a backoff. One that throws during a readmission is reported
   * as an `error` event, and the call is rejected. @default Math.random
   */
  readonly random?: Random
}

/** What {@link CircuitBreaker.configure} can change: everything but what makes the breaker this one. */
export type CircuitBreakerPatch = Omit<CircuitBreakerOptions, 'name' | 'mode' | 'clock' | 'random'>

/** @internal Everything but the name, so that breakers with the same options can share one. */
export interface BreakerSettings {
  readonly recoveryTimeoutMs: number
  readonly recoveryBackoff: Backoff | undefined
  readonly forgetTripsAfterMs: number
  readonly maxRetryAfterMs: number
  readonly trip: TripRule
  /** Undefined where the user gave a rule. */
  readonly failureThreshold: number | undefined
  readonly gate: GateRules
  /** 0: callers are rejected. */
  readonly maxQueue: number
  readonly mode: BreakerMode
  readonly classify: Classify
  readonly clock: Clock
  readonly random: Random
}

export const DEFAULT_NAME = 'circuit breaker'

export const MODES: readonly BreakerMode[] = ['normal', 'isolated', 'disabled', 'dry-run']

/** @internal @throws {TypeError} for a mode there is none of. */
export function checkMode(mode: BreakerMode): BreakerMode {
  if (MODES.includes(mode)) return mode
  return new OptionReader('CircuitBreaker', { mode }).refuse('mode', `one of '${MODES.join("', '")}'`)
}

const FAILURE_RATIO = 0.5
const INITIAL_SHARE = 0.1
const MAX_QUEUE = 100

/** Sources: see docs/circuit-breaker.md. */
export const BREAKER_DEFAULTS: BreakerSettings = /* @__PURE__ */ Object.freeze({
  recoveryTimeoutMs: 60_000,
  recoveryBackoff: undefined,
  forgetTripsAfterMs: 60_000,
  maxRetryAfterMs: 300_000,
  trip: /* @__PURE__ */ consecutive(5),
  failureThreshold: 5,
  gate: /* @__PURE__ */ Object.freeze({
    successThreshold: 3,
    probes: 1,
    probeTimeoutMs: 60_000,
    sample: undefined,
    maxHalfOpenMs: undefined,
    readmission: undefined,
  }),
  maxQueue: 0,
  mode: 'normal',
  classify: classifyByAttribution,
  clock: systemClock,
  random: systemRandom,
})

/** @internal Options that were read already: what a set of breakers hands to each. */
export class ReadOptions {
  readonly name: string
  readonly settings: BreakerSettings

  constructor(name: string, settings: BreakerSettings) {
    this.name = name
    this.settings = settings
  }
}

/** @internal Checks and copies: changing the object afterwards changes nothing. */
export function readBreakerOptions(options: CircuitBreakerOptions | undefined): ReadOptions {
  if (options instanceof ReadOptions) return options
  const read = new OptionReader('CircuitBreaker', options)
  const name = read.string<string>('name', DEFAULT_NAME)
  const own = {
    mode: read.oneOf('mode', MODES, BREAKER_DEFAULTS.mode),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
    random: read.function('random', BREAKER_DEFAULTS.random),
  }
  return new ReadOptions(name, shared(readPolicy(read, { ...BREAKER_DEFAULTS, ...own })))
}

/** @internal The settings with some of them changed. */
export function patchBreakerOptions(patch: CircuitBreakerPatch, base: BreakerSettings): BreakerSettings {
  return readPolicy(new OptionReader('CircuitBreaker: configure', patch), base)
}

function readPolicy(read: OptionReader, base: BreakerSettings): BreakerSettings {
  const halfOpen = new OptionReader('CircuitBreaker: halfOpen', read.raw('halfOpen') ?? {})
  const settings: BreakerSettings = {
    ...base,
    ...readTrip(read, base),
    ...readOpenTime(read, base),
    gate: readGate(read, halfOpen, base.gate),
    maxQueue: readQueue(halfOpen, base.maxQueue),
    classify: read.function('classify', base.classify),
  }
  halfOpen.end()
  read.end()
  return settings
}

function readTrip(read: OptionReader, base: BreakerSettings): Pick<BreakerSettings, 'trip' | 'failureThreshold'> {
  const failureThreshold = read.number('failureThreshold', { default: undefined, min: 1, integer: true })
  const trip = read.implementing<TripRule | undefined>('trip', ['create'], undefined)
  if (trip !== undefined) {
    if (failureThreshold !== undefined) read.refuse('failureThreshold', 'left out when trip is given')
    return { trip, failureThreshold: undefined }
  }
  // The same rule for the same number: whoever has thousands of breakers has it once.
  if (failureThreshold === undefined || failureThreshold === base.failureThreshold) return base
  return { trip: consecutive(failureThreshold), failureThreshold }
}

function readOpenTime(
  read: OptionReader,
  base: BreakerSettings,
): Pick<BreakerSettings, 'recoveryTimeoutMs' | 'recoveryBackoff' | 'forgetTripsAfterMs' | 'maxRetryAfterMs'> {
  const recoveryTimeoutMs = read.duration('recoveryTimeoutMs', undefined)
  const backoff = read.implementing<Backoff | undefined>('recoveryBackoff', ['delayMs'], undefined)
  if (recoveryTimeoutMs !== undefined && backoff !== undefined)
    read.refuse('recoveryTimeoutMs', 'left out when recoveryBackoff is given')
  return {
    recoveryTimeoutMs: recoveryTimeoutMs ?? base.recoveryTimeoutMs,
    recoveryBackoff: recoveryTimeoutMs === undefined ? (backoff ?? base.recoveryBackoff) : undefined,
    forgetTripsAfterMs: read.duration('forgetTripsAfterMs', base.forgetTripsAfterMs),
    maxRetryAfterMs: read.duration('maxRetryAfterMs', base.maxRetryAfterMs),
  }
}

function readGate(read: OptionReader, halfOpen: OptionReader, base: GateRules): GateRules {
  const successThreshold = read.number('successThreshold', { default: undefined, min: 1, integer: true })
  const size = halfOpen.number('sampleSize', { default: undefined, min: 1, integer: true })
  const ratio = halfOpen.number('failureRatio', { default: undefined, min: 0, above: true, max: 1 })
  if (size !== undefined && successThreshold !== undefined)
    read.refuse('successThreshold', 'left out when halfOpen.sampleSize is given')
  const sampled = successThreshold === undefined ? (size ?? base.sample?.size) : undefined
  if (ratio !== undefined && sampled === undefined)
    halfOpen.refuse('failureRatio', 'left out unless sampleSize is given')
  return {
    successThreshold: successThreshold ?? base.successThreshold,
    probes: halfOpen.number('probes', { default: base.probes, min: 1, integer: true }),
    probeTimeoutMs: halfOpen.duration('probeTimeoutMs', base.probeTimeoutMs, 1),
    sample:
      sampled === undefined
        ? undefined
        : { size: sampled, failureRatio: ratio ?? base.sample?.failureRatio ?? FAILURE_RATIO },
    maxHalfOpenMs: halfOpen.raw('maxMs') === false ? undefined : halfOpen.duration('maxMs', base.maxHalfOpenMs, 1),
    readmission: readReadmission(read.raw('readmission'), base.readmission),
  }
}

function readQueue(halfOpen: OptionReader, base: number): number {
  const whenBusy = halfOpen.oneOf('whenBusy', ['reject', 'queue'], base > 0 ? 'queue' : 'reject')
  const maxQueue = halfOpen.number('maxQueue', { default: base > 0 ? base : MAX_QUEUE, min: 1, integer: true })
  return { reject: 0, queue: maxQueue }[whenBusy]
}

function readReadmission(given: unknown, base: Readmission | undefined): Readmission | undefined {
  if (given === undefined) return base
  if (given === false) return undefined
  const read = new OptionReader('CircuitBreaker: readmission', given)
  const readmission: Readmission = {
    durationMs: read.duration('durationMs', undefined, 1) ?? read.refuse('durationMs', 'given, in milliseconds'),
    initialShare: read.number('initialShare', { default: INITIAL_SHARE, min: 0, max: 1 }),
    steps: read.number('steps', { default: undefined, min: 1, integer: true }),
  }
  read.end()
  return readmission
}

let latest: BreakerSettings = BREAKER_DEFAULTS

/**
 * The settings made last, if these say the same: ten thousand breakers made from one set of options then weigh what
 * they know, and not what they were told. Only the last: a larger memory would have to be bounded, and looked through.
 */
function shared(settings: BreakerSettings): BreakerSettings {
  // The rule for a number is made anew each time; for the same number it is the same.
  const { failureThreshold, trip } = latest
  const known = failureThreshold !== undefined && failureThreshold === settings.failureThreshold
  const made = known ? { ...settings, trip } : settings
  if (!same(made, latest)) latest = made
  return latest
}

function same<T extends object>(a: T, b: T): boolean {
  for (const key of Object.keys(a) as (keyof T)[]) {
    const [one, other] = [a[key], b[key]]
    if (one === other) continue
    // Their gate rules, and what these hold, are plain objects made anew each time; all else is compared as it is.
    const nested = key === 'gate' || key === 'sample' || key === 'readmission'
    if (!nested || one === undefined || other === undefined || !same(one as object, other as object)) return false
  }
  return true
}

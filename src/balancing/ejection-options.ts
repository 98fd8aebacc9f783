import { OptionReader } from '../core/options.ts'
import {
  type FailurePercentageOptions,
  readFailurePercentage,
  readSuccessRate,
  SUCCESS_RATE_DEFAULTS,
  type SuccessRateOptions,
} from './outlier-options.ts'

/** When an instance that keeps failing leaves the rotation, and for how long. */
export interface EjectionOptions {
  /** Failures in a row after which it leaves; an integer from 1. @default 5 (Envoy, gRPC and Finagle agree) */
  readonly consecutiveFailures?: number
  /** When it leaves for succeeding less often than the others; `false` never. @default {} (below mean − 1.9 σ, Envoy) */
  readonly successRate?: SuccessRateOptions | false
  /** When it leaves for its share of failures alone; `false` never. @default false (Envoy) */
  readonly failurePercentage?: FailurePercentageOptions | false
  /** How long calls are counted before the two rules above judge them, in milliseconds from 1. @default 10_000 (Envoy) */
  readonly intervalMs?: number
  /**
   * The first ejection, in milliseconds from 1. Each further one takes as much longer, and each such time spent in
   * rotation without being ejected takes one step back. @default 30_000 (Envoy)
   */
  readonly baseEjectionMs?: number
  /** The longest ejection, in milliseconds, not below `baseEjectionMs`; jitter comes on top. @default 300_000 (Envoy) */
  readonly maxEjectionMs?: number
  /**
   * The share of an ejection that chance may add, from 0 to 1: clients that saw the same failure should not probe at
   * the same moment. @default 0.1
   */
  readonly jitter?: number
  /**
   * The share of the healthy instances that may be out at once, from 0 to 1: rounded down, but one where there are at
   * least three, and never the last one. @default 0.5 (Envoy's 0.1 is for large fleets)
   */
  readonly maxEjectedShare?: number
  /** A probe that has not ended after this long, in milliseconds from 1, is taken for lost. @default 60_000 */
  readonly probeTimeoutMs?: number
}

/** Every rule, given or not. */
export interface EjectionRules extends Required<EjectionOptions> {
  readonly successRate: Required<SuccessRateOptions> | false
  readonly failurePercentage: Required<FailurePercentageOptions> | false
}

export const EJECTION_DEFAULTS: EjectionRules = /* @__PURE__ */ Object.freeze({
  consecutiveFailures: 5,
  successRate: SUCCESS_RATE_DEFAULTS,
  failurePercentage: false,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  jitter: 0.1,
  maxEjectedShare: 0.5,
  probeTimeoutMs: 60_000,
})

/** @internal `false` turns ejection off; that is a share of nothing. */
export function readEjectionOptions(options: unknown): EjectionRules {
  if (options === false) return { ...EJECTION_DEFAULTS, maxEjectedShare: 0, successRate: false }
  const owner = 'LoadBalancer: ejection'
  const read = new OptionReader(owner, options)
  const baseEjectionMs = read.duration('baseEjectionMs', EJECTION_DEFAULTS.baseEjectionMs, 1)
  const longest = Math.max(EJECTION_DEFAULTS.maxEjectionMs, baseEjectionMs)
  const rules: EjectionRules = {
    consecutiveFailures: read.number('consecutiveFailures', {
      default: EJECTION_DEFAULTS.consecutiveFailures,
      min: 1,
      integer: true,
    }),
    successRate: readSuccessRate(`${owner}: successRate`, read.raw('successRate')),
    failurePercentage: readFailurePercentage(`${owner}: failurePercentage`, read.raw('failurePercentage')),
    intervalMs: read.duration('intervalMs', EJECTION_DEFAULTS.intervalMs, 1),
    baseEjectionMs,
    maxEjectionMs: read.duration('maxEjectionMs', longest, baseEjectionMs),
    jitter: read.number('jitter', { default: EJECTION_DEFAULTS.jitter, min: 0, max: 1 }),
    maxEjectedShare: read.number('maxEjectedShare', { default: EJECTION_DEFAULTS.maxEjectedShare, min: 0, max: 1 }),
    probeTimeoutMs: read.duration('probeTimeoutMs', EJECTION_DEFAULTS.probeTimeoutMs, 1),
  }
  read.end()
  return rules
}

import { OptionReader } from '../core/options.ts'

/** When an instance whose success rate stands out from the others' leaves the rotation. */
export interface SuccessRateOptions {
  /**
   * Instances that must have had `requestVolume` calls in one interval, or nothing is compared; an integer from 2. Among n
   * the farthest one is √(n − 1) standard deviations away at most, so below 5 the default factor can never be reached.
   * @default 5 (Envoy, gRFC A50)
   */
  readonly minimumInstances?: number
  /** Calls of one interval without which an instance is left out of the comparison; an integer from 1. @default 100 (Envoy) */
  readonly requestVolume?: number
  /** It leaves below `mean − stdevFactor × standard deviation`; from 0. @default 1.9 (Envoy and gRFC A50 write 1900) */
  readonly stdevFactor?: number
  /**
   * It stays as long as its rate is within this of the mean, from 0 to 1: among five instances of which four are perfect,
   * one failed call in a hundred is already two standard deviations. 0 is Envoy's behaviour. @default 0.05
   */
  readonly minimumGap?: number
}

/** When an instance that fails too large a share of its calls leaves the rotation, whatever the others do. */
export interface FailurePercentageOptions {
  /** It leaves at this share of failures; above 0, up to 1. @default 0.85 (Envoy, gRFC A50) */
  readonly threshold?: number
  /** Instances that must have had `requestVolume` calls in one interval; an integer from 1. @default 5 (Envoy) */
  readonly minimumInstances?: number
  /** Calls of one interval without which an instance is not judged; an integer from 1. @default 50 (Envoy, gRFC A50) */
  readonly requestVolume?: number
}

export const SUCCESS_RATE_DEFAULTS: Required<SuccessRateOptions> = /* @__PURE__ */ Object.freeze({
  minimumInstances: 5,
  requestVolume: 100,
  stdevFactor: 1.9,
  minimumGap: 0.05,
})

export const FAILURE_PERCENTAGE_DEFAULTS: Required<FailurePercentageOptions> = /* @__PURE__ */ Object.freeze({
  threshold: 0.85,
  minimumInstances: 5,
  requestVolume: 50,
})

/** @internal */
export function readSuccessRate(owner: string, options: unknown): Required<SuccessRateOptions> | false {
  if (options === false) return false
  const { minimumInstances, requestVolume, stdevFactor, minimumGap } = SUCCESS_RATE_DEFAULTS
  const read = new OptionReader(owner, options)
  const rules: Required<SuccessRateOptions> = {
    minimumInstances: read.number('minimumInstances', { default: minimumInstances, min: 2, integer: true }),
    requestVolume: read.number('requestVolume', { default: requestVolume, min: 1, integer: true }),
    stdevFactor: read.number('stdevFactor', { default: stdevFactor, min: 0 }),
    minimumGap: read.number('minimumGap', { default: minimumGap, min: 0, max: 1 }),
  }
  read.end()
  return rules
}

/** @internal Off unless asked for, as in Envoy. */
export function readFailurePercentage(
  owner: string,
  options: unknown = false,
): Required<FailurePercentageOptions> | false {
  if (options === false) return false
  const { threshold, minimumInstances, requestVolume } = FAILURE_PERCENTAGE_DEFAULTS
  const read = new OptionReader(owner, options)
  const rules: Required<FailurePercentageOptions> = {
    threshold: read.number('threshold', { default: threshold, min: 0, above: true, max: 1 }),
    minimumInstances: read.number('minimumInstances', { default: minimumInstances, min: 1, integer: true }),
    requestVolume: read.number('requestVolume', { default: requestVolume, min: 1, integer: true }),
  }
  read.end()
  return rules
}

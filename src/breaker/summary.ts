import type { GateRules } from '../core/gate.ts'
import type { PolicyInfo } from '../core/policy.ts'
import type { BreakerSettings } from './options.ts'

/** What a breaker does, for `pipeline` and for people. */
export function breakerInfo(name: string, settings: BreakerSettings): PolicyInfo {
  const { trip, recoveryBackoff, recoveryTimeoutMs, gate, mode } = settings
  const openFor =
    recoveryBackoff === undefined
      ? `for ${inWords(recoveryTimeoutMs)}`
      : `for a time that grows (${recoveryBackoff.name})`
  const only = mode === 'normal' ? '' : ` (${mode})`
  const summary = `opens at ${trip.name}, ${openFor}; closes after ${recovery(gate)}${only}`
  return Object.freeze({ kind: 'breaker', name, summary, windowMs: trip.windowMs })
}

function recovery({ sample, successThreshold, readmission }: GateRules): string {
  const probes =
    sample === undefined
      ? `${successThreshold} successful probe${successThreshold === 1 ? '' : 's'}`
      : `${sample.size} probe${sample.size === 1 ? '' : 's'} of which fewer than ${percent(sample.failureRatio)} failed`
  return readmission === undefined
    ? probes
    : `${probes} and ${inWords(readmission.durationMs)} of readmission from ${percent(readmission.initialShare)} of the calls`
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`
}

function inWords(ms: number): string {
  return ms >= 1_000 && ms % 100 === 0 ? `${ms / 1_000} s` : `${ms} ms`
}

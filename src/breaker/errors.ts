import { GatelessError, toRefusal } from '../core/errors.ts'
import type { Gate } from '../core/gate.ts'

const CODE = 'ERR_GATELESS_CIRCUIT_OPEN'

/** The breaker refused the call without trying. `ERR_GATELESS_CIRCUIT_OPEN`; `retryAfterMs` says when it will probe. */
export class CircuitOpenError extends GatelessError {
  override readonly name = 'CircuitOpenError'
  /** The breaker's name. */
  readonly breaker: string

  constructor(breaker: string, retryAfterMs: number | undefined, why = 'is open') {
    super(CODE, `${breaker} ${why}`, { retryAfterMs, local: true })
    this.breaker = breaker
  }
}

/** @internal What a refused caller is told. */
export function whyRefused(breaker: string, isolated: boolean, gate: Gate): string {
  if (isolated) return `${breaker} is isolated`
  if (gate.probing) return `${breaker} is half-open, and all its probes are taken`
  return gate.readmitting ? `${breaker} is half-open, and lets only a share of the calls in` : `${breaker} is open`
}

/** @internal Whole milliseconds until asking makes sense; undefined where that depends on others. */
export function knownWaitMs(gate: Gate, probes: number, now: number): number | undefined {
  // First, since it lets the gate move on.
  const remainingMs = gate.remainingMs(now)
  // A probe that hangs gives its slot to whoever asks next.
  const busy = gate.probing && gate.probesInFlight >= probes && gate.nextMs(now) > 0
  return busy || gate.readmitting ? undefined : Math.ceil(remainingMs)
}

/** @internal Makes a plain error one of a breaker's, for a quarter less than its constructor: see `toRefusal`. */
export function toCircuitOpen(
  error: Error,
  breaker: string,
  isolated: boolean,
  gate: Gate,
  now: number,
): CircuitOpenError {
  // Undefined where it depends on others when somebody may come back.
  const retryAfterMs = isolated || gate.probing || gate.readmitting ? undefined : gate.remainingMs(now)
  const refusal = toRefusal(error, CircuitOpenError, 'CircuitOpenError', CODE, retryAfterMs)
  ;(refusal as { breaker: string }).breaker = breaker
  return refusal
}

import { GatelessError } from '../core/errors.ts'

/** The breaker refused the call without trying. `ERR_GATELESS_CIRCUIT_OPEN`; `retryAfterMs` says when it will probe. */
export class CircuitOpenError extends GatelessError {
  override readonly name = 'CircuitOpenError'
  /** The breaker's name. */
  readonly breaker: string

  constructor(breaker: string, retryAfterMs: number | undefined, why = 'is open') {
    super('ERR_GATELESS_CIRCUIT_OPEN', `${breaker} ${why}`, { retryAfterMs, local: true })
    this.breaker = breaker
  }
}

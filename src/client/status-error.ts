import type { Outcome } from '../core/outcome.ts'
import { verdictOfStatus } from './failure.ts'

/** A status that counts as a failure: what a call is tried again for, and what guards judge it by. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly code: string
  readonly status: number
  /** How long the answer asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, retryAfterMs?: number) {
    super(`answered ${status}`)
    this.code = `HTTP_${status}`
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** A whole answer, as the guards of a call are told of it. */
export function outcomeOfStatus(status: number, retryAfterMs?: number): Outcome {
  return verdictOfStatus(status) === 'failure'
    ? { ok: false, error: new StatusError(status, retryAfterMs) }
    : { ok: true, value: { status } }
}

import { describeThrown, GatelessError, isGatelessError } from '../core/errors.ts'

/**
 * The work failed, and so did every alternative that was tried. `ERR_GATELESS_FALLBACK_FAILED`; `cause` is the error of
 * the work, and `errors` are those of the alternatives, in order.
 *
 * `local` and `retryAfterMs` are those of the work's error: who judges the remote judges what the remote did.
 */
export class FallbackError extends GatelessError {
  override readonly name = 'FallbackError'
  readonly errors: readonly unknown[]

  constructor(fallback: string, cause: unknown, errors: readonly unknown[]) {
    const { local, retryAfterMs } = isGatelessError(cause) ? cause : {}
    const failed = errors.map(describeThrown).join('; ')
    super('ERR_GATELESS_FALLBACK_FAILED', `${fallback} failed (${failed}) after: ${describeThrown(cause)}`, {
      cause,
      local: local ?? false,
      retryAfterMs,
    })
    this.errors = errors
  }
}

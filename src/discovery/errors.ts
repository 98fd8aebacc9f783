import { describeThrown, GatelessError } from '../core/errors.ts'

/** The provider says there is no such service. `ERR_GATELESS_SERVICE_NOT_FOUND`; `retryAfterMs` says when it is asked again. */
export class ServiceNotFoundError extends GatelessError {
  override readonly name = 'ServiceNotFoundError'
  readonly service: string

  constructor(service: string, retryAfterMs?: number) {
    super('ERR_GATELESS_SERVICE_NOT_FOUND', `there is no service ${JSON.stringify(service)}`, {
      retryAfterMs,
      local: true,
    })
    this.service = service
  }
}

/**
 * The provider could not be asked, and nothing is known that could be served instead. `ERR_GATELESS_DISCOVERY`; `cause`
 * is the provider's error, `retryAfterMs` says when it is asked again.
 */
export class DiscoveryError extends GatelessError {
  override readonly name = 'DiscoveryError'
  readonly service: string

  constructor(service: string, cause: unknown, retryAfterMs?: number) {
    super('ERR_GATELESS_DISCOVERY', `discovery of ${JSON.stringify(service)} failed: ${summary(cause)}`, {
      cause,
      retryAfterMs,
      local: true,
    })
    this.service = service
  }
}

/** One short line; providers that people write themselves may put a whole URL into theirs, password included. */
function summary(cause: unknown): string {
  const line = describeThrown(cause)
    .replace(/\/\/[^/\s@]*@/g, '//***@')
    .replace(/\s+/g, ' ')
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

import { GatelessError, type GatelessErrorDetails } from '../../core/errors.ts'

/**
 * The registry could not be reached, or what it answered cannot be used. `ERR_GATELESS_HTTP_REGISTRY`. The message
 * names method and URL, never credentials.
 */
export class HttpRegistryError extends GatelessError {
  override readonly name = 'HttpRegistryError'
  /** The status of the answer; undefined where there was none. */
  readonly status: number | undefined

  constructor(message: string, details: GatelessErrorDetails & { readonly status?: number } = {}) {
    super('ERR_GATELESS_HTTP_REGISTRY', message, details)
    this.status = details.status
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { MAX_REGISTRATION_BYTES } from '../backends/http/api.ts'
import { OptionReader } from '../core/options.ts'
import { answerFor, refusal, send } from './answers.ts'
import { readJson } from './body.ts'
import { findRoute } from './router.ts'
import type { ServiceRegistry } from './service-registry.ts'

/** Options of {@link createRegistryHandler}. */
export interface RegistryHandlerOptions {
  /** A larger body is refused with 413, unread. Bytes, an integer from 1024. @default 524_288 */
  readonly maxBodyBytes?: number
  /** Is told what went wrong behind an answer 500. @default a process warning */
  readonly onError?: (error: unknown) => void
}

export type RegistryHandler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Answers the registry's protocol inside a `node:http` server of your own.
 *
 * When to use: where the server exists already, or needs TLS or authentication in front. Otherwise `RegistryServer`.
 * Gotcha: it owns every path it is handed; mount it by giving it the requests meant for it.
 *
 * @example
 * const server = createServer(createRegistryHandler(registry))
 */
export function createRegistryHandler(registry: ServiceRegistry, options?: RegistryHandlerOptions): RegistryHandler {
  const read = new OptionReader('createRegistryHandler', options)
  const maxBodyBytes = read.number('maxBodyBytes', { default: MAX_REGISTRATION_BYTES, min: 1_024, integer: true })
  const onError = read.function('onError', warn)
  read.end()

  const fail = (response: ServerResponse, error: unknown): void => {
    const answer = answerFor(error)
    if (answer === undefined) report(onError, error)
    send(response, answer ?? refusal(500, 'internal error'))
  }
  return (request, response) => {
    try {
      const { endpoint, ...routed } = findRoute(request.method ?? '', request.url ?? '')
      if (!endpoint.wantsBody) {
        send(response, endpoint.handle({ registry, ...routed, body: undefined }))
        return
      }
      readJson(request, maxBodyBytes)
        .then((body) => send(response, endpoint.handle({ registry, ...routed, body })))
        .catch((error: unknown) => fail(response, error))
    } catch (error) {
      fail(response, error)
    }
  }
}

function report(onError: (error: unknown) => void, error: unknown): void {
  try {
    onError(error)
  } catch (fault) {
    warn(fault)
  }
}

function warn(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`the registry answered 500: ${text}`, { type: 'GatelessWarning' })
}

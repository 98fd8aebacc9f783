import { Agent, type Dispatcher } from 'undici'
import { CallScope } from '../../core/context.ts'
import { isText } from '../../core/parse-instance.ts'
import { race } from '../../core/race.ts'
import { parseRetryAfter } from '../../core/retry-after.ts'
import { JSON_TYPE, MAX_ANSWER_BYTES, WARMING_UP_HEADER } from './api.ts'
import type { ConnectionSettings } from './connection-options.ts'
import { HttpRegistryError } from './errors.ts'
import { readBounded } from './read-bounded.ts'

/** One answer, its body read and bounded. */
export interface RegistryAnswer {
  readonly status: number
  /** Undefined when it was over the limit. */
  readonly bytes: Buffer | undefined
  readonly contentType: string | undefined
  readonly retryAfterMs: number | undefined
  /** The registry may not know everything yet. */
  readonly warmingUp: boolean
}

export interface RegistryRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly signal?: AbortSignal | undefined
  /** Milliseconds. @default that of the connection */
  readonly timeoutMs?: number
}

/**
 * Sends requests to one registry. undici's own time limits are off: they miss connecting and anything under a second,
 * and no fake timer reaches them. Redirects are answers like any other here: nobody is followed to another origin.
 */
export class RegistryConnection {
  readonly #settings: ConnectionSettings
  readonly #maxAnswerBytes: number
  readonly #dispatcher: Dispatcher
  readonly #own: Agent | undefined

  constructor(settings: ConnectionSettings, maxAnswerBytes: number = MAX_ANSWER_BYTES) {
    this.#settings = settings
    this.#maxAnswerBytes = maxAnswerBytes
    if (settings.dispatcher === undefined) {
      const connect = { timeout: settings.timeoutMs }
      this.#own = new Agent({ connections: 8, headersTimeout: 0, bodyTimeout: 0, connect })
    }
    this.#dispatcher = settings.dispatcher ?? (this.#own as Agent)
  }

  /** Rejects with an {@link HttpRegistryError}, a TimeoutError, or the signal's reason; at once, also while connecting. */
  async send(request: RegistryRequest): Promise<RegistryAnswer> {
    const { signal, timeoutMs = this.#settings.timeoutMs } = request
    const scope = new CallScope({ signal, timeoutMs }, this.#settings.clock)
    try {
      return await race(scope, (context) => this.#exchange(request, context.signal))
    } finally {
      scope.dispose()
    }
  }

  /** An error that says what was asked and what is wrong with the answer. */
  refuse(request: RegistryRequest, answer: RegistryAnswer, problem: string): HttpRegistryError {
    const { status, retryAfterMs } = answer
    return new HttpRegistryError(`${this.#describe(request)} ${problem}`, { status, retryAfterMs })
  }

  /** For a status nobody asked for; passes on what the registry says about it. */
  refuseStatus(request: RegistryRequest, answer: RegistryAnswer): HttpRegistryError {
    const { status } = answer
    const redirect = status >= 300 && status < 400 ? ', and redirects of a registry are not followed' : ''
    return this.refuse(request, answer, `answered ${status}${redirect}${reasonIn(answer.bytes)}`)
  }

  async close(): Promise<void> {
    await this.#own?.destroy()
  }

  #describe({ method, path }: RegistryRequest): string {
    const { origin, basePath } = this.#settings
    return `${method} ${origin}${basePath}${path}`
  }

  async #exchange(request: RegistryRequest, signal: AbortSignal): Promise<RegistryAnswer> {
    const { origin, basePath, headers, clock } = this.#settings
    const { method, path, body } = request
    try {
      const answer = await this.#dispatcher.request({
        origin,
        path: `${basePath}${path}`,
        method,
        headers: { accept: JSON_TYPE, ...(body === undefined ? {} : { 'content-type': JSON_TYPE }), ...headers },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      })
      return {
        status: answer.statusCode,
        bytes: await readBounded(answer.body, this.#maxAnswerBytes),
        contentType: text(answer.headers['content-type']),
        retryAfterMs: parseRetryAfter(answer.headers['retry-after'], clock),
        warmingUp: answer.headers[WARMING_UP_HEADER] !== undefined,
      }
    } catch (cause) {
      throw new HttpRegistryError(`${this.#describe(request)} failed: ${summary(cause)}`, { cause })
    }
  }
}

/** A refused connection to a name with several addresses is an AggregateError without a message. */
function summary(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.message || (cause as NodeJS.ErrnoException).code || cause.name
}

/** What the registry says in its `{"error": "…"}`, where that is short and printable. */
function reasonIn(bytes: Buffer | undefined): string {
  if (bytes === undefined || bytes.length > 4_096) return ''
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'))
    const reason = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return isText(reason) ? `: ${reason}` : ''
  } catch {
    return ''
  }
}

function text(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && isText(header) ? header : undefined
}

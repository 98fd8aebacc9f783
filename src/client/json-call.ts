import type { Dispatcher } from 'undici'
import { retryAfterOf } from '../core/retry-after.ts'
import type { Clock } from '../time/clock.ts'
import { type AttemptRecord, BodyError, type NotRetriedReason, ResponseError } from './errors.ts'

/**
 * The handler behind `ServiceClient.call`: collects the body and parses it, without the stream object that
 * `undici.request` makes per answer (a third of the cost of a whole call).
 */

type Headers = Record<string, string | string[] | undefined>

/** The controller of a call knows its attempts; one that was refused before it began has made none. */
interface Attempted {
  readonly attempts: readonly AttemptRecord[]
  readonly notRetried: NotRetriedReason | undefined
}

export interface JsonCallInput {
  readonly service: string
  readonly method: string
  readonly path: string
  readonly maxBodyBytes: number
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
}

export class JsonCall<T> implements Dispatcher.DispatchHandler {
  readonly promise: Promise<T>
  readonly #input: JsonCallInput
  readonly #chunks: Buffer[] = []
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void
  #bytes = 0
  #status = 0
  #headers: Headers = {}
  #controller: Dispatcher.DispatchController | undefined

  constructor(input: JsonCallInput) {
    this.#input = input
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    const { signal } = this.#input
    if (signal === undefined) return
    if (signal.aborted) this.#abort()
    else signal.addEventListener('abort', this.#abort, { once: true })
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    // What is announced for a HEAD or a 304 is the body that another request would get.
    if (this.#input.method.toUpperCase() === 'HEAD' || status === 304) return
    const announced = Number(headers['content-length'] ?? 0)
    if (announced > this.#input.maxBodyBytes) this.#tooLarge(controller)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#input.maxBodyBytes) this.#tooLarge(controller)
    else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#release()
    try {
      const body = this.#parse()
      if (this.#ok) this.#resolve(body as T)
      else this.#reject(this.#responseError(body))
    } catch (error) {
      this.#reject(error)
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#release()
    this.#reject(error)
  }

  readonly #abort = (): void => {
    this.#controller?.abort(this.#input.signal?.reason as Error)
  }

  #release(): void {
    this.#input.signal?.removeEventListener('abort', this.#abort)
  }

  #tooLarge(controller: Dispatcher.DispatchController): void {
    const { maxBodyBytes } = this.#input
    // The status of an error page matters more than its size.
    controller.abort(
      this.#ok
        ? new BodyError(`${this.#title}: the body is larger than ${maxBodyBytes} bytes`)
        : this.#responseError(undefined),
    )
  }

  get #ok(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  /** JSON where the answer says so, text otherwise, undefined where there is nothing. */
  #parse(): unknown {
    if (this.#bytes === 0) return undefined
    const text = (this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)).toString(
      'utf8',
    )
    if (!isJson(this.#headers['content-type'])) return text
    try {
      // A byte order mark is no JSON, and some servers send one.
      return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
    } catch (cause) {
      // An error page that claims to be JSON is still an error page: its status matters more than its body.
      if (!this.#ok) return text
      throw new BodyError(`${this.#title}: the body is not the JSON that its content type says`, { cause })
    }
  }

  #responseError(body: unknown): ResponseError {
    const { attempts = [], notRetried } = this.#controller as Partial<Attempted>
    return new ResponseError(`${this.#title}: answered ${this.#status}`, {
      service: this.#input.service,
      status: this.#status,
      headers: this.#headers,
      retryAfterMs: retryAfterOf(this.#headers, this.#input.clock),
      body,
      attempts,
      notRetried,
    })
  }

  get #title(): string {
    return `${this.#input.service} ${this.#input.method} ${this.#input.path.split('?', 1)[0] as string}`
  }
}

function isJson(contentType: string | string[] | undefined): boolean {
  return typeof contentType === 'string' && /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)
}

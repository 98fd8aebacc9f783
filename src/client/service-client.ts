import { type Dispatcher, type RequestInfo, type RequestInit, type Response, fetch as undiciFetch } from 'undici'
import type { CallOptions } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import type { DiscoveryClient } from '../discovery/discovery-client.ts'
import { ClientCore } from './client-core.ts'
import { InvalidRequestError } from './errors.ts'
import type { ClientEvents } from './events.ts'
import { JsonCall } from './json-call.ts'
import type { ServiceClientOptions } from './options.ts'
import { copyOf, ownProperties } from './own-properties.ts'
import { type Query, withQuery } from './query.ts'
import { checkMethod, headerValue } from './request-check.ts'
import { ServiceDispatcher, type ServiceRequestExtras } from './service-dispatcher.ts'

/** Options of one `call`. */
export interface ServiceCallOptions extends CallOptions {
  /** Appended to the path; arrays repeat the name, undefined and null leave it out. */
  readonly query?: Query | undefined
  readonly headers?: Readonly<Record<string, string>> | Headers | undefined
  /** What hashing strategies tie to an instance. @default key */
  readonly balancingKey?: string | undefined
}

/** One `request`: undici's own options, with a service in place of an origin. */
export type ServiceRequest = Omit<Dispatcher.RequestOptions, 'origin' | 'method' | 'query'> &
  Omit<ServiceRequestExtras, 'service'> & {
    readonly service: string
    /** @default 'GET' */
    readonly method?: Dispatcher.HttpMethod
    readonly query?: Query | undefined
    readonly idempotent?: boolean
  }

/**
 * Calls services by name: finds their instances, picks one, keeps to a deadline, tries another when one fails, and
 * leaves those alone that keep failing.
 *
 * When to use: for everything a service calls over HTTP. `call` is JSON in and out; `request` gives undici's streaming
 * answer; `fetch` is the WHATWG one; `dispatcher` gives all of it to code that knows nothing of this library.
 *
 * Gotchas: a non-2xx answer is returned by `request` and `fetch`, and thrown as `ResponseError` by `call`. A POST is
 * not tried again once it may have been sent, unless `idempotent: true` or an Idempotency-Key says that it may be.
 *
 * @example
 * const client = new ServiceClient({ discovery: { provider: staticList({ devices: [{ host: '127.0.0.1', port: 8081 }] }) } })
 * const devices = await client.call('devices', 'GET', '/devices')
 * await client.close()
 */
export class ServiceClient extends TypedEmitter<ClientEvents> implements AsyncDisposable {
  /** For undici and fetch users that are not to change: resolves only services the client was configured with. */
  readonly dispatcher: ServiceDispatcher
  readonly #core: ClientCore
  readonly #everyHost: ServiceDispatcher

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: ServiceClientOptions) {
    super()
    this.#core = new ClientCore(options, {
      heard: (event) => this.heard(event),
      emit: (event, payload) => this.emit(event, payload),
      fault: (where, error) => this.reportFault(where, error),
    })
    this.dispatcher = new ServiceDispatcher(this.#core, false)
    this.#everyHost = new ServiceDispatcher(this.#core, true)
  }

  /** Where the instances come from; its events tell of changes, staleness and recovery. */
  get discovery(): DiscoveryClient {
    return this.#core.discovery
  }

  /**
   * One call with JSON in and out: the parsed body, text where the answer is no JSON, undefined where it is empty.
   *
   * @param body Sent as JSON; bytes (Uint8Array) as they are; undefined sends none.
   * @throws {ResponseError} for a final answer that is no 2xx; {CallError} where there was no answer; {BodyError} for a
   * body that is too large or no JSON; {InvalidRequestError}; the signal's reason when it aborts.
   */
  async call<T = unknown>(
    service: string,
    method: string,
    path: string,
    body?: unknown,
    options: ServiceCallOptions = {},
  ): Promise<T> {
    const { settings, clock } = this.#core.runtime(service)
    const { maxBodyBytes } = settings
    const bytes = body instanceof Uint8Array
    const { signal, query, headers, idempotent, timeoutMs, balancingKey, key, priority } = ownProperties(options)
    checkMethod(method)
    if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function') {
      throw new InvalidRequestError('signal must be an AbortSignal')
    }
    const handler = new JsonCall<T>({ service, method, path, maxBodyBytes, signal, clock })
    this.#everyHost.dispatch(
      {
        service,
        method: method.toUpperCase(),
        path: withQuery(path, query),
        headers: jsonHeaders(headers, body !== undefined && !bytes),
        body: body === undefined ? null : bytes ? body : toJson(body),
        ...(idempotent === undefined ? undefined : { idempotent }),
        timeoutMs,
        balancingKey: balancingKey ?? key,
        ...(priority === undefined ? undefined : { priority }),
        deadlineCovers: 'body',
      },
      handler,
    )
    return handler.promise
  }

  /** undici's `request` to a service: status, headers and a body to stream, whatever the status is. */
  request(request: ServiceRequest): Promise<Dispatcher.ResponseData> {
    // The one copy that is made of it, and written into; the dispatcher takes it as it is.
    const own = copyOf(request) as Writable<ServiceRequest>
    own.path = withQuery(own.path, own.query)
    own.query = undefined
    // Not ??=: a method that is null is a mistake, and refused like any other.
    if (own.method === undefined) own.method = 'GET'
    if (own.deadlineCovers === undefined) own.deadlineCovers = 'body'
    return this.#everyHost.request(own as unknown as Dispatcher.RequestOptions)
  }

  /** WHATWG fetch; the URL's host is the service's name. The deadline ends with the headers, so streams may live on. */
  fetch(input: RequestInfo, init?: RequestInit): Promise<Response> {
    return undiciFetch(input, { ...init, dispatcher: this.#everyHost })
  }

  /** Refuses new calls, waits up to `drainMs` milliseconds for those in flight, ends the rest. @default 5_000 */
  close(drainMs?: number): Promise<void> {
    return this.#core.close(drainMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The caller's headers, and ours where he names none of that kind, whatever the case of his letters. */
function jsonHeaders(given: ServiceCallOptions['headers'], withBody: boolean): string[] {
  const headers: string[] = []
  // A Headers object has no keys of its own: without being asked by name, it would pass for empty.
  const pairs = given === undefined ? [] : Symbol.iterator in given ? given : Object.entries(given)
  for (const [name, value] of pairs as Iterable<[string, string]>) headers.push(name, value)
  if (headerValue(headers, 'accept') === undefined) headers.push('accept', 'application/json')
  if (withBody && headerValue(headers, 'content-type') === undefined) headers.push('content-type', 'application/json')
  return headers
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function toJson(body: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(body)
  } catch (cause) {
    throw new InvalidRequestError('body must be something JSON can say', cause)
  }
  if (text === undefined) throw new InvalidRequestError(`body must be something JSON can say, got a ${typeof body}`)
  return text
}

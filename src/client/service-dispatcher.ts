import { Dispatcher, Dispatcher1Wrapper } from 'undici'
import { Call } from './call.ts'
import type { CallExtras } from './call-extras.ts'
import type { ClientCore } from './client-core.ts'
import { ownProperties, ownProperty } from './own-properties.ts'
import { checkedPath, checkHeaders, checkMethod, checkTimeout, settledHeaders } from './request-check.ts'

/** What a request may carry besides undici's own options. */
export interface ServiceRequestExtras {
  /** The service to call; instead of an origin. */
  readonly service?: string
  /** The whole call, in milliseconds. @default the service's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /** Ties calls together for hashing strategies. @default none */
  readonly balancingKey?: string | undefined
  /** Higher survives longer when a guard sheds load. @default 0 */
  readonly priority?: number | undefined
  /** @default 'headers' */
  readonly deadlineCovers?: 'headers' | 'body'
}

/**
 * An undici Dispatcher that resolves services: everything built on undici (`request`, `fetch`, `stream`, clients that
 * take a dispatcher) gains discovery, balancing, breaking and retrying by being handed this one.
 *
 * When to use: `setGlobalDispatcher(client.dispatcher)` gives it to a whole process. Only services that the client was
 * configured with (by name or suffix) are resolved there; every other host passes to undici untouched.
 */
export class ServiceDispatcher extends Dispatcher {
  readonly #core: ClientCore
  readonly #everyHost: boolean

  /** @internal Made by the client. `everyHost`: take every host for a service. */
  constructor(core: ClientCore, everyHost: boolean) {
    super()
    this.#core = core
    this.#everyHost = everyHost
  }

  override dispatch(
    options: Dispatcher.DispatchOptions & ServiceRequestExtras,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    // Node's built-in fetch brings the handlers of an older undici.
    if (typeof handler.onRequestStart !== 'function') {
      return this.dispatch({ ...options, allowH2: false } as typeof options, wrapLegacy(handler))
    }
    let call: Call
    try {
      const named = ownProperty(options, 'service')
      const service = named ?? this.#core.serviceOf(ownProperty(options, 'origin'), this.#everyHost)
      if (service === undefined) return this.#core.passThrough(options, handler)
      call = new Call(this.#core.runtime(service), checkedRequest(options), handler, extrasOf(options))
    } catch (error) {
      handler.onResponseError?.(IDLE, error as Error)
      return true
    }
    call.start()
    // Never "busy": queueing is the business of each instance's pool.
    return true
  }

  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): void | Promise<void> {
    const closed = this.#core.close()
    if (callback === undefined) return closed
    void closed.then(callback)
  }

  override destroy(error: Error | null, callback: () => void): void
  override destroy(callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): void | Promise<void> {
    const then = typeof error === 'function' ? error : callback
    const closed = this.#core.close(0)
    if (then === undefined) return closed
    void closed.then(then)
  }
}

/** undici exports the wrapper's class, and leaves the static method out of its types. */
const wrapLegacy = (handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler =>
  (
    Dispatcher1Wrapper as unknown as { wrapHandler(h: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler }
  ).wrapHandler(handler)

/** What undici gets at each attempt. What is ours in it stays there: undici looks only for what it knows. */
function checkedRequest(options: Dispatcher.DispatchOptions & ServiceRequestExtras): Dispatcher.DispatchOptions {
  const request: Dispatcher.DispatchOptions & { dispatcher?: unknown } = ownProperties(options)
  // undici 6 and 7 leave their own dispatcher in the options, and 8 refuses it.
  if (request.dispatcher !== undefined) delete request.dispatcher
  checkMethod(request.method)
  if (request.headers !== undefined) request.headers = settledHeaders(request.headers)
  checkHeaders(request.headers)
  request.path = checkedPath(request.path)
  return request
}

/** What is for the call itself. */
function extrasOf(options: ServiceRequestExtras): CallExtras {
  const timeoutMs = ownProperty(options, 'timeoutMs')
  checkTimeout(timeoutMs)
  return {
    timeoutMs,
    key: ownProperty(options, 'balancingKey'),
    priority: ownProperty(options, 'priority'),
    deadlineCovers: ownProperty(options, 'deadlineCovers') ?? 'headers',
  }
}

/** Handed to a handler whose call never began. */
const IDLE: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort() {},
  pause() {},
  resume() {},
}

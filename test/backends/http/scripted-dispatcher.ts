import { Dispatcher } from 'undici'

/** What the peer answers: a status with its body, an error, or nothing ever. */
export type Reply =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  | Error
  | 'hang'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: unknown
}

/** Answers requests from a script, without a socket; the last line repeats. */
export class ScriptedDispatcher extends Dispatcher {
  readonly seen: SeenRequest[] = []
  aborted = 0
  #script: Reply[]

  constructor(...script: Reply[]) {
    super()
    this.#script = script
  }

  script(...script: Reply[]): void {
    this.#script = script
  }

  /** The requests as one line each. */
  get lines(): string[] {
    return this.seen.map(({ method, url }) => `${method} ${url}`)
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { method, origin, path, headers, body } = options
    this.seen.push({
      method,
      url: `${String(origin)}${path}`,
      headers: { ...(headers as Record<string, string>) },
      body: typeof body === 'string' ? JSON.parse(body) : undefined,
    })
    const reply = (this.#script.length > 1 ? this.#script.shift() : this.#script[0]) as Reply
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      rawHeaders: [],
      rawTrailers: [],
      pause: () => {},
      resume: () => {},
      abort: (reason: Error) => {
        this.aborted += 1
        handler.onResponseError?.(controller, reason)
      },
    }
    handler.onRequestStart?.(controller, {})
    if (reply === 'hang') return true
    if (reply instanceof Error) {
      handler.onResponseError?.(controller, reply)
      return true
    }
    const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? null)
    handler.onResponseStart?.(controller, reply.status, { ...reply.headers }, '')
    handler.onResponseData?.(controller, Buffer.from(text))
    handler.onResponseEnd?.(controller, {})
    return true
  }

  override close(): Promise<void> {
    return Promise.reject(new Error('a dispatcher that was lent must not be closed'))
  }

  override destroy(): Promise<void> {
    return this.close()
  }
}

/** Lets streams and promises settle: undici's bodies need ticks that a chain of awaits would starve. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

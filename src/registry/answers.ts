import type { ServerResponse } from 'node:http'
import { type ErrorBody, JSON_TYPE } from '../backends/http/api.ts'
import { ClosedError } from '../core/errors.ts'
import { InvalidRegistrationError, RegistryFullError } from './errors.ts'

/** What the registry says over HTTP: a status and JSON, also for errors. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Anything JSON; without it the answer has no body. */
  readonly body?: unknown
}

export function refusal(status: number, error: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: { error } satisfies ErrorBody }
}

/** A refusal on its way out of a handler. */
export class HttpRefusal extends Error {
  readonly answer: Answer

  constructor(status: number, message: string, headers?: Readonly<Record<string, string>>) {
    super(message)
    this.answer = refusal(status, message, headers)
  }
}

/** What an error means to the client; undefined for one that nobody foresaw, whose text stays inside. */
export function answerFor(error: unknown): Answer | undefined {
  if (error instanceof HttpRefusal) return error.answer
  if (error instanceof InvalidRegistrationError) return refusal(400, error.message)
  // Not 503: that means "warming up, ask again", and a full registry does not empty itself.
  if (error instanceof RegistryFullError) return refusal(507, error.message)
  if (error instanceof ClosedError) return refusal(503, error.message, { 'retry-after': '1' })
  return undefined
}

export function send(response: ServerResponse, answer: Answer): void {
  const text = answer.body === undefined ? undefined : JSON.stringify(answer.body)
  response.writeHead(answer.status, {
    'cache-control': 'no-store',
    ...(text === undefined ? {} : { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(text) }),
    ...answer.headers,
  })
  response.end(text)
}

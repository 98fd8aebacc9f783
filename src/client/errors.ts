import { GatelessError, type GatelessErrorDetails } from '../core/errors.ts'

/** How one attempt of a call ended. */
export interface AttemptRecord {
  /** 1 for the first. */
  readonly attempt: number
  readonly instanceId: string
  readonly origin: string
  /** Milliseconds since the call began. */
  readonly startedMs: number
  readonly durationMs: number
  readonly outcome: AttemptOutcome
  readonly status: number | undefined
  /** The error's code, or its name where it has none. Never its text: that may quote what a server sent. */
  readonly error: string | undefined
}

/**
 * `answered`: final headers came (whatever the status). `not-sent`: the request never left, so any method may be tried
 * again. `maybe-sent`: it left, and no answer came. `partial`: the answer broke off. `timeout`: the attempt's time was
 * over. `caller`: this side ended it. `local`: this side could not make the request.
 */
export type AttemptOutcome = 'answered' | 'not-sent' | 'maybe-sent' | 'partial' | 'timeout' | 'caller' | 'local'

/** Why there was no further attempt. */
export type NotRetriedReason =
  | 'exhausted'
  | 'not-retryable'
  | 'not-idempotent'
  | 'body-not-replayable'
  | 'budget'
  | 'deadline'
  | 'circuit-open'
  | 'no-instance'
  | 'aborted'
  | 'already-answered'
  | 'refused'

export interface CallErrorDetails extends GatelessErrorDetails {
  readonly service: string
  readonly attempts: readonly AttemptRecord[]
  readonly notRetried?: NotRetriedReason | undefined
}

const STATUS: Readonly<Record<string, number>> = { ERR_GATELESS_TIMEOUT: 504, ERR_GATELESS_SERVICE_NOT_FOUND: 404 }

/**
 * A call got no answer. `code` says why: `ERR_GATELESS_UNAVAILABLE` (the last attempt failed; `cause` is its error),
 * `ERR_GATELESS_TIMEOUT`, or the code of what refused it (`ERR_GATELESS_CIRCUIT_OPEN`, `ERR_GATELESS_NO_INSTANCE`,
 * `ERR_GATELESS_SERVICE_NOT_FOUND`, `ERR_GATELESS_DISCOVERY`, `ERR_GATELESS_CLOSED`, that of a guard, or
 * `ERR_GATELESS_REFUSED` where a guard of the user's has none).
 */
export class CallError extends GatelessError {
  override readonly name = 'CallError'
  readonly service: string
  /** Every attempt that was made, in order. */
  readonly attempts: readonly AttemptRecord[]
  /** Why there was no further attempt. */
  readonly notRetried: NotRetriedReason | undefined
  /** The HTTP status a server would answer with in this place: 504 for a timeout, 404 for a service nobody knows, else 503. */
  readonly status: number

  constructor(code: string, message: string, details: CallErrorDetails) {
    super(code, message, details)
    this.service = details.service
    this.attempts = details.attempts
    this.notRetried = details.notRetried
    this.status = STATUS[code] ?? 503
  }
}

/** `call` got a final answer that is no 2xx. `ERR_GATELESS_RESPONSE`. */
export class ResponseError extends GatelessError {
  override readonly name = 'ResponseError'
  readonly service: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body: parsed where it says it is JSON, text otherwise. Not printed with the error. */
  declare readonly body: unknown
  readonly attempts: readonly AttemptRecord[]
  /** Why there was no further attempt, where one would have been worth it. */
  readonly notRetried: NotRetriedReason | undefined

  constructor(
    message: string,
    details: CallErrorDetails & {
      readonly status: number
      readonly headers: Readonly<Record<string, string | string[] | undefined>>
      readonly body: unknown
    },
  ) {
    super('ERR_GATELESS_RESPONSE', message, details)
    this.service = details.service
    this.status = details.status
    this.attempts = details.attempts
    this.notRetried = details.notRetried
    this.headers = details.headers
    // Headers and body may hold secrets; they are there to be read, not to land in a log.
    Object.defineProperty(this, 'headers', { value: details.headers, enumerable: false })
    Object.defineProperty(this, 'body', { value: details.body, enumerable: false })
  }
}

/** `call` got a 2xx whose body it could not read: too large, or not the JSON it says it is. `ERR_GATELESS_BODY`. */
export class BodyError extends GatelessError {
  override readonly name = 'BodyError'

  constructor(message: string, details?: GatelessErrorDetails) {
    super('ERR_GATELESS_BODY', message, details)
  }
}

/** The request can not be sent by anybody. `ERR_GATELESS_INVALID_REQUEST`. */
export class InvalidRequestError extends GatelessError {
  override readonly name = 'InvalidRequestError'

  constructor(message: string, cause?: unknown) {
    super('ERR_GATELESS_INVALID_REQUEST', message, cause === undefined ? { local: true } : { local: true, cause })
  }
}

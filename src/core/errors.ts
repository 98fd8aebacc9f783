/**
 * Errors are told apart by `code`, and recognised by a brand instead of `instanceof`: two copies of the package in one
 * process still understand each other.
 */

const BRAND: unique symbol = /* @__PURE__ */ Symbol.for('gateless.error')

/** What every gateless error carries besides its message. */
export interface GatelessErrorDetails {
  /** The error this one reports. */
  readonly cause?: unknown
  /** Milliseconds after which trying again makes sense, where that is known. */
  readonly retryAfterMs?: number | undefined
  /** True when this process refused on its own account, so that nothing may be held against the remote. */
  readonly local?: boolean
}

/** The base of every error this library throws. `code` is stable and starts with `ERR_GATELESS_`. */
export class GatelessError extends Error {
  override readonly name: string = 'GatelessError'
  readonly code: string
  /** Whole milliseconds after which trying again makes sense; undefined where nobody knows. */
  readonly retryAfterMs: number | undefined
  /** True when this process refused on its own account: bulkhead full, circuit open, caller's mistake. */
  readonly local: boolean

  constructor(code: string, message: string, details: GatelessErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    // Timers drop fractions: who waits 19.9 ms by one comes back a moment too early.
    this.retryAfterMs = details.retryAfterMs === undefined ? undefined : Math.ceil(details.retryAfterMs)
    this.local = details.local ?? false
  }

  /** @internal On the prototype: it is plumbing, which no printed error should show, and no error should pay for. */
  get [BRAND](): true {
    return true
  }
}

/**
 * @internal Makes a refusal of type `Type` out of a plain `error`, without running a constructor: each one between a
 * `new` and `Error` costs a refusal 400 ns, a fifth of all it costs, and refusing has to be cheap when it is needed most.
 * The plain error is made by the caller, so that its stack begins there.
 */
export function toRefusal<E extends GatelessError>(
  error: Error,
  Type: { readonly prototype: E },
  name: E['name'],
  code: string,
  retryAfterMs: number | undefined,
): E {
  Object.setPrototypeOf(error, Type.prototype)
  const refusal = error as { -readonly [K in keyof GatelessError]: GatelessError[K] }
  refusal.name = name
  refusal.code = code
  refusal.retryAfterMs = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs)
  refusal.local = true
  return error as E
}

/**
 * Tells a gateless error from any other, also across duplicate copies of the package.
 *
 * @param code Only this code, for example `'ERR_GATELESS_CIRCUIT_OPEN'`.
 */
export function isGatelessError(error: unknown, code?: string): error is GatelessError {
  return (
    typeof error === 'object' &&
    error !== null &&
    (error as { [BRAND]?: unknown })[BRAND] === true &&
    (code === undefined || (error as GatelessError).code === code)
  )
}

/** What was thrown, in words, whatever it is: describing an error must never throw another. */
export function describeThrown(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return String(thrown)
    // What the types promise of an Error is only a habit.
    const { message, name } = thrown as { message: unknown; name: unknown }
    return typeof message === 'string' && message !== '' ? message : String(name)
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}

/** Time ran out. `ERR_GATELESS_TIMEOUT`. */
export class TimeoutError extends GatelessError {
  override readonly name = 'TimeoutError'
  /** The limit that was reached, in milliseconds. */
  readonly timeoutMs: number
  /** Whose limit it was: of one attempt, or of the whole call. */
  readonly limit: 'attempt' | 'total'

  /** @param details `by`: whose limit it was, for the message; 'call' or 'attempt' unless given. */
  constructor(
    timeoutMs: number,
    limit: 'attempt' | 'total',
    details: GatelessErrorDetails & { readonly by?: string } = {},
  ) {
    const { by = limit === 'total' ? 'call' : 'attempt' } = details
    super('ERR_GATELESS_TIMEOUT', `${by} timed out after ${timeoutMs} ms`, details)
    this.timeoutMs = timeoutMs
    this.limit = limit
  }

  /** @internal The time was spent waiting in this process, and the remote never learnt of the call. */
  becomeLocal(): void {
    ;(this as { local: boolean }).local = true
  }
}

/** The object was closed before or during the call. `ERR_GATELESS_CLOSED`. */
export class ClosedError extends GatelessError {
  override readonly name = 'ClosedError'

  constructor(what: string) {
    super('ERR_GATELESS_CLOSED', `${what} is closed`, { local: true })
  }
}

/** Errors as libraries make them: what they carry is a habit, not a type. */

/** @internal */
export interface ErrorLike {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly status?: unknown
  readonly statusCode?: unknown
  readonly response?: { readonly status?: unknown; readonly statusCode?: unknown } | null
  readonly cause?: unknown
}

/** Causes looked at; an error that is its own cause must not hang anybody. */
const MAX_DEPTH = 5

/** @internal Asks the error, then its causes, up to five in all; the first that has an answer decides. */
export function askChain<T>(error: unknown, ask: (link: ErrorLike) => T | undefined): T | undefined {
  let link: unknown = error
  for (let depth = 0; depth < MAX_DEPTH && typeof link === 'object' && link !== null; depth += 1) {
    const answer = ask(link)
    if (answer !== undefined) return answer
    link = (link as ErrorLike).cause
  }
  return undefined
}

/** @internal The HTTP status an error carries, itself or on its response. */
export function statusOf({ status, statusCode, response }: ErrorLike): number | undefined {
  const found = status ?? statusCode ?? response?.status ?? response?.statusCode
  return typeof found === 'number' ? found : undefined
}

import { show } from '../core/options.ts'
import { askChain, type ErrorLike, statusOf } from './error-chain.ts'

/** Errors named in a list, for whoever configures what is retried instead of programming it. */

/** An error as a class, with whatever constructor. */
export type ErrorClass = abstract new (...args: never[]) => unknown

/**
 * - a string: the error's `code` or `name`, exactly: `'ECONNRESET'`, `'AbortError'`.
 * - a number: its HTTP status (`status`, `statusCode`, also on `response`) or its numeric `code`, as gRPC has.
 * - a RegExp: tested on its message.
 * - `{ message }`: a part of its message, in the same case.
 * - a class: `instanceof`.
 * - any other function: a predicate, which is asked about the error itself and not about its causes.
 */
export type ErrorMatcher =
  | string
  | number
  | RegExp
  | { readonly message: string }
  | ErrorClass
  | ((error: unknown) => boolean)

/** Undefined: not this link of the chain, ask the next. */
type Test = (link: ErrorLike) => boolean

/**
 * A predicate that says yes to the errors of a list.
 *
 * When to use: as `retryable`, where what may be retried comes from configuration. `retryOn` of a `RetryPolicy` does
 * the same.
 *
 * Gotchas: the list is everything. An error that it does not name is not retried, although `isTransient` would. Except
 * for predicates, causes are looked at too, up to five in all. A RegExp runs on text that a remote may have written.
 *
 * @throws {TypeError} for an entry that is none of these.
 *
 * @example
 * matchErrors(['ECONNRESET', 503, { message: 'connection refused' }, TimeoutError])
 */
export function matchErrors(matchers: readonly ErrorMatcher[], owner = 'matchErrors'): (error: unknown) => boolean {
  if (!Array.isArray(matchers)) throw new TypeError(`${owner}: matchers must be an array, got ${show(matchers)}`)
  const tests: Test[] = []
  const predicates: ((error: unknown) => boolean)[] = []
  for (const matcher of matchers as readonly ErrorMatcher[]) {
    if (typeof matcher === 'function' && !isClass(matcher)) predicates.push(matcher as (error: unknown) => boolean)
    else tests.push(testOf(matcher, owner))
  }
  const matches = (link: ErrorLike): true | undefined => (tests.some((test) => test(link)) ? true : undefined)
  return (error) => askChain(error, matches) === true || predicates.some((predicate) => predicate(error))
}

function testOf(matcher: ErrorMatcher, owner: string): Test {
  if (typeof matcher === 'string' && matcher !== '') return ({ code, name }) => code === matcher || name === matcher
  if (typeof matcher === 'number' && !Number.isNaN(matcher))
    return (link) => statusOf(link) === matcher || link.code === matcher
  if (typeof matcher === 'function') return (link) => link instanceof (matcher as ErrorClass)
  if (matcher instanceof RegExp) {
    // One that is global remembers where it stopped, and would say yes to every other error only.
    const pattern = new RegExp(matcher.source, matcher.flags.replace(/[gy]/g, ''))
    return ({ message }) => typeof message === 'string' && pattern.test(message)
  }
  const part = typeof matcher === 'object' && matcher !== null ? ownMessage(matcher) : undefined
  if (typeof part === 'string' && part !== '')
    return ({ message }) => typeof message === 'string' && message.includes(part)
  throw new TypeError(
    `${owner}: an error is named by a string, a number, a RegExp, { message }, a class or a predicate, got ${show(matcher)}`,
  )
}

function ownMessage(matcher: object): unknown {
  return Object.hasOwn(matcher, 'message') ? (matcher as ErrorLike).message : undefined
}

/** Only of classes the prototype cannot be replaced. */
function isClass(matcher: object): boolean {
  return Object.getOwnPropertyDescriptor(matcher, 'prototype')?.writable === false
}

import { show } from '../core/options.ts'

/** Which errors an alternative answers. */

/**
 * - a string: the error's `code` or `name`, exactly: `'ERR_GATELESS_CIRCUIT_OPEN'`, `'ECONNREFUSED'`.
 * - a class: `instanceof`.
 * - any other function: a predicate.
 */
export type FallbackMatcher = ((error: unknown) => boolean) | (abstract new (...args: never[]) => unknown) | string

/** The one question all matchers become. */
export type ErrorTest = (error: unknown) => boolean

/**
 * Work that was aborted is no failure to answer: the caller who aborted it by a signal of his own is not waiting.
 */
export function isNoAbort(error: unknown): boolean {
  return (Object(error) as { name?: unknown }).name !== 'AbortError'
}

/** @throws {TypeError} naming the option and what it may be. */
export function toErrorTest(owner: string, when: unknown): ErrorTest {
  if (when === undefined) return isNoAbort
  const matchers: readonly unknown[] = Array.isArray(when) ? when : [when]
  const tests = matchers.map((matcher) => {
    const test = testOf(matcher)
    if (test !== undefined) return test
    throw new TypeError(
      `${owner}: when must be a function, a class, a code or name, or a list of them, got ${show(matcher)}`,
    )
  })
  return (error) => tests.some((test) => test(error))
}

function testOf(matcher: unknown): ErrorTest | undefined {
  if (typeof matcher === 'string' && matcher !== '') {
    return (error) => {
      const { code, name } = Object(error) as { code?: unknown; name?: unknown }
      return code === matcher || name === matcher
    }
  }
  if (typeof matcher !== 'function') return undefined
  if (isClass(matcher)) return (error) => error instanceof matcher
  return (error) => {
    const answer: unknown = matcher(error)
    if (typeof answer === 'boolean') return answer
    // A promise is truthy: an async predicate would match everything.
    throw new TypeError(`when must answer true or false, got ${typeof answer}`)
  }
}

/** Only of classes the prototype cannot be replaced. */
function isClass(matcher: object): matcher is typeof Error {
  return Object.getOwnPropertyDescriptor(matcher, 'prototype')?.writable === false
}

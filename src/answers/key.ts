import type { CallContext } from '../core/context.ts'
import { show } from '../core/options.ts'

/** What makes two calls the same. */
export type KeyOf = (context: CallContext) => string | undefined

/** The key the caller gave. */
export const callKey: KeyOf = (context) => context.key

/** The key by a function that may be a user's. @throws whatever it throws, and a TypeError for what is no key. */
export function readKey(keyOf: KeyOf, context: CallContext): string | undefined {
  const key: unknown = keyOf(context)
  if (key === undefined || typeof key === 'string') return key
  // An object would be the key '[object Object]' of every call, and a promise an answer for everybody.
  throw new TypeError(`key must answer a string or undefined, got ${show(key)}`)
}

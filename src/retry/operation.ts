import { show } from '../core/options.ts'

/** @internal A mistake of the caller's, which must not pass for a failure of the work. */
export function checkOperation(where: string, operation: unknown): void {
  if (typeof operation !== 'function')
    throw new TypeError(`${where}: operation must be a function, got ${show(operation)}`)
}

import type { CallScope, Operation } from './context.ts'

/**
 * Runs the work, and settles at once when its scope aborts, even if the work never looks at its signal. What the work
 * answers after that is dropped; a late rejection is nobody's unhandled rejection.
 */
export function race<T>(scope: CallScope, operation: Operation<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (scope.aborted) {
      reject(scope.reason)
      return
    }
    const unsubscribe = scope.onAbort(() => reject(scope.reason))
    const settled = (settle: () => void): void => {
      unsubscribe()
      settle()
    }
    // Not Promise.try: Node 22 has none.
    new Promise<T>((answer) => answer(operation(scope))).then(
      (value) => settled(() => resolve(value)),
      (error: unknown) => settled(() => reject(error)),
    )
  })
}

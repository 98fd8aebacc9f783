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
    scope.listen(reject)
    const fail = (error: unknown): void => {
      scope.unlisten(reject)
      reject(error)
    }
    try {
      const work = operation(scope)
      const succeed = (value: T): void => {
        scope.unlisten(reject)
        resolve(value)
      }
      if (isThenable(work)) work.then(succeed, fail)
      else succeed(work)
    } catch (error) {
      fail(error)
    }
  })
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | null | undefined)?.then === 'function'
}

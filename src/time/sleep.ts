import type { Clock } from './clock.ts'

/** What can end a wait early: a call scope, structurally. */
export interface Interruptible {
  readonly aborted: boolean
  readonly reason: unknown
  onAbort(listener: () => void): () => void
}

/** Resolves after `delayMs`; rejects with the scope's reason as soon as it aborts, leaving no timer and no listener. */
export function sleep(delayMs: number, clock: Clock, scope?: Interruptible): Promise<void> {
  return new Promise((resolve, reject) => {
    if (scope?.aborted) {
      reject(scope.reason)
      return
    }
    const timer = clock.setTimeout(() => {
      unsubscribe?.()
      resolve()
    }, delayMs)
    const unsubscribe = scope?.onAbort(() => {
      clock.clearTimeout(timer)
      reject(scope.reason)
    })
  })
}

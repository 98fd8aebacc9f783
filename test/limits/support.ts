import { vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import type { Permit } from '../../src/core/outcome.ts'
import { type Admission, isRefusal, isWaiting } from '../../src/core/policy.ts'

/** Work that ends when told to. */
export interface Held {
  readonly promise: Promise<unknown>
  readonly finish: (value?: unknown) => void
  readonly fail: (error: unknown) => void
}

export function held(): Held {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  return { promise, finish: resolve, fail: reject }
}

export const outcome = (promise: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

/** How a promise ended, or 'pending' when it has not within this macrotask. */
export async function settled(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([outcome(promise), flush().then(() => 'pending')])
}

/** Lets promises settle; no time passes. */
export async function flush(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0)
}

/** The permit of a call that was let through at once. */
export function permitOf(answer: Admission): Permit {
  if (isRefusal(answer)) throw answer.error()
  if (isWaiting(answer)) throw new Error('the call has to wait')
  return answer
}

export const scopeWith = (options: { priority?: number; signal?: AbortSignal; timeoutMs?: number } = {}): CallScope =>
  new CallScope(options)

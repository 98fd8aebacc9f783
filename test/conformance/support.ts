import { vi } from 'vitest'

/** What the suites of other libraries, retold here, have in common. */

/** Work that ends after `ms`, well or with `error`, and does not look at its signal. */
export function after<T>(ms: number, end: T): () => Promise<Exclude<T, Error>> {
  return () =>
    new Promise((resolve, reject) => {
      setTimeout(() => {
        if (end instanceof Error) reject(end)
        else resolve(end as Exclude<T, Error>)
      }, ms)
    })
}

/** Work that fails at once, always with the same error. */
export function failing(error: Error): () => Promise<never> {
  return () => Promise.reject(error)
}

/** The promise's end as a value, so that nothing is left unhandled while time is moved. */
export function outcome(promise: PromiseLike<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  return Promise.resolve(promise).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

/** The promise itself, looked after: its end is asked for later. */
export function held<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** What the promise has come to after `ms`, by default without time moving, or 'pending'. */
export async function settled(promise: PromiseLike<unknown>, ms = 0): Promise<unknown> {
  const end = outcome(promise)
  await vi.advanceTimersByTimeAsync(ms)
  return Promise.race([end, Promise.resolve('pending')])
}

/** Runs `call` `times` times, one after the other, and forgets how each ended. */
export async function repeat(times: number, call: () => PromiseLike<unknown>): Promise<void> {
  for (let i = 0; i < times; i += 1) await outcome(call())
}

import { CircuitBreaker, type CircuitBreakerOptions } from 'gateless/breaker'
import { vi } from 'vitest'

export const fail = (): Promise<never> => Promise.reject(new Error('down'))
export const succeed = (): Promise<string> => Promise.resolve('up')
export const hang = (): Promise<never> => new Promise(() => {})

/** Lets so many calls fail. */
export async function trip(breaker: CircuitBreaker, times = 1): Promise<void> {
  for (let i = 0; i < times; i += 1) await breaker.execute(fail).catch(() => {})
}

/** A breaker that one failure opens for a second. */
export const brittle = (options: CircuitBreakerOptions = {}): CircuitBreaker =>
  new CircuitBreaker({
    failureThreshold: 1,
    ...(options.recoveryBackoff === undefined ? { recoveryTimeoutMs: 1_000 } : {}),
    ...options,
  })

/** A breaker whose open time is just over. */
export async function halfOpen(options: CircuitBreakerOptions = {}): Promise<CircuitBreaker> {
  const breaker = brittle(options)
  await trip(breaker)
  await vi.advanceTimersByTimeAsync(breaker.retryAfterMs ?? 0)
  return breaker
}

/** Waits, and says in which state that is. */
export async function after(ms: number, breaker: CircuitBreaker): Promise<string> {
  await vi.advanceTimersByTimeAsync(ms)
  return breaker.state
}

import { getEventListeners } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import {
  Bulkhead,
  cache,
  chaos,
  CircuitBreaker,
  coalesce,
  fallback,
  fixedBackoff,
  Hedge,
  type Operation,
  pipeline,
  type Policy,
  RateLimiter,
  RetryPolicy,
  timeout,
} from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** Every place where a call may wait, under every policy: an abort ends it within a turn, and leaves nothing behind. */

const hang: Operation<never> = () => new Promise(() => {})
const fail: Operation<never> = () => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNRESET' }))

interface Waiting {
  readonly policy: Policy<unknown>
  readonly operation: Operation<unknown>
}

/** A policy brought to where the next call has to wait. */
const places: Record<string, () => Waiting | Promise<Waiting>> = {
  'work that is deaf, under a breaker': () => ({ policy: new CircuitBreaker(), operation: hang }),
  'work that is deaf, under a retry': () => ({ policy: new RetryPolicy(), operation: hang }),
  'work that is deaf, under a timeout': () => ({ policy: timeout({ timeoutMs: 1_000 }), operation: hang }),
  'work that is deaf, under a bulkhead': () => ({ policy: new Bulkhead({ maxConcurrent: 1 }), operation: hang }),
  'work that is deaf, under a fallback': () => ({ policy: fallback({ value: 1 }), operation: hang }),
  'work that is deaf, under a hedge': () => ({ policy: new Hedge({ delayMs: 5 }), operation: hang }),
  'work that is deaf, under all of them': () => ({
    policy: pipeline(
      fallback({ value: 1 }),
      timeout({ timeoutMs: 1_000 }),
      new RetryPolicy(),
      new CircuitBreaker(),
      new Bulkhead({ maxConcurrent: 5 }),
    ),
    operation: hang,
  }),
  'a backoff': () => ({
    policy: new RetryPolicy({ backoff: fixedBackoff({ delayMs: 500 }), budget: false }),
    operation: fail,
  }),
  'the queue of a bulkhead': () => {
    const policy = new Bulkhead({ maxConcurrent: 1, maxQueue: 5 })
    policy.tryAcquire()
    return { policy, operation: hang }
  },
  'the queue of a rate limiter': () => {
    const policy = new RateLimiter({ limit: 1, intervalMs: 10_000, maxQueue: 5 })
    policy.tryAcquire()
    return { policy, operation: hang }
  },
  'the queue of a half-open breaker': async () => {
    const policy = new CircuitBreaker({
      failureThreshold: 1,
      recoveryTimeoutMs: 0,
      halfOpen: { whenBusy: 'queue', maxQueue: 5 },
    })
    await policy.execute(fail).catch(() => {})
    policy.tryAcquire()
    return { policy, operation: hang }
  },
  'the work of somebody else (coalescing)': () => {
    const policy = coalesce({ key: () => 'k' })
    void policy.execute(hang)
    return { policy, operation: hang }
  },
  'a cache that is being filled': () => ({ policy: cache({ ttlMs: 10, key: () => 'k' }), operation: hang }),
  'a latency that chaos adds': () => ({
    policy: chaos({ enabled: true, latency: { rate: 1, latencyMs: 1_000 } }),
    operation: () => 1,
  }),
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('an abort in', () => {
  it.each(Object.keys(places))('%s settles within a turn, and leaves no listener and no timer', async (place) => {
    const { policy, operation } = await (places[place] as () => Promise<Waiting>)()
    const before = vi.getTimerCount()
    const controller = new AbortController()
    const reason = new Error('the caller left')
    const ended = vi.fn()
    policy.execute(operation, { signal: controller.signal }).catch(ended)
    await vi.advanceTimersByTimeAsync(20)
    expect(ended).not.toHaveBeenCalled()
    controller.abort(reason)
    // One macrotask, of the real kind: the fake clock stands still.
    await new Promise<void>(queueMacrotask)
    expect(ended).toHaveBeenCalledExactlyOnceWith(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(vi.getTimerCount()).toBe(before)
  })
})

/** A turn of the event loop that fake timers do not hold up. */
function queueMacrotask(callback: () => void): void {
  const { port1, port2 } = new MessageChannel()
  port1.once('message', () => {
    port1.close()
    callback()
  })
  port2.postMessage(undefined)
}

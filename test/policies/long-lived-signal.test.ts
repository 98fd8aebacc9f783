import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  AdaptiveLimiter,
  AdaptiveThrottle,
  Bulkhead,
  cache,
  chaos,
  CircuitBreaker,
  coalesce,
  fallback,
  Hedge,
  KeyedBreakers,
  LoadShedder,
  pipeline,
  type Policy,
  RateLimiter,
  RetryPolicy,
  timeout,
} from 'gateless'
import { describe, expect, it } from 'vitest'

/** A server's shutdown signal lives as long as the process: what each call hangs on it, or keeps because of it, adds up. */

const CALLS = 100_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const policies: Record<string, () => Policy<unknown>> = {
  CircuitBreaker: () => new CircuitBreaker(),
  KeyedBreakers: () => new KeyedBreakers(),
  RetryPolicy: () => new RetryPolicy(),
  Hedge: () => new Hedge({ delayMs: 1_000 }),
  timeout: () => timeout({ timeoutMs: 1_000 }),
  Bulkhead: () => new Bulkhead({ maxConcurrent: 5, maxQueue: 5 }),
  RateLimiter: () => new RateLimiter({ limit: 1_000_000, intervalMs: 1 }),
  AdaptiveLimiter: () => new AdaptiveLimiter(),
  AdaptiveThrottle: () => new AdaptiveThrottle(),
  LoadShedder: () => new LoadShedder({ load: () => 0 }),
  fallback: () => fallback({ value: 0 }),
  cache: () => cache({ ttlMs: 1_000, maxEntries: 100, key: ({ key }) => key }),
  coalesce: () => coalesce({ key: ({ key }) => key }),
  chaos: () => chaos({ enabled: true, latency: { rate: 0 } }),
  pipeline: () => pipeline(timeout({ timeoutMs: 1_000 }), new RetryPolicy(), new CircuitBreaker()),
}

describe(`${CALLS} calls on one signal`, () => {
  it.each(Object.keys(policies))('under %s leave no listener, and no memory', async (name) => {
    const policy = (policies[name] as () => Policy<unknown>)()
    const { signal } = new AbortController()
    const some = async (calls: number): Promise<number> => {
      for (let i = 0; i < calls; i += 1) await policy.execute(() => i, { signal, key: `key ${i % 50}` })
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = await some(CALLS / 10)
    const after = await some(CALLS)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    // A byte a call would be 100 kB; what one call allocates, if it stayed, 50 MB.
    expect((after - before) / CALLS).toBeLessThan(10)
  })
})

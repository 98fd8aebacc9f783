import * as cockatiel from 'cockatiel'
import { Bulkhead, CircuitBreaker, failureRate, pipeline, RetryPolicy, timeout } from 'gateless'
import * as mollitia from 'mollitia'
import Opossum from 'opossum'
import pRetry from 'p-retry'

/** The same work under everybody's policies, as the tables of calls that succeed and of calls in flight compare them. */

export interface Protected {
  readonly name: string
  readonly call: () => Promise<unknown>
}

/** The first is the work with nothing around it. */
export function protectedCalls(work: () => Promise<number>): readonly Protected[] {
  return [{ name: 'bare await', call: work }, ...ours(work), ...cockatiels(work), ...others(work)]
}

function ours(work: () => Promise<number>): readonly Protected[] {
  const breaker = new CircuitBreaker()
  const rate = new CircuitBreaker({ trip: failureRate() })
  const retry = new RetryPolicy()
  const limit = timeout({ timeoutMs: 1_000 })
  // Wide enough for the table of calls in flight.
  const bulkhead = new Bulkhead({ maxConcurrent: 100_000 })
  const three = pipeline(retry, breaker, bulkhead)
  const four = pipeline(timeout({ timeoutMs: 1_000 }), retry, breaker, bulkhead)
  return [
    { name: 'gateless breaker', call: () => breaker.execute(work) },
    { name: 'gateless breaker, failure rate', call: () => rate.execute(work) },
    { name: 'gateless retry', call: () => retry.execute(work) },
    { name: 'gateless timeout', call: () => limit.execute(work) },
    { name: 'gateless bulkhead', call: () => bulkhead.execute(work) },
    { name: 'gateless pipeline(retry, breaker, bulkhead)', call: () => three.execute(work) },
    { name: 'gateless pipeline(timeout, retry, breaker, bulkhead)', call: () => four.execute(work) },
  ]
}

function cockatiels(work: () => Promise<number>): readonly Protected[] {
  const options = { halfOpenAfter: 60_000 }
  const breaker = cockatiel.circuitBreaker(cockatiel.handleAll, {
    ...options,
    breaker: new cockatiel.ConsecutiveBreaker(5),
  })
  const sampling = cockatiel.circuitBreaker(cockatiel.handleAll, {
    ...options,
    breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 10_000 }),
  })
  const retry = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ExponentialBackoff() })
  const limit = cockatiel.timeout(1_000, cockatiel.TimeoutStrategy.Aggressive)
  const bulkhead = cockatiel.bulkhead(100_000)
  const three = cockatiel.wrap(retry, breaker, bulkhead)
  const four = cockatiel.wrap(limit, retry, breaker, bulkhead)
  return [
    { name: 'cockatiel breaker, consecutive', call: () => breaker.execute(work) },
    { name: 'cockatiel breaker, sampling', call: () => sampling.execute(work) },
    { name: 'cockatiel retry', call: () => retry.execute(work) },
    { name: 'cockatiel timeout', call: () => limit.execute(work) },
    { name: 'cockatiel bulkhead', call: () => bulkhead.execute(work) },
    { name: 'cockatiel wrap(retry, breaker, bulkhead)', call: () => three.execute(work) },
    { name: 'cockatiel wrap(timeout, retry, breaker, bulkhead)', call: () => four.execute(work) },
  ]
}

function others(work: () => Promise<number>): readonly Protected[] {
  const opossum = new Opossum(work)
  const lean = new Opossum(work, { timeout: false, rollingPercentilesEnabled: false, enableSnapshots: false })
  const circuit = new mollitia.Circuit({
    options: { modules: [new mollitia.SlidingCountBreaker({ slidingWindowSize: 10 })] },
  })
  circuit.fn(work)
  return [
    { name: 'opossum', call: () => opossum.fire() },
    { name: 'opossum, lean', call: () => lean.fire() },
    { name: 'mollitia, sliding count breaker', call: () => circuit.execute<unknown>() },
    { name: 'p-retry', call: () => pRetry(work) },
  ]
}

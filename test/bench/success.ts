import * as cockatiel from 'cockatiel'
import { CircuitBreaker, failureRate, pipeline, RetryPolicy, timeout } from 'gateless'
import * as mollitia from 'mollitia'
import Opossum from 'opossum'
import pRetry from 'p-retry'
import type { Contender } from './harness.ts'

/** A successful call of a trivial async function: what a policy costs when there is nothing for it to do. */

const work = async (): Promise<number> => 1

/** Awaits one call after the other: nobody makes the next call before he has the answer of the last. */
function each(name: string, call: () => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i += 1) await call()
    },
  }
}

export function successContenders(): Contender[] {
  const breaker = new CircuitBreaker()
  const rate = new CircuitBreaker({ trip: failureRate() })
  const retry = new RetryPolicy()
  const limit = timeout({ timeoutMs: 1_000 })
  const three = pipeline(retry, breaker)
  const whole = pipeline(timeout({ timeoutMs: 1_000 }), retry, breaker)

  const cBreaker = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 60_000,
    breaker: new cockatiel.ConsecutiveBreaker(5),
  })
  const cSampling = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 60_000,
    breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 10_000 }),
  })
  const cRetry = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ExponentialBackoff() })
  const cTimeout = cockatiel.timeout(1_000, cockatiel.TimeoutStrategy.Aggressive)
  const cTwo = cockatiel.wrap(cRetry, cBreaker)
  const cThree = cockatiel.wrap(cTimeout, cRetry, cBreaker)
  const opossum = new Opossum(work)
  const opossumLean = new Opossum(work, { timeout: false, rollingPercentilesEnabled: false, enableSnapshots: false })
  const circuit = new mollitia.Circuit({
    options: { modules: [new mollitia.SlidingCountBreaker({ slidingWindowSize: 10 })] },
  })
  circuit.fn(work)

  return [
    each('bare await', work),
    each('gateless breaker', () => breaker.execute(work)),
    each('gateless breaker, failure rate', () => rate.execute(work)),
    each('gateless retry', () => retry.execute(work)),
    each('gateless timeout', () => limit.execute(work)),
    each('gateless pipeline(retry, breaker)', () => three.execute(work)),
    each('gateless pipeline(timeout, retry, breaker)', () => whole.execute(work)),
    each('cockatiel breaker, consecutive', () => cBreaker.execute(work)),
    each('cockatiel breaker, sampling', () => cSampling.execute(work)),
    each('cockatiel retry', () => cRetry.execute(work)),
    each('cockatiel timeout', () => cTimeout.execute(work)),
    each('cockatiel wrap(retry, breaker)', () => cTwo.execute(work)),
    each('cockatiel wrap(timeout, retry, breaker)', () => cThree.execute(work)),
    each('opossum', () => opossum.fire()),
    each('opossum, lean', () => opossumLean.fire()),
    each('mollitia, sliding count breaker', () => circuit.execute<unknown>()),
    each('p-retry', () => pRetry(work)),
  ]
}

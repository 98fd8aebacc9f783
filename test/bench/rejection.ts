import * as cockatiel from 'cockatiel'
import { CircuitBreaker, failureRate } from 'gateless'
import Opossum from 'opossum'
import type { Contender } from './harness.ts'

/** A call refused by an open circuit, and a failing call that leaves it closed. */

const fault = new Error('down')
const fail = async (): Promise<never> => {
  throw fault
}

const succeed = async (): Promise<number> => 1

function each(name: string, call: () => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i += 1) {
        try {
          await call()
        } catch {
          // That is the point.
        }
      }
    },
  }
}

export function rejectionContenders(): Contender[] {
  const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 3_600_000 })
  const cBreaker = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 3_600_000,
    breaker: new cockatiel.ConsecutiveBreaker(1),
  })
  const opossum = new Opossum(fail, { resetTimeout: 3_600_000 })
  // Open for an hour from the first failure on.
  void breaker.execute(fail).catch(() => {})
  void cBreaker.execute(fail).catch(() => {})
  opossum.open()
  return [
    each('throw a new Error', async () => {
      throw new Error('down')
    }),
    each('gateless breaker, open', () => breaker.execute(fail)),
    each('cockatiel breaker, open', () => cBreaker.execute(fail)),
    each('opossum, open', () => opossum.fire()),
  ]
}

export function failureContenders(): Contender[] {
  const breaker = new CircuitBreaker({ failureThreshold: 1_000_000_000 })
  const cBreaker = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 3_600_000,
    breaker: new cockatiel.ConsecutiveBreaker(1_000_000_000),
  })
  const opossum = new Opossum(fail, { volumeThreshold: 1_000_000_000, timeout: false })
  // What is in the window must not matter.
  const [few, many] = [10, 100_000].map((calls) => {
    const rate = new CircuitBreaker({ trip: failureRate({ threshold: 1, windowCalls: calls, minimumCalls: 10 }) })
    for (let i = 0; i < calls; i += 1) rate.tryAcquire()?.success()
    return rate
  }) as [CircuitBreaker, CircuitBreaker]
  /** One success keeps the rate below one. */
  const failing = (rate: CircuitBreaker) => {
    let call = 0
    return () => (++call % 8 === 0 ? rate.execute(succeed) : rate.execute(fail))
  }
  return [
    each('throw a shared Error', fail),
    each('gateless breaker, failing', () => breaker.execute(fail)),
    each('gateless, 10 calls in the window, 7 of 8 fail', failing(few)),
    each('gateless, 100,000 calls in the window, 7 of 8 fail', failing(many)),
    each('cockatiel breaker, failing', () => cBreaker.execute(fail)),
    each('opossum, failing', () => opossum.fire()),
  ]
}

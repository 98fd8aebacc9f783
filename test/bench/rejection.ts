import * as cockatiel from 'cockatiel'
import { CircuitBreaker } from 'gateless'
import Opossum from 'opossum'
import type { Contender } from './harness.ts'

/** A call refused by an open circuit, and a failing call that leaves it closed. */

const fault = new Error('down')
const fail = async (): Promise<never> => {
  throw fault
}

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
  return [
    each('throw a shared Error', fail),
    each('gateless breaker, failing', () => breaker.execute(fail)),
    each('cockatiel breaker, failing', () => cBreaker.execute(fail)),
    each('opossum, failing', () => opossum.fire()),
  ]
}

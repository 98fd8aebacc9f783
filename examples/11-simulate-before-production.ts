// A policy under load before production: the real classes in virtual time, minutes of traffic in milliseconds.

import assert from 'node:assert/strict'
import { CircuitBreaker, failureRate, fixedBackoff, RetryPolicy } from 'gateless'
import { arrivals, constant, Simulation, SimulatedClient, SimulatedServer, hanging } from 'gateless/testing'

// The retry storm of "Metastable Failures in Distributed Systems" (HotOS 2021): a database that can do 300 queries a
// second gets 280, and does not answer for ten seconds. Callers wait a second, then try once more.
function recovery(withBreaker: boolean): number | undefined {
  const simulation = new Simulation({ seed: 7 })
  const database = new SimulatedServer(simulation, { serviceMs: constant(1_000 / 300) })
  database.suffer(hanging(), { fromMs: 10_000, untilMs: 20_000 })
  const retry = new RetryPolicy({
    maxAttempts: 2,
    backoff: fixedBackoff({ delayMs: 0 }),
    budget: false,
    clock: simulation,
  })
  const breaker = new CircuitBreaker({
    trip: failureRate({ threshold: 0.5, windowMs: 10_000 }),
    recoveryTimeoutMs: 5_000,
    clock: simulation,
  })
  const client = new SimulatedClient(simulation, {
    servers: [database],
    retry,
    guards: withBreaker ? [breaker] : [],
    attemptTimeoutMs: 1_000,
  })
  arrivals(simulation, { perSecond: 280, untilMs: 80_000 }, () => client.call())
  simulation.run(80_000)
  const recoveredAt = client.meter.recoveredAt(20_000)
  return recoveredAt === undefined ? undefined : (recoveredAt - 20_000) / 1_000
}

const startedAt = performance.now()
const naive = recovery(false)
const protectedBy = recovery(true)
const tookMs = Math.round(performance.now() - startedAt)
console.log(`naive retries: ${naive === undefined ? 'it never recovers' : `back after ${naive} s`}`)
console.log(`with a circuit breaker: back after ${protectedBy} s`)
console.log(`160 simulated seconds took ${tookMs} ms`)
assert.equal(naive, undefined)
assert.ok(protectedBy !== undefined && protectedBy <= 15)

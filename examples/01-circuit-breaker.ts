// A circuit breaker: stops calling what keeps failing, and finds out by single probes when it works again.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isGatelessError } from 'gateless'
import { CircuitBreaker } from 'gateless/breaker'

/** Stands for whatever can be down: a database, a queue, another service. */
const inventory = { up: true, asked: 0 }
async function loadStock(sku: string): Promise<number> {
  inventory.asked += 1
  if (!inventory.up) throw new Error(`inventory is down, no ${sku}`)
  return 12
}

// One breaker per dependency, made once: it has to remember.
const breaker = new CircuitBreaker({
  name: 'inventory',
  failureThreshold: 3,
  recoveryTimeoutMs: 1_000, // 60 s by default; short, so that you need not wait
  successThreshold: 2,
})
const seen: string[] = []
breaker.on('transition', ({ from, to, reason }) => {
  seen.push(`${from} -> ${to}`)
  console.log(`  breaker: ${from} -> ${to} (${reason})`)
})

// Same arguments, same result type as loadStock.
const stock = breaker.wrap(loadStock)

console.log(`inventory is up: ${await stock('sku-7')} in stock`)

console.log('inventory goes down')
inventory.up = false
for (let i = 0; i < 3; i += 1) await assert.rejects(stock('sku-7'), /inventory is down/)
assert.equal(breaker.state, 'open')

inventory.asked = 0
for (let i = 0; i < 100; i += 1) {
  // Nothing is wrong with the call; it was never made. The code tells the two apart.
  await assert.rejects(stock('sku-7'), (error) => isGatelessError(error, 'ERR_GATELESS_CIRCUIT_OPEN'))
}
console.log(`100 further calls were refused at once; inventory was asked ${inventory.asked} times`)
assert.equal(inventory.asked, 0)

inventory.up = true
// Timers drop fractions of a millisecond, and would wake up a moment before the breaker probes.
await sleep(Math.ceil(breaker.retryAfterMs ?? 0) + 1)
console.log('inventory is up again, and the open time is over')
for (let i = 0; i < 2; i += 1) assert.equal(await stock('sku-7'), 12)

assert.equal(breaker.state, 'closed')
assert.deepEqual(seen, ['closed -> open', 'open -> half-open', 'half-open -> closed'])

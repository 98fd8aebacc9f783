// Retry: again, when it may help; and a budget, so that retries do not bury somebody who is down already.

import assert from 'node:assert/strict'
import { exponentialBackoff, RetryBudget, RetryPolicy } from 'gateless/retry'

// Short delays, so that you need not wait. Full jitter is the default: who failed together must not come back together.
const backoff = exponentialBackoff({ baseMs: 20, maxMs: 100 })

// 1. What passes by itself: the third try succeeds, and the caller never learns of the others.
const retry = new RetryPolicy({ maxAttempts: 3, backoff })
retry.on('retry', ({ attempt, delayMs, error }) => {
  console.log(`  try ${attempt} failed (${(error as Error).message}), again in ${delayMs} ms`)
})
retry.on('gave-up', ({ attempts, reason }) => console.log(`  gave up after ${attempts}: ${reason}`))

console.log('a connection that is reset twice:')
const tries = await retry.execute(({ attempt }) => {
  if (attempt < 3) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
  return attempt
})
console.log(`  try ${tries} succeeded`)
assert.equal(tries, 3)

// 2. What will not pass is thrown at once: the very error, not one of ours.
console.log('a device that does not exist:')
let asked = 0
const loadDevice = (): never => {
  asked += 1
  throw Object.assign(new Error('no such device'), { status: 404 })
}
await assert.rejects(retry.execute(loadDevice), /no such device/)
assert.equal(asked, 1)

// 3. Three tries each are three times the load, on somebody who is failing because of its load.
const down = { tries: 0 }
const callDown = (): never => {
  down.tries += 1
  throw new Error('overloaded')
}
async function loadOf100Calls(policy: RetryPolicy): Promise<number> {
  down.tries = 0
  await Promise.allSettled(Array.from({ length: 100 }, () => policy.execute(callDown)))
  return down.tries
}
const without = await loadOf100Calls(new RetryPolicy({ maxAttempts: 3, backoff, budget: false }))
// One retry for five calls. `minPerSecond` is for clients that make few calls; 0 shows the share alone.
const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0 })
const within = await loadOf100Calls(new RetryPolicy({ maxAttempts: 3, backoff, budget }))

console.log('100 calls to somebody who is down:')
console.log(`  without a budget: ${without} requests`)
console.log(`  with a budget of 20 %: ${within} requests, ${budget.suppressed} retries suppressed`)
assert.equal(without, 300)
assert.equal(within, 120)

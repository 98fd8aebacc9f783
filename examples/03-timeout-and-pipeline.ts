// Timeouts, and several policies as one: a limit per try inside a breaker inside retries inside a limit for all of it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { CircuitBreaker, exponentialBackoff, isGatelessError, pipeline, RetryPolicy, timeout } from 'gateless'

// A database whose answers can get stuck. It looks at its signal, so that giving up on it frees what it holds.
const database = { asked: 0, hangs: (_ask: number) => false, cancelled: 0 }
async function query(signal: AbortSignal): Promise<string> {
  database.asked += 1
  if (!database.hangs(database.asked)) return 'seven rows'
  await once(signal, 'abort')
  database.cancelled += 1
  throw signal.reason
}

// Outermost first. The breaker stands outside of the limit per try, or it would never learn of a try that hangs.
const breaker = new CircuitBreaker({ name: 'database', failureThreshold: 4 })
const protectedCall = pipeline(
  timeout({ timeoutMs: 2_000, name: 'total' }),
  new RetryPolicy({ maxAttempts: 3, backoff: exponentialBackoff({ baseMs: 10 }) }),
  breaker,
  timeout({ timeoutMs: 100, name: 'attempt' }),
)
const rows = () => protectedCall.execute(({ signal }) => query(signal))
console.log(`pipeline: ${protectedCall.info.name}`)

database.hangs = (ask) => ask === 1
const answer = await rows()
assert.equal(answer, 'seven rows')
assert.deepEqual([database.asked, database.cancelled], [2, 1])
console.log(`the first query hangs: it is cancelled after 100 ms, and the second brings ${answer}`)

database.hangs = () => true
const startedAt = performance.now()
await assert.rejects(rows(), (error) => isGatelessError(error, 'ERR_GATELESS_TIMEOUT'))
const tookMs = Math.round(performance.now() - startedAt)
console.log(`all queries hang: a TimeoutError after 3 tries of 100 ms, ${tookMs} ms in all`)
assert.equal(database.asked, 5)
assert.ok(tookMs >= 290 && tookMs < 2_000)

// The fourth timeout in a row opens the breaker. The try after it is refused, and a refusal is not retried.
await assert.rejects(rows(), (error) => isGatelessError(error, 'ERR_GATELESS_CIRCUIT_OPEN'))
console.log(`once more: ${database.asked - 5} query hangs, and the breaker is ${breaker.state}`)
assert.deepEqual([database.asked, breaker.state], [6, 'open'])

// What cannot do what it says is refused when it is made, not when it is needed.
const nonsense = () => pipeline(timeout({ timeoutMs: 100 }), timeout({ timeoutMs: 500, name: 'attempt' }))
assert.throws(nonsense, TypeError)
try {
  nonsense()
} catch (error) {
  console.log((error as Error).message)
}

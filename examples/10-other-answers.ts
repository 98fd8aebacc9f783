// Other answers than the work's own: a second try that overtakes a slow one, an answer from before, one shared by many,
// and one of last resort. Chaos shows whether all of that works before an outage does.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { cache, chaos, coalesce, fallback, Hedge, isGatelessError, pipeline } from 'gateless'

// Every fifth answer of this shop takes a second.
const shop = { asked: 0, down: false }
async function price(signal: AbortSignal): Promise<number> {
  shop.asked += 1
  if (shop.down) throw new Error('closed')
  await sleep(shop.asked % 5 === 0 ? 1_000 : 2, undefined, { signal })
  return 42
}

const hedge = new Hedge({ delayMs: 30 })
let slowest = 0
for (let i = 0; i < 10; i += 1) {
  const startedAt = performance.now()
  await hedge.execute(({ signal }) => price(signal))
  slowest = Math.max(slowest, performance.now() - startedAt)
}
assert.ok(slowest < 500)
console.log(
  `ten prices, two of them slow: hedged, the slowest took ${Math.round(slowest)} ms, for ${shop.asked} requests`,
)

// Many ask the same thing at once: one of them goes, all get the answer.
const together = coalesce({ key: ({ key }) => key })
const before = shop.asked
const prices = await Promise.all(
  Array.from({ length: 100 }, () => together.execute(({ signal }) => price(signal), { key: 'bread' })),
)
assert.equal(prices.length, 100)
assert.equal(shop.asked - before, 1)
console.log('a hundred callers, one request')

// What was answered before still is when the shop is closed; what was not gets the price of last resort.
const stored = cache({ ttlMs: 5, staleIfErrorMs: 60_000, key: ({ key }) => key })
const last = fallback({ value: 99 })
const resilient = pipeline(last, stored)
const ask = (key: string): Promise<number> => resilient.execute(({ signal }) => price(signal), { key })
await ask('bread')
shop.down = true
await sleep(10)
assert.deepEqual([await ask('bread'), await ask('milk')], [42, 99])
console.log('closed: bread costs what it did before, milk the price of last resort')

// Does that work every time? Half of the calls fail on purpose.
shop.down = false
const trouble = chaos({ enabled: true, fault: { rate: 0.5 } })
const tested = pipeline(last, trouble)
let answered = 0
for (let i = 0; i < 20; i += 1) answered += (await tested.execute(() => 42)) > 0 ? 1 : 0
assert.equal(answered, 20)
await assert.rejects(
  chaos({ enabled: true, fault: { rate: 1 } }).execute(() => 42),
  (error) => isGatelessError(error, 'ERR_GATELESS_CHAOS'),
)
console.log(`twenty calls with chaos: ${trouble.metrics.fault} faults injected, ${answered} answers`)

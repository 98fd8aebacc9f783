// Limits: so many calls at once, so many per second, and the least important ones first when there are too many.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Bulkhead, isGatelessError, LoadShedder, pipeline, RateLimiter, ServiceClient, staticList } from 'gateless'

// A printer that can do two things at once.
const printer = { busy: 0, most: 0 }
async function print(page: string): Promise<string> {
  printer.busy += 1
  printer.most = Math.max(printer.most, printer.busy)
  await sleep(20)
  printer.busy -= 1
  return page
}

const bulkhead = new Bulkhead({ name: 'printer', maxConcurrent: 2, maxQueue: 3 })
const order: string[] = []
const pages = ['a', 'b', 'c', 'd', 'the boss', 'one too many'].map((page) => {
  // Higher goes first in the queue.
  const priority = page === 'the boss' ? 1 : 0
  return bulkhead.execute(() => print(page), { priority }).then((done) => order.push(done))
})
const results = await Promise.allSettled(pages)
const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
assert.equal(printer.most, 2)
assert.equal(order[2], 'the boss')
assert.equal(refused.length, 1)
assert.ok(isGatelessError(refused[0]?.reason, 'ERR_GATELESS_BULKHEAD_FULL'))
console.log(`two at once, three wait, one is refused; printed: ${order.join(', ')}`)

// Five at once, then one every 20 ms. Who may wait is told exactly when it is his turn.
const limiter = new RateLimiter({ limit: 50, intervalMs: 1_000, burst: 5, maxQueue: 3 })
const startedAt = performance.now()
await Promise.all(Array.from({ length: 8 }, () => limiter.execute(() => 'sent')))
const tookMs = performance.now() - startedAt
assert.ok(tookMs >= 55, `three turns of 20 ms, took ${tookMs} ms`)
console.log(`eight letters at fifty a second: five at once, three more within ${Math.round(tookMs)} ms`)

// Sheds by whatever load you can measure; here, how full the bulkhead with its queue is.
const shedder = new LoadShedder({ load: () => bulkhead.utilization, startAt: 0.3 })
const shop = pipeline(shedder, bulkhead)
const busy = [bulkhead.execute(() => print('y')), bulkhead.execute(() => print('z'))]
const background = shop.execute(() => 'report', { priority: -2 })
await assert.rejects(background, (error) => isGatelessError(error, 'ERR_GATELESS_LOAD_SHED'))
await Promise.all(busy)
console.log('while it is busy, background work is shed')

// The same objects stand in front of a service's calls over HTTP.
const nobody = staticList({ printer: [{ host: '127.0.0.1', port: 9 }] })
const full = new Bulkhead({ maxConcurrent: 1 })
await using client = new ServiceClient({ discovery: { provider: nobody }, guards: [full] })
const place = full.tryAcquire()
await assert.rejects(client.call('printer', 'GET', '/'), (error) =>
  isGatelessError(error, 'ERR_GATELESS_BULKHEAD_FULL'),
)
place?.ignore()
console.log('a full bulkhead refuses a call of the client before anything is sent')

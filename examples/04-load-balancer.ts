// A load balancer: spreads calls over instances, leaves out the one that keeps failing, takes it back after one probe.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { instanceOrigin } from 'gateless'
import { LoadBalancer, roundRobin } from 'gateless/balancing'
import { DiscoveryClient, staticList } from 'gateless/discovery'

// Three instances of one service. `b` can fall ill.
let isIll = false
const servers = ['a', 'b', 'c'].map((id) => ({
  id,
  server: createServer((_, response) => {
    response.writeHead(id === 'b' && isIll ? 503 : 200).end(id)
  }),
}))
const addresses = await Promise.all(
  servers.map(async ({ id, server }) => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { id, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  }),
)

const discovery = new DiscoveryClient({ provider: staticList({ orders: addresses }) })
const balancer = new LoadBalancer({
  strategy: roundRobin(), // to count by; leastConnections() is the default, and better
  ejection: { consecutiveFailures: 3, baseEjectionMs: 1_000, jitter: 0 }, // 30 s by default
})
balancer.update(await discovery.discover('orders'))

let restored = false
balancer.on('ejected', ({ instance, reason, forMs }) => {
  console.log(`  ${instance.id} leaves for ${forMs} ms (${reason})`)
})
balancer.on('restored', ({ instance, reason }) => {
  restored = true
  console.log(`  ${instance.id} is back (${reason})`)
})

/** What came of twelve calls. Nobody retries here: every failure is one that a caller sees. */
async function twelveCalls(): Promise<string> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0, failed: 0 }
  for (let i = 0; i < 12; i += 1) {
    const call = balancer.execute(async (instance, { signal }) => {
      const response = await fetch(instanceOrigin(instance), { signal })
      const id = await response.text()
      // To the balancer every result is a success: what is none has to be thrown.
      if (!response.ok) throw new Error(`${id} answered ${response.status}`)
      return id
    })
    const outcome = await call.catch(() => 'failed')
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

const well = await twelveCalls()
console.log(`all are well:        ${well}`)

isIll = true
const failing = await twelveCalls()
console.log(`b answers 503:       ${failing}`)

const without = await twelveCalls()
console.log(`b is left out:       ${without}`)
const b = balancer.explain().find(({ id }) => id === 'b')
assert.equal(b?.why, 'ejected')

// It recovers, and its time is over: the next call is its probe, and the only one that is risked.
isIll = false
await sleep(Math.ceil(b.ejectedForMs ?? 0) + 1)
const back = await twelveCalls()
console.log(`b is well again:     ${back}`)

assert.equal(well, 'a 4, b 4, c 4, failed 0')
assert.match(failing, /b 0, .*failed 3$/)
assert.match(without, /b 0, .*failed 0$/)
assert.match(back, /b [45], .*failed 0$/)
assert.ok(restored)

await discovery.close()
for (const { server } of servers) {
  server.close()
  server.closeAllConnections()
}

// The whole: calls by service name. One of two instances dies in the middle of the load, and no caller notices.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CallError, ServiceClient, staticList } from 'gateless'

async function start(id: string): Promise<{ id: string; server: Server; host: string; port: number }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    setTimeout(() => response.end(JSON.stringify({ servedBy: id })), 5)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { id, server, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}
/** As `kill -9` would: calls in flight are torn off, new connections are refused. */
function kill({ server }: { server: Server }): void {
  server.close()
  server.closeAllConnections()
}

const a = await start('a')
const b = await start('b')
const devices = [a, b].map(({ id, host, port }) => ({ id, host, port }))
const client = new ServiceClient({ discovery: { provider: staticList({ 'device-service': devices }) } })

let retries = 0
const ejected: string[] = []
client.on('retry', () => (retries += 1))
client.on('ejected', ({ instance }) => ejected.push(instance.id))

const served = { a: 0, b: 0 }
let failed = 0
async function caller(calls: number): Promise<void> {
  for (let i = 0; i < calls; i += 1) {
    try {
      const { servedBy } = await client.call<{ servedBy: 'a' | 'b' }>('device-service', 'GET', '/api/devices')
      served[servedBy] += 1
      if (served.a + served.b === 60) kill(b)
    } catch {
      failed += 1
    }
  }
}

await Promise.all([caller(50), caller(50), caller(50), caller(50)])

console.log(`200 calls, b is killed on the way: ${200 - failed} succeeded, ${failed} failed`)
console.log(`  served by a: ${served.a}, by b: ${served.b}; retried elsewhere: ${retries}; ejected: ${ejected.join()}`)
assert.equal(failed, 0)
assert.ok(served.b > 0 && retries > 0)
assert.deepEqual(ejected, ['b'])

// With nobody left a call does fail, and its error tells what was tried.
kill(a)
const error: unknown = await client.call('device-service', 'GET', '/api/devices').catch((reason: unknown) => reason)
assert.ok(error instanceof CallError)
console.log(`a is killed as well: ${error.code}, not retried further because: ${error.notRetried}`)
for (const { attempt, instanceId, outcome, error: code } of error.attempts) {
  console.log(`  attempt ${attempt}: ${instanceId}, ${outcome}, ${code}`)
}
assert.equal(error.code, 'ERR_GATELESS_UNAVAILABLE')
assert.equal(error.attempts.length, 3)
// The first attempt may still find the connection it had; the last one finds nobody.
assert.equal(error.attempts.at(-1)?.error, 'ECONNREFUSED')

await client.close()

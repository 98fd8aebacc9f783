// Existing code: protect a function of yours without a change to it, and give service calls to code that only knows
// fetch or undici.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { CircuitBreaker, pipeline, RetryPolicy, ServiceClient, staticList, timeout } from 'gateless'
import { getGlobalDispatcher, request, setGlobalDispatcher } from 'undici'

// ── The existing code. Not a line of it changes below.

async function loadDevices(baseUrl: string, init?: { signal?: AbortSignal }): Promise<string[]> {
  const response = await fetch(`${baseUrl}/api/devices`, init)
  // The status on the error is what tells a retry whether it may help.
  if (!response.ok) throw Object.assign(new Error(`devices: ${response.status}`), { status: response.status })
  return (await response.json()) as string[]
}
async function countDevices(baseUrl: string): Promise<number> {
  const { body } = await request(`${baseUrl}/api/devices`)
  return ((await body.json()) as string[]).length
}

// ── What it talks to: a service that answers 503 as often as it is told.

let refusals = 0
let served = 0
const server = createServer((_, response) => {
  if (refusals > 0) {
    refusals -= 1
    response.writeHead(503).end()
    return
  }
  served += 1
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(['boiler', 'pump']))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const url = `http://127.0.0.1:${port}`

// ── 1. Around one function. Its signal is what lets a time limit stop the fetch, and not only the waiting.

const policy = pipeline(
  new RetryPolicy({ maxAttempts: 3 }),
  new CircuitBreaker({ name: 'devices' }),
  timeout({ timeoutMs: 2_000 }),
)
const protectedLoad = (baseUrl: string) => policy.execute(({ signal }) => loadDevices(baseUrl, { signal }))

refusals = 1
await assert.rejects(loadDevices(url), /devices: 503/)
console.log('one 503, as it was: Error: devices: 503')
refusals = 1
const devices = await protectedLoad(url)
assert.deepEqual(devices, ['boiler', 'pump'])
console.log(`one 503, with a pipeline around it: ${devices.join(', ')}`)

// ── 2. Under the whole process. The code above now also understands names of services.

const broken = createTcpServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
await once(broken, 'listening')
const { port: brokenPort } = broken.address() as AddressInfo

const client = new ServiceClient({
  discovery: {
    provider: staticList({
      'device-service': [
        { id: 'broken', host: '127.0.0.1', port: brokenPort },
        { id: 'well', host: '127.0.0.1', port },
      ],
    }),
  },
  // Only what is named here is taken for a service; every other host goes where it always went.
  services: { 'device-service': {} },
})
let retries = 0
client.on('retry', () => (retries += 1))

const before = getGlobalDispatcher()
setGlobalDispatcher(client.dispatcher)
served = 0
for (let i = 0; i < 20; i += 1) assert.deepEqual(await loadDevices('http://device-service'), ['boiler', 'pump'])
for (let i = 0; i < 20; i += 1) assert.equal(await countDevices('http://device-service'), 2)
console.log(`20 calls by fetch, 20 by undici: ${served} served, ${retries} first sent to an instance that is broken`)
assert.equal(served, 40)
assert.ok(retries > 0)

assert.deepEqual(await loadDevices(url), ['boiler', 'pump'])
console.log('an ordinary address goes where it always went')

setGlobalDispatcher(before)
await client.close()
broken.close()
server.close()
server.closeAllConnections()

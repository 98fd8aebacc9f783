import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registrar } from 'gateless/backends/http'
import { childInput, onParent, signOff, tellParent } from './child.ts'
import { listenPatiently } from './listen.ts'
import type { Health, ServiceInput } from './messages.ts'
import { HEARTBEAT_MS, LEASE_MS, SERVICES, SLOW_MS, WORK_MS } from './scene.ts'

/** One instance of device-service or sensor-service: listens, registers itself, answers, and falls ill when told to. */

const { service, id, port, registryUrl } = childInput() as ServiceInput
const { path } = SERVICES[service]
let health: Health = 'well'

const server = createServer((request, response) => {
  request.resume()
  // As in life: who only asks whether the process is there learns nothing about how it treats its callers.
  if (request.url === '/health') answer(response, 200, { status: 'healthy' })
  else if (request.url?.startsWith(path) !== true) answer(response, 404, { error: 'no such resource' })
  else if (health === 'failing') answer(response, 500, { error: 'out of order' })
  else setTimeout(() => answer(response, 200, { id, service }), health === 'slow' ? SLOW_MS : WORK_MS)
})

function answer(response: ServerResponse, status: number, body: object): void {
  const json = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
  response.end(json)
}

await listenPatiently(async () => {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
})
const address = server.address() as AddressInfo

const registrar = new Registrar({
  url: registryUrl,
  heartbeatMs: HEARTBEAT_MS,
  leaseMs: LEASE_MS,
  instance: { serviceName: service, id, host: '127.0.0.1', port: address.port, healthCheckPath: '/health' },
})
await registrar.start()

onParent(async (message) => {
  if (message.type === 'health') health = message.health
  if (message.type !== 'finish') return
  await registrar.stop()
  server.close()
  server.closeAllConnections()
  signOff()
})
tellParent({ type: 'ready', port: address.port })

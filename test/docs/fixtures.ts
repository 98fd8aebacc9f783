import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ServiceClient, staticList } from 'gateless'
import { RegistryServer, ServiceRegistry } from 'gateless/registry'
import { expect } from 'vitest'

/**
 * What the snippets of the documentation take for granted: a device-service on 127.0.0.1:8081, another on 8083, nobody
 * on 8082, a registry on 8500, and a few functions to protect. The test writes the real ports into the snippets, so
 * that two runs on one machine do not meet.
 */

const DEVICES = [
  { id: 'd1', name: 'boiler' },
  { id: 'd2', name: 'pump' },
]

const deviceService: RequestListener = (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const answer = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
  if (pathname === '/health') return answer(200, { status: 'ok' })
  if (pathname === '/api/busy') return answer(429, { error: 'slow down' }, { 'retry-after': '60' })
  if (pathname === '/api/broken') return answer(500, { error: 'broken' })
  if (pathname === '/api/slow') return void setTimeout(() => answer(200, 'late'), 1_000).unref()
  if (pathname === '/api/stream') {
    response.writeHead(200, { 'content-type': 'text/plain' }).write('one\n')
    return void response.end('two\n')
  }
  if (pathname === '/api/devices' && request.method === 'POST') {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    return void request.on('end', () => answer(201, { id: 'd3', ...JSON.parse(Buffer.concat(chunks).toString()) }))
  }
  if (pathname === '/api/devices') return answer(200, DEVICES)
  const device = DEVICES.find(({ id }) => pathname === `/api/devices/${id}`)
  return device === undefined ? answer(404, { error: 'no such device' }) : answer(200, device)
}

async function listen(): Promise<Server> {
  const server = createServer(deviceService)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = await listen()
  const port = portOf(server)
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}

const devices = await Promise.all([listen(), listen()])
const registry = new ServiceRegistry()
const registryServer = new RegistryServer({ registry })
const { port: registryPort } = await registryServer.listen()

/** The port a snippet names, and the one that stands for it. */
export const PORTS: ReadonlyMap<number, number> = new Map([
  [8081, portOf(devices[0])],
  [8082, await freePort()],
  [8083, portOf(devices[1])],
  [8500, registryPort],
])

/** What one snippet registered must not be what the next one finds. */
export function resetRegistry(): void {
  for (const service of registry.services()) {
    for (const { id } of registry.instances(service) ?? []) registry.deregister(service, id)
  }
  for (const [index, server] of devices.entries()) {
    registry.register({
      serviceName: 'device-service',
      id: `d${index + 1}`,
      host: '127.0.0.1',
      port: portOf(server),
    })
  }
}

export async function closeWorld(): Promise<void> {
  await client.close(0)
  await registryServer.close()
  await registry.close()
  for (const server of devices) server.close().closeAllConnections()
}

/** What `expression // => value` becomes. */
export function check(actual: unknown, expected: unknown, where: string): void {
  expect(actual, where).toEqual(expected)
}

// ---- what snippets use by name ------------------------------------------------------------------------------------

export async function fetchOrder(id: number, signal?: AbortSignal): Promise<{ id: number; total: number }> {
  signal?.throwIfAborted()
  return { id, total: 42 }
}

export async function loadStock(_sku: string, signal?: AbortSignal): Promise<number> {
  signal?.throwIfAborted()
  return 12
}

/** Work that hangs and does not look at its signal. */
export const hang = (): Promise<never> => new Promise(() => {})

/** Work that always fails. */
export const fail = (): Promise<never> => Promise.reject(new Error('down'))

/** The client of the README, with both instances alive. */
export const client: ServiceClient = new ServiceClient({
  discovery: {
    provider: staticList({
      'device-service': devices.map((server) => ({ host: '127.0.0.1', port: portOf(server) })),
    }),
  },
  services: { 'device-service': {} },
})

// Discovery: services register themselves, a client learns who is there, and goes on knowing it when the registry dies.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { httpRegistry, Registrar } from 'gateless/backends/http'
import { DiscoveryClient } from 'gateless/discovery'
import { RegistryServer, ServiceRegistry } from 'gateless/registry'
import { RetryPolicy } from 'gateless/retry'

// A registry in this process. `npx gateless registry --port 8500` is the same as a command.
let registry = new ServiceRegistry()
let server = new RegistryServer({ registry })
const { url, port } = await server.listen()
console.log('a registry listens')

// What a service does when it has begun to listen. Nobody is called here, so nobody has to listen on these ports.
// Heartbeats and lifetimes are short, so that you need not wait.
const [first, second] = [8081, 8082].map(
  (ownPort) =>
    new Registrar({
      url,
      instance: { serviceName: 'device-service', host: '127.0.0.1', port: ownPort },
      heartbeatMs: 200,
      leaseMs: 10_000,
    }),
) as [Registrar, Registrar]
await first.start()
console.log(`registered: ${first.id}`)

const discovery = new DiscoveryClient({ provider: httpRegistry({ url }), ttlMs: 100 })
const ids = async () => {
  const instances = await discovery.discover('device-service')
  return instances
    .map(({ id }) => id)
    .toSorted()
    .join(', ')
}
assert.equal(await ids(), '127.0.0.1:8081')
console.log(`discovered: ${await ids()}`)

// Whoever watches is told: a LoadBalancer, say, by `(instances) => balancer.update(instances)`.
let known = 0
let fewest = Number.POSITIVE_INFINITY
let stale = false
const stop = discovery.watch('device-service', (instances) => {
  known = instances.length
  fewest = Math.min(fewest, known)
  console.log(`  watcher: ${known} instance(s)`)
})
discovery.on('stale', () => (stale = true))

/** Waits for what happens in the background. Heartbeats and watches do not keep a process alive; this does. */
async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 10) {
    assert.ok(waitedMs < 4_000, `still not so: ${String(holds)}`)
    await sleep(10)
  }
}

await second.start()
await until(() => known === 2)
const both = '127.0.0.1:8081, 127.0.0.1:8082'
assert.equal(await ids(), both)

console.log('the registry goes away')
await server.close()
await registry.close()
await until(() => stale)
assert.equal(await ids(), both)
console.log(`discovered: ${await ids()} (stale: past its lifetime, and the best there is)`)

console.log('the registry comes back with nothing in its memory')
let again = 0
for (const registrar of [first, second]) registrar.on('registered', () => (again += 1))
registry = new ServiceRegistry()
// Another connection may have taken the port for a moment.
await new RetryPolicy({ retryable: () => true }).execute(() => {
  server = new RegistryServer({ registry, port })
  return server.listen()
})
await until(() => again === 2)
assert.equal(registry.instances('device-service')?.length, 2)
assert.ok(fewest > 0)
console.log('both have registered again by themselves, each at its next heartbeat; the list was never empty')

stop()
await discovery.close()
await Promise.all([first.stop(), second.stop()])
assert.equal(registry.instances('device-service')?.length, 0)
await server.close()
await registry.close()

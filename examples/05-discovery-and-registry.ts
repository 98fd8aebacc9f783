// Discovery: services register themselves, a client learns who is there, and goes on knowing it when the registry dies.

import assert from 'node:assert/strict'
import { httpRegistry, Registrar } from 'gateless/backends/http'
import { DiscoveryClient } from 'gateless/discovery'
import { RegistryServer, ServiceRegistry } from 'gateless/registry'

// A registry in this process. `npx gateless registry --port 8500` is the same as a command.
let registry = new ServiceRegistry()
let server = new RegistryServer({ registry })
const { url, port } = await server.listen()
console.log('a registry listens')

// What a service does when it has begun to listen. Heartbeats and lifetimes are short here, so that you need not wait.
const registrars = [8081, 8082].map(
  (port) =>
    new Registrar({
      url,
      instance: { serviceName: 'device-service', host: '127.0.0.1', port },
      heartbeatMs: 200,
    }),
)
const [first, second] = registrars as [Registrar, Registrar]
await first.start()
console.log(`registered: ${first.id}`)

const discovery = new DiscoveryClient({ provider: httpRegistry({ url }), ttlMs: 100 })
const ids = async () => (await discovery.discover('device-service')).map(({ id }) => id).join(', ')
assert.equal(await ids(), '127.0.0.1:8081')
console.log(`discovered: ${await ids()}`)

/** Resolves at the next event of that name, before which nothing here needs to be guessed or slept for. */
const next = (event: 'changed' | 'stale' | 'recovered') =>
  new Promise<void>((resolve) => {
    discovery.once(event, () => resolve())
  })

// Whoever watches is told: a LoadBalancer, say, by `(instances) => balancer.update(instances)`.
const stop = discovery.watch('device-service', (instances) => {
  console.log(`  watcher: ${instances.length} instance(s)`)
})
const changed = next('changed')
await second.start()
await changed
assert.equal(await ids(), '127.0.0.1:8081, 127.0.0.1:8082')

console.log('the registry goes away')
const stale = next('stale')
await server.close()
await registry.close()
await stale
assert.equal(await ids(), '127.0.0.1:8081, 127.0.0.1:8082')
const ageMs = discovery.ageMs('device-service') ?? 0
assert.ok(ageMs >= 90)
console.log(`discovered: ${await ids()}, from a list that is older than its lifetime (stale)`)

console.log('the registry comes back with nothing in its memory')
registry = new ServiceRegistry()
const bothAgain = Promise.all(
  registrars.map(
    (registrar) =>
      new Promise<void>((resolve) => {
        registrar.on('registered', ({ again }) => again && resolve())
      }),
  ),
)
const recovered = next('recovered')
server = new RegistryServer({ registry, port })
await server.listen()
await Promise.all([bothAgain, recovered])
// Nobody restarted a service, and no caller ever saw an empty list.
assert.equal(registry.instances('device-service')?.length, 2)
assert.equal(await ids(), '127.0.0.1:8081, 127.0.0.1:8082')
console.log('both services have registered again by themselves')

stop()
await discovery.close()
await Promise.all(registrars.map((registrar) => registrar.stop()))
assert.equal(registry.instances('device-service')?.length, 0)
await server.close()
await registry.close()

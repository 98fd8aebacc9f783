import { HealthChecker, RegistryServer, ServiceRegistry } from 'gateless/registry'
import { childInput, onParent, signOff, tellParent } from './child.ts'
import { listenPatiently } from './listen.ts'
import type { RegistryInput } from './messages.ts'
import { HEALTH_INTERVAL_MS, HEALTH_TIMEOUT_MS, HEARTBEAT_MS, LEASE_MS } from './scene.ts'

/** The registry, a process of its own: it can be killed, and comes back without its memory. */

const { port } = childInput() as RegistryInput

// Until everybody had the time for two heartbeats, a service nobody registered is "not yet" and not "never heard of".
const registry = new ServiceRegistry({ leaseMs: LEASE_MS, warmupMs: 2 * HEARTBEAT_MS })
const checker = new HealthChecker({ registry, intervalMs: HEALTH_INTERVAL_MS, timeoutMs: HEALTH_TIMEOUT_MS })

const note = (text: string): void =>
  tellParent({ type: 'decision', decision: { atMs: Number.NaN, source: 'registry', kind: 'registry', text } })

registry.on('registered', ({ instance }) => note(`${instance.id} registered`))
registry.on('expired', ({ instance }) => note(`${instance.id} dropped: no heartbeat for ${LEASE_MS / 1_000} s`))
registry.on('status', ({ instance, from, to }) => note(`${instance.id} ${from} -> ${to}`))

// A server that could not listen stays that way, so each try gets a new one.
let server: RegistryServer | undefined
const address = await listenPatiently(() => {
  server = new RegistryServer({ registry, port })
  return server.listen()
})

onParent(async ({ type }) => {
  if (type !== 'finish') return
  await server?.close()
  await checker.close()
  await registry.close()
  signOff()
})
tellParent({ type: 'ready', port: address.port })

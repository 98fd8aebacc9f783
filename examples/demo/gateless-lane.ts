import { exponentialBackoff, leastConnections, roundRobin, ServiceClient } from 'gateless'
import { httpRegistry } from 'gateless/backends/http'
import type { Lane } from './lane.ts'
import type { PlannedCall } from './load.ts'
import { recoveryMs } from './scene.ts'

/** The same calls through the library: this file is all the configuration it takes. */

/**
 * The example of the source documents: device-service in turn, breaker 5 / 60 s / 3, 30 s, 3 retries; sensor-service by
 * least connections, breaker 3 / 30 s / 2, 15 s, 2 retries. Strategies, thresholds and retries are theirs. The times are
 * not: a caller here wants its answer within a second, and a minute's rest for an instance is more than the whole run.
 */
export function demoClient(registryUrl: string, seconds: number): ServiceClient {
  const rest = { recoveryTimeoutMs: recoveryMs(seconds), maxRecoveryTimeoutMs: recoveryMs(seconds) }
  return new ServiceClient({
    discovery: {
      provider: httpRegistry({ url: registryUrl, timeoutMs: 1_000 }),
      // Seconds instead of half a minute, as with the leases of the registry: they should be seen at work.
      ttlMs: 2_000,
      errorBackoff: exponentialBackoff({ baseMs: 250, maxMs: 1_000 }),
    },
    // The whole call. It leaves room for three attempts that time out.
    timeoutMs: 1_000,
    // A hundred times what an instance usually needs: whoever takes that long will not answer in time.
    attemptTimeoutMs: 300,
    services: {
      'device-service': {
        balancing: { strategy: roundRobin() },
        retry: { maxAttempts: 4 },
        breaker: { instance: { failureThreshold: 5, ...rest } },
      },
      'sensor-service': {
        balancing: { strategy: leastConnections() },
        retry: { maxAttempts: 3 },
        breaker: { instance: { failureThreshold: 3, ...rest } },
      },
    },
  })
}

export class GatelessLane implements Lane {
  readonly #client: ServiceClient

  constructor(client: ServiceClient) {
    this.#client = client
  }

  async call({ service, method, path, body }: PlannedCall): Promise<void> {
    // Setting a value twice is setting it once, so its POST may be tried again. Only the caller can know that.
    await this.#client.call(service, method, path, body, method === 'POST' ? { idempotent: true } : {})
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

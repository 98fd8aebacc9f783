import { expect, it } from 'vitest'
import { fixedBackoff, type ServiceClientOptions } from 'gateless'
import { stubClient } from '../support/stub-client.ts'
import { answer, StubTransport } from '../support/stub-transport.ts'

/** Real timers: what a process shares is shared in real time only. A service name of its own keeps this test alone. */

const SERVICE = 'shared-budget-of-this-test'

function client(retry: ServiceClientOptions['retry'] = {}) {
  const transport = new StubTransport(answer({ status: 503 }))
  const provider = {
    name: 'stub',
    list: () =>
      Promise.resolve({
        kind: 'ok' as const,
        instances: [1, 2, 3].map((n) => ({
          id: String(n),
          serviceName: SERVICE,
          host: `10.0.0.${n}`,
          port: 80,
          status: 'healthy' as const,
          metadata: {},
          healthCheckUrl: undefined,
          lastHeartbeat: null,
          createdAt: null,
          weight: 1,
          zone: undefined,
          version: undefined,
          secure: false,
          priority: 0,
        })),
      }),
  }
  const made = stubClient(transport, {
    discovery: { provider },
    breaker: { service: false, instance: false },
    retry: { backoff: fixedBackoff({ delayMs: 0 }), ...retry },
  })
  return { transport, client: made.client }
}

it('two clients of one process retry no more than one would: they share the budget of a service', async () => {
  const [first, second] = [client(), client()]
  const call = (from: typeof first) => from.client.call(SERVICE, 'GET', '/').catch((error: unknown) => error)
  for (let i = 0; i < 20; i += 1) await call(first)
  const spent = await call(second)
  // The floor of ten per window and a fifth of twenty calls are gone; the second client's very first call finds nothing.
  expect(spent).toMatchObject({ code: 'ERR_GATELESS_RESPONSE', notRetried: 'budget' })
  expect(first.transport.exchanges.length).toBeLessThanOrEqual(20 + 10 + 4)
  await Promise.all([first.client.close(), second.client.close()])
})

it('a budget of its own is not touched by the others', async () => {
  const own = client({ budget: { ratio: 1 } })
  await own.client.call(SERVICE, 'GET', '/').catch(() => {})
  expect(own.transport.exchanges).toHaveLength(3)
  await own.client.close()
})

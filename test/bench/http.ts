import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as cockatiel from 'cockatiel'
import { ServiceClient, staticList } from 'gateless'
import Opossum from 'opossum'
import { Agent, fetch as undiciFetch } from 'undici'
import type { Contender } from './harness.ts'

/** Requests over loopback to servers in other processes, small JSON, body read, so many in flight at once. */

export interface HttpBench {
  readonly contenders: Contender[]
  close(): Promise<void>
}

const INSTANCES = 1

export async function httpBench(concurrency: number): Promise<HttpBench> {
  const servers: ChildProcess[] = []
  const ports: number[] = []
  for (let i = 0; i < INSTANCES; i += 1) {
    const server = fork(fileURLToPath(new URL('http-server.ts', import.meta.url)))
    servers.push(server)
    const [address] = (await once(server, 'message')) as [AddressInfo]
    ports.push(address.port)
  }
  const origin = `http://127.0.0.1:${ports[0] as number}`
  const connections = 64
  const agent = new Agent({ connections, pipelining: 1 })
  const provider = staticList({ bench: ports.map((port) => ({ host: '127.0.0.1', port })) })
  const client = new ServiceClient({ discovery: { provider }, connections })

  const bare = async (): Promise<void> => {
    const { body } = await agent.request({ origin, path: '/', method: 'GET' })
    await body.json()
  }
  const cWrap = cockatiel.wrap(
    cockatiel.timeout(30_000, { strategy: cockatiel.TimeoutStrategy.Cooperative, abortOnReturn: false }),
    cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ExponentialBackoff() }),
    cockatiel.circuitBreaker(cockatiel.handleAll, {
      halfOpenAfter: 5_000,
      breaker: new cockatiel.ConsecutiveBreaker(5),
    }),
    cockatiel.bulkhead(100_000),
  )
  const opossum = new Opossum(bare)

  const contenders: Contender[] = [
    many('undici request', concurrency, bare),
    many('gateless client.request', concurrency, async () => {
      const { body } = await client.request({ service: 'bench', path: '/' })
      await body.json()
    }),
    many('gateless client.call', concurrency, () => client.call('bench', 'GET', '/')),
    many('cockatiel wrap(timeout, retry, breaker, bulkhead) + undici', concurrency, () =>
      cWrap.execute(async ({ signal }) => {
        const { body } = await agent.request({ origin, path: '/', method: 'GET', signal })
        await body.json()
      }),
    ),
    many('opossum + undici', concurrency, () => opossum.fire()),
    many('undici fetch', concurrency, async () => {
      const answer = await undiciFetch(`${origin}/`, { dispatcher: agent })
      await answer.json()
    }),
    many('gateless client.fetch', concurrency, async () => {
      const answer = await client.fetch('http://bench/')
      await answer.json()
    }),
  ]
  return {
    contenders,
    close: async () => {
      await Promise.all([agent.close(), client.close()])
      for (const server of servers) server.disconnect()
    },
  }
}

/** Keeps `concurrency` calls in flight until `times` are done. */
function many(name: string, concurrency: number, call: () => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      let left = times
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1
          await call()
        }
      }
      await Promise.all(Array.from({ length: Math.min(concurrency, times) }, worker))
    },
  }
}

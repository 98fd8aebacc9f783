import type { Dispatcher } from 'undici'
import { describe, expect, it, vi } from 'vitest'
import { InstancePools, type PooledHandler } from '../../src/client/instance-pools.ts'
import { good, http } from '../support/servers.ts'

/** One request on a pool; what its handler was told of the connection. */
function send(pools: Dispatcher, origin: string, more: object = {}) {
  const handler: PooledHandler & { over: boolean } = {
    over: false,
    get ended() {
      return this.over
    },
    onRequestStart() {},
    onResponseStart() {},
    onResponseData() {},
  }
  const done = new Promise<string>((resolve) => {
    handler.onResponseEnd = () => {
      handler.over = true
      resolve('answered')
    }
    handler.onResponseError = (_, error) => {
      handler.over = true
      resolve(String((error as { code?: string }).code))
    }
  })
  pools.dispatch({ origin, path: '/', method: 'GET', ...more }, handler)
  return { handler, done }
}

describe('the pools of instances', () => {
  it('survive more invalid requests than they have connections (FAULTS 38)', async () => {
    const peer = await good()
    const pools = new InstancePools({ connections: 2, connectTimeoutMs: 1_000 })
    const origin = `http://127.0.0.1:${peer.port}`
    for (let i = 0; i < 5; i += 1) {
      expect(await send(pools, origin, { headers: { 'a b': 'c' } }).done).toBe('UND_ERR_INVALID_ARG')
    }
    const results = Array.from({ length: 6 }, () => send(pools, origin).done)
    expect(await Promise.all(results)).toEqual(Array.from({ length: 6 }, () => 'answered'))
    expect(peer.accepted).toBe(2)
    await pools.destroy()
    await peer.close()
  })

  it('keep to their connections under load, and count what each has carried', async () => {
    const peer = await http((_, response) => void setTimeout(() => response.end('ok'), 2))
    const pools = new InstancePools({ connections: 3, connectTimeoutMs: 1_000 })
    const origin = `http://127.0.0.1:${peer.port}`
    const sent = Array.from({ length: 30 }, () => send(pools, origin))
    await Promise.all(sent.map(({ done }) => done))
    expect(peer.accepted).toBe(3)
    expect(new Set(sent.map(({ handler }) => handler.connection)).size).toBe(3)
    await pools.destroy()
    await peer.close()
  })

  it('let the requests of an instance that is gone finish, and then close its connections', async () => {
    const peer = await http((_, response) => void setTimeout(() => response.end('ok'), 20))
    const pools = new InstancePools({ connections: 3, connectTimeoutMs: 1_000 })
    const origin = `http://127.0.0.1:${peer.port}`
    const { done } = send(pools, origin)
    pools.forget(origin)
    expect(await done).toBe('answered')
    await vi.waitFor(() => expect(peer.open.size).toBe(0))
    // Back again, it gets a pool again.
    expect(await send(pools, origin).done).toBe('answered')
    pools.forget('http://nobody:1')
    await pools.destroy()
    await peer.close()
  })
})

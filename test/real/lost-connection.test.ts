import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { ServiceClient, staticList } from 'gateless'
import { expect, it } from 'vitest'
import { http } from '../support/servers.ts'

it('an instance that drops each of its connections is ejected like any other that fails', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const well = await http((_request, response) => response.end('{}'))
  const client = new ServiceClient({
    discovery: {
      provider: staticList({
        s: [{ host: '127.0.0.1', port }, well.instance],
      }),
    },
    // One connection, opened anew each time: the losses are as many as the calls.
    connections: 1,
    retry: false,
    breaker: { instance: { failureThreshold: 3 }, service: false },
  })
  const ejected: number[] = []
  client.on('ejected', ({ instance }) => ejected.push(instance.port))
  for (let i = 0; i < 30; i += 1) await client.call('s', 'GET', '/').catch(() => {})
  expect(ejected).toEqual([port])
  await client.close()
  server.close()
  await well.close()
})

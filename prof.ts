import { fork } from 'node:child_process'
import { once } from 'node:events'
import { ServiceClient, staticList } from 'gateless'
import { Agent } from 'undici'
const server = fork(new URL('./test/bench/http-server.ts', import.meta.url))
const [address] = await once(server, 'message') as any
const client = new ServiceClient({ discovery: { provider: staticList({ bench: [{ host: '127.0.0.1', port: address.port }] }) } })
const agent = new Agent({ connections: 64, pipelining: 1 })
const mode = process.argv[2]
const call = mode === 'bare' ? async () => { const { body } = await agent.request({ origin: `http://127.0.0.1:${address.port}`, path: '/', method: 'GET' }); await body.json() }
  : mode === 'call' ? () => client.call('bench', 'GET', '/')
  : async () => { const { body } = await client.request({ service: 'bench', path: '/' }); await body.json() }
let left = Number(process.argv[3] ?? 100000)
const began = performance.now(), cpu = process.cpuUsage()
const n = left
await Promise.all(Array.from({ length: 64 }, async () => { while (left-- > 0) await call() }))
const u = process.cpuUsage(cpu)
console.log(mode, ((performance.now() - began) * 1000 / n).toFixed(2), 'us/call', ((u.user + u.system) / n).toFixed(2), 'cpu us/call')
server.disconnect(); process.exit()

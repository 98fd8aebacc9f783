import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const CLI = fileURLToPath(new URL('../../src/registry/cli.ts', import.meta.url))
const running = new Set<ChildProcessWithoutNullStreams>()

function start(...args: string[]): { child: ChildProcessWithoutNullStreams; out: () => string; err: () => string } {
  // Node 22 strips types as well, but says so.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CLI, ...args])
  running.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  return { child, out: () => out, err: () => err }
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { child, out, err } = start(...args)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out: out(), err: err() }
}

async function serve(...args: string[]) {
  const started = start('registry', '--port', '0', ...args)
  while (!started.out().includes('\n')) await once(started.child.stdout, 'data')
  const url = /^registry listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(started.out())?.[1] as string
  return { ...started, url }
}

describe('the gateless command', () => {
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL')
    running.clear()
  })

  it('serves a registry, and prints one line that says where', async () => {
    const { url, child, out } = await serve('--warmup-ms', '0')
    const body = JSON.stringify({ host: '127.0.0.1', port: 1 })
    const put = await fetch(`${url}/services/orders/instances/o1`, { method: 'PUT', body })
    expect(put.status).toBe(201)
    expect((await fetch(`${url}/services/nobody`)).status).toBe(404)
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(out().split('\n')).toHaveLength(2)
  })

  it('warms up for one lease unless told otherwise', async () => {
    const { url } = await serve('--health-checks', 'off')
    const reply = await fetch(`${url}/services/nobody`)
    expect(reply.status).toBe(503)
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(20)
  })

  it('stops within two seconds of SIGTERM, whatever hangs', async () => {
    const { url, child } = await serve()
    const { port } = new URL(url)
    // A request that never ends, an idle connection, and instances that hang when they are asked.
    const stuck = connect(Number(port), '127.0.0.1')
    stuck.on('error', () => {})
    stuck.write('PUT /services/a/instances/b HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n')
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const asked = once(silent, 'connection') as Promise<[Socket]>
    const instance = { host: 'localhost', port: (silent.address() as AddressInfo).port, health_check_url: '/health' }
    for (let i = 0; i < 30; i += 1) {
      // The first check comes at random within 3 s: one of thirty comes soon. Each service has its own address table.
      const body = JSON.stringify(instance)
      await (await fetch(`${url}/services/s${i}/instances/i`, { method: 'PUT', body })).text()
    }
    const [connection] = await asked
    const startedAt = performance.now()
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    stuck.destroy()
    connection.destroy()
    silent.close()
  })

  it('explains itself', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, out: expect.stringContaining('gateless registry') as string })
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await run('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  it.each([
    [[], "unknown command ''"],
    [['gateway'], "unknown command 'gateway'"],
    [['registry', 'twice'], "unexpected argument 'twice'"],
    [['registry', '--port', 'http'], "--port must be an integer from 0 to 65535, got 'http'"],
    [['registry', '--port', '65536'], '--port'],
    [['registry', '--port', '8e3'], '--port'],
    [['registry', '--port'], '--port'],
    [['registry', '--host', ''], '--host must not be empty'],
    [['registry', '--warmup-ms=-1'], '--warmup-ms'],
    [['registry', '--health-checks', 'maybe'], '--health-checks must be on or off'],
    [['registry', '--verbose'], "'--verbose'"],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, out, err } = await run(...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect(err).not.toContain('    at ')
  })

  it('says when it cannot listen, with exit code 1', async () => {
    const { url } = await serve()
    const { code, err } = await run('registry', '--port', new URL(url).port)
    expect(code).toBe(1)
    expect(err).toContain('EADDRINUSE')
  })
})

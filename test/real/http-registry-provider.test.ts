import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpRegistry } from 'gateless/backends/http'
import { DiscoveryClient } from 'gateless/discovery'

/** A registry that gives each service name another kind of trouble. */
const answers: Record<string, (response: ServerResponse) => void> = {
  good: (response) => response.end('[{"id":"d1","host":"10.0.0.1","port":8081}]'),
  garbage: (response) => response.end(Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x5b])),
  html: (response) => response.setHeader('content-type', 'text/html').end('<h1>502 Bad Gateway</h1>'),
  bom: (response) => response.end('\ufeff[]'),
  moved: (response) => response.writeHead(302, { location: '/services/good' }).end(),
  dropped: (response) => response.destroy(),
  halved: (response) => {
    response.setHeader('content-length', '1000')
    response.write('[{"id":"d1"')
    setImmediate(() => response.destroy())
  },
  silent: () => {},
  dripping: (response) => {
    response.write('[')
  },
  huge: (response) => void pour(response, ' '.repeat(65_536), 20 * 16),
  million: (response) => {
    const entries = Array.from({ length: 1_000 }, (_, i) => `{"id":"i${i}","host":"10.0.0.1","port":${i + 1}},`)
    response.write('[')
    void pour(response, entries.join('').repeat(10), 100)
  },
}

/** Writes as fast as the other side reads, until it has enough. */
async function pour(response: ServerResponse, chunk: string, times: number): Promise<void> {
  for (let i = 0; i < times && !response.destroyed; i += 1) {
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

async function drained(response: ServerResponse): Promise<void> {
  const done = new AbortController()
  const { signal } = done
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]).catch(() => {})
  done.abort()
}

const seen: string[] = []
const server = createServer((request: IncomingMessage, response) => {
  seen.push(`${request.method} ${request.url}`)
  const name = (request.url ?? '').split('/').at(-1) ?? ''
  if (request.method === 'GET') (answers[name] ?? ((unknown) => unknown.writeHead(404).end()))(response)
  else response.writeHead(request.method === 'PUT' ? 201 : 204).end()
})
let url = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function discover(service: string, timeoutMs = 5_000): Promise<unknown> {
  await using client = new DiscoveryClient({ provider: httpRegistry({ url, timeoutMs }) })
  return await client.discover(service).catch((error: Error) => error.message)
}

/** The longest time the event loop stood still during `work`, in milliseconds. */
async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  await work()
  clearInterval(timer)
  return Math.max(longest, performance.now() - last)
}

describe('a real registry', () => {
  it('is asked over the wire', async () => {
    expect(await discover('good')).toMatchObject([{ id: 'd1', host: '10.0.0.1', port: 8081 }])
    expect(await discover('unheard')).toBe('there is no service "unheard"')
  })

  it.each([
    ['garbage', /answered no JSON/],
    ['html', /answered no JSON \(content-type text\/html\)/],
    ['bom', /answered no JSON/],
    ['moved', /answered 302, and redirects of a registry are not followed/],
    ['dropped', /failed: other side closed|failed: .*(?:closed|hang up|reset)/],
    ['halved', /failed: /],
  ])('that answers %s is an error and no empty list', async (name, message) => {
    expect(await discover(name)).toMatch(message)
  })

  it.each(['silent', 'dripping'])('that is %s does not keep the caller', async (name) => {
    expect(await discover(name, 50)).toMatch(/timed out after 50 ms/)
  })

  it.each(['huge', 'million'])('with a %s answer is refused before parsing, and stalls nothing', async (name) => {
    let message: unknown
    // Far above the measured 10 ms, and far below the 2.8 s that parsing and indexing 81 MB took.
    expect(await longestStall(async () => (message = await discover(name)))).toBeLessThan(500)
    expect(message).toMatch(/answered more than 4194304 bytes/)
  })

  it('that is not there is named, without its password', async () => {
    const provider = httpRegistry({ url: 'http://me:secret@127.0.0.1:1' })
    await using client = new DiscoveryClient({ provider })
    const error = (await client.discover('s').catch((reason: unknown) => reason)) as Error
    expect(`${error.message} ${error.stack}`).toMatch(
      /GET http:\/\/127\.0\.0\.1:1\/services\/s failed: connect ECONNREFUSED/,
    )
    expect(`${error.message} ${error.stack}`).not.toContain('secret')
  })

  it('leaves the list in service when it goes away', async () => {
    await using client = new DiscoveryClient({ provider: httpRegistry({ url }), minRefreshIntervalMs: 0 })
    const stale: number[] = []
    client.on('load-failed', ({ retryInMs }) => stale.push(retryInMs))
    const list = await client.discover('good')
    const good = answers['good'] as (response: ServerResponse) => void
    answers['good'] = (response) => response.writeHead(503, { 'retry-after': '3' }).end()
    try {
      expect(await client.refresh('good')).toBe(list)
      expect(stale).toEqual([3_000])
    } finally {
      answers['good'] = good
    }
  })
})

/** Runs a script that imports this package's sources; resolves with how it ended. */
function run(script: string): { ended: Promise<{ code: number | null; signal: string | null }>; kill: () => void } {
  const entry = new URL('../../src/', import.meta.url).href
  const source = `
    import { httpRegistry, Registrar } from '${entry}backends/http/index.ts'
    import { DiscoveryClient } from '${entry}discovery/index.ts'
    const instance = { serviceName: 's', host: '10.0.0.1', port: 8081, id: 'child' }
    const url = '${url}'
    ${script}`
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', source], { stdio: 'inherit' })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
  return { ended, kill: () => child.kill('SIGTERM') }
}

describe('a real process', () => {
  it('ends by itself while heartbeats and watches go on', async () => {
    const script = `
      await new Registrar({ url, instance }).start()
      const discovery = new DiscoveryClient({ provider: httpRegistry({ url }) })
      discovery.watch('good', () => {})
      await discovery.discover('good')`
    expect(await run(script).ended).toEqual({ code: 0, signal: null })
  }, 20_000)

  it('deregisters on SIGTERM, and ends as whoever sent it expects', async () => {
    seen.length = 0
    const child = run(`
      await new Registrar({ url, instance, handleSignals: true }).start()
      setInterval(() => {}, 1_000)`)
    const registered = 'PUT /services/s/instances/child'
    while (!seen.includes(registered)) await new Promise((resolve) => server.once('request', resolve))
    child.kill()
    expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' })
    expect(seen).toEqual([registered, `${registered}/status`, 'DELETE /services/s/instances/child'])
  }, 20_000)
})

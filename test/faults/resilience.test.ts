import { inspect } from 'node:util'
import { leastConnections, ServiceClient } from 'gateless'
import { describe, it } from 'vitest'
import { clientOf, eventually, good, http, pause, timed } from '../support/servers.ts'

const slow = () => http((_, response) => void setTimeout(() => response.end('ok'), 5))

describe.concurrent('resilience', () => {
  it('83: every breaker open: refused at once, with the time of the next probe; a probe repairs it', async ({
    expect,
  }) => {
    let broken = true
    const peer = await http((_, response) => void response.writeHead(broken ? 500 : 200).end('ok'))
    await using ours = clientOf([peer], {
      retry: false,
      breaker: { instance: false, service: { failureThreshold: 3, recoveryTimeoutMs: 1_500, successThreshold: 1 } },
    })
    for (let i = 0; i < 3; i += 1) await timed(ours.client.call('orders', 'GET', '/'))
    const settledBefore = ours.leases.settledCount
    const { error } = await timed(ours.client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_CIRCUIT_OPEN', status: 503, local: true })
    expect(error['retryAfterMs']).toBeGreaterThan(0)
    expect(error['retryAfterMs']).toBeLessThanOrEqual(1_500)
    expect(ours.leases.settledCount).toBe(settledBefore)
    broken = false
    await pause((error['retryAfterMs'] as number) + 10)
    await ours.good()
  })

  it('85: a replica that fails fast draws no traffic once it is ejected, and comes back', async ({ expect }) => {
    let broken = true
    let failures = 0
    const bad = await http((_, response) => {
      if (broken) failures += 1
      response.writeHead(broken ? 500 : 200).end('ok')
    })
    const peers = [bad, await slow(), await slow()]
    const ours = clientOf(peers, {
      balancing: { strategy: leastConnections() },
      breaker: { instance: { failureThreshold: 5, recoveryTimeoutMs: 1_000 }, service: false },
    })
    let attempts = 0
    ours.client.on('call', (event) => {
      attempts += event.attempts.length
    })
    const errors: unknown[] = []
    for (let i = 0; i < 60; i += 1) {
      await Promise.all(
        Array.from({ length: 20 }, () => ours.client.call('orders', 'GET', '/').catch((error) => errors.push(error))),
      )
    }
    expect(errors).toEqual([])
    // Before it is ejected each of the 20 may meet it, and each probe costs one.
    expect(failures).toBeLessThan(60)
    expect(attempts).toBeLessThan(1_200 + 60)
    broken = false
    const back: string[] = []
    ours.client.on('restored', ({ instance }) => back.push(instance.host))
    while (back.length === 0) await ours.good()
    await ours[Symbol.asyncDispose]()
  })

  it('89: close while calls are discovering, queueing, sent, backing off and reading: all settle, nothing is left', async ({
    expect,
  }) => {
    const peer = await http((request, response) => {
      if (request.url === '/busy') response.writeHead(503, { 'retry-after': '5' }).end()
      if (request.url === '/body') {
        response.writeHead(200, { 'content-length': 100 })
        response.write('half')
      }
    })
    const ours = clientOf([peer], { connections: 4 })
    const paths = ['/busy', '/body', '/silent', '/silent', '/silent', '/silent', '/queued', '/queued']
    const results = paths.map((path) => timed(ours.client.call('orders', 'GET', path)))
    await eventually(() => ours.leases.verdicts.length >= 2 && peer.accepted >= 4)
    const closed = ours.client.close(20)
    for (const { error } of await Promise.all(results)) expect(error['code']).toBe('ERR_GATELESS_CLOSED')
    await closed
    expect((await timed(ours.client.call('orders', 'GET', '/'))).error['code']).toBe('ERR_GATELESS_CLOSED')
    await ours[Symbol.asyncDispose]()
  })

  it('89: a call that discovers while its client closes settles too', async ({ expect }) => {
    const client = new ServiceClient({ discovery: { provider: { name: 'slow', list: () => new Promise(() => {}) } } })
    const result = timed(client.call('orders', 'GET', '/'))
    await client.close(10)
    expect((await result).error['code']).toBe('ERR_GATELESS_CLOSED')
  })

  it('91: secrets of requests and answers appear nowhere', async ({ expect }) => {
    const peer = await http((request, response) => {
      if (request.url === '/good') return void response.end('ok')
      if (request.url?.startsWith('/reset')) return void request.socket.resetAndDestroy()
      response.writeHead(500, { 'set-cookie': 'sid=tok-cookie', 'x-secret': 'tok-header' }).end('tok-answer')
    })
    await using ours = clientOf([peer])
    const told: string[] = []
    ours.client.on('call', (event) => told.push(inspect(event, { depth: 10 })))
    ours.client.on('retry', (event) => told.push(inspect(event, { depth: 10 })))
    for (const path of ['/reset?token=tok-query', '/500?token=tok-query']) {
      const { error } = await timed(
        ours.client.call('orders', 'PUT', path, 'tok-body', {
          headers: { authorization: 'Bearer tok-auth', cookie: 'tok-c' },
        }),
      )
      told.push(error.message, error.stack ?? '', inspect(error, { depth: 10 }), JSON.stringify(error))
    }
    expect(told.join('\n')).not.toMatch(/tok-/)
    expect(told.length).toBeGreaterThan(8)
    await ours.good()
  })

  it('94: a polluted prototype sends nothing along', async ({ expect }) => {
    // Not on this process's prototype, where the tests beside this one live: in one of its own.
    const { execFile } = await import('node:child_process')
    const peer = await http((request, response) => response.end(JSON.stringify(request.headers)))
    const main = new URL('../../src/index.ts', import.meta.url).href
    const script = `
      import { ServiceClient, staticList } from ${JSON.stringify(main)}
      const client = new ServiceClient({ discovery: { provider: staticList({ orders: [{ host: '127.0.0.1', port: ${peer.port} }] }) } })
      Object.assign(Object.prototype, { headers: { 'x-evil': '1' }, retries: 9, timeoutMs: -1, service: 'evil', idempotent: true })
      const { body } = await client.request({ service: 'orders', path: '/' })
      console.log(await body.text())
      await client.close()
    `
    const output = await new Promise<string>((resolve, reject) =>
      execFile(process.execPath, ['--input-type=module', '-e', script], (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      ),
    )
    expect(output).toContain('127.0.0.1')
    expect(output).not.toContain('evil')
    await peer.close()
  })

  it('a process whose client is closed ends by itself, and one that is idle too', async ({ expect }) => {
    const { execFile } = await import('node:child_process')
    const peer = await good()
    const main = new URL('../../src/index.ts', import.meta.url).href
    for (const end of ['await client.close()', '']) {
      const script = `
        import { ServiceClient, staticList } from ${JSON.stringify(main)}
        const client = new ServiceClient({ discovery: { provider: staticList({ orders: [{ host: '127.0.0.1', port: ${peer.port} }] }) } })
        console.log(await client.call('orders', 'GET', '/'))
        ${end}
      `
      const output = await new Promise<string>((resolve, reject) =>
        execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 }, (error, stdout) =>
          error === null ? resolve(stdout) : reject(error),
        ),
      )
      expect(output).toBe('ok\n')
    }
    await peer.close()
  }, 40_000)
})

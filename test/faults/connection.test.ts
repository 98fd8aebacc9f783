import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, it } from 'vitest'
import { clientOf, deadPort, eventually, good, http, OK, tcp, timed } from '../support/servers.ts'

describe.concurrent('faults of the connection', () => {
  it('1: refused, lasting: every method goes to the next instance', async ({ expect }) => {
    const dead = { id: 'dead', host: '127.0.0.1', port: await deadPort() }
    await using it = clientOf([await good()], {}, [dead])
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      for (let i = 0; i < 4; i += 1) await expect(it.client.call('orders', method, '/', undefined)).resolves.toBe('ok')
    }
    expect(it.leases.verdicts).toContain('dead failure')
    await it.good()
  })

  it('1: refused, repaired half-way: the instance is used again', async ({ expect }) => {
    const port = await deadPort()
    const other = await good()
    const dead = { id: `i${port}`, host: '127.0.0.1', port }
    const it = clientOf([other], { breaker: { instance: { failureThreshold: 1, recoveryTimeoutMs: 50 } } }, [dead])
    const events: string[] = []
    it.client.on('ejected', ({ instance }) => events.push(`ejected ${instance.id}`))
    it.client.on('restored', ({ instance }) => events.push(`restored ${instance.id}`))
    for (let i = 0; i < 4; i += 1) await it.good()
    expect(events).toContain(`ejected i${port}`)
    const back = await good(port)
    while (!events.includes(`restored i${port}`)) await it.good()
    await it[Symbol.asyncDispose]()
    await back.close()
  })

  it('1: refused everywhere: one error, at once, that names every try', async ({ expect }) => {
    const ports = [await deadPort(), await deadPort()]
    await using it = clientOf(
      [],
      {},
      ports.map((port) => ({ host: '127.0.0.1', port })),
    )
    const { error } = await timed(it.client.call('orders', 'POST', '/', {}))
    expect(error).toMatchObject({
      code: 'ERR_GATELESS_UNAVAILABLE',
      notRetried: 'exhausted',
      attempts: [
        { outcome: 'not-sent', error: 'ECONNREFUSED' },
        { outcome: 'not-sent', error: 'ECONNREFUSED' },
        { outcome: 'not-sent', error: 'ECONNREFUSED' },
      ],
    })
  })

  it('2: reset after the request: retried when idempotent, and only then (also 53)', async ({ expect }) => {
    let posts = 0
    const rude = await tcp((socket, head) => {
      if (head.startsWith('GET /good')) return void socket.write(OK)
      if (head.startsWith('POST')) posts += 1
      socket.resetAndDestroy()
    })
    await using it = clientOf([rude, await good()])
    for (let i = 0; i < 4; i += 1) await expect(it.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    const errors: unknown[] = []
    for (let i = 0; i < 4; i += 1)
      await it.client.call('orders', 'POST', '/', { a: 1 }).catch((error) => errors.push(error))
    expect(posts).toBe(2)
    expect(errors).toHaveLength(2)
    expect(errors[0]).toMatchObject({ notRetried: 'not-idempotent', attempts: [{ outcome: 'maybe-sent' }] })
    await it.good()
  })

  it('2: reset, repaired half-way', async ({ expect }) => {
    let broken = true
    const rude = await tcp((socket) => void (broken ? socket.resetAndDestroy() : socket.write(OK)))
    await using it = clientOf([rude])
    const { error } = await timed(it.client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', notRetried: 'exhausted' })
    broken = false
    await it.good()
  })

  it('4: a stopped process: the deadline holds, and the instance works again when it goes on', async ({ expect }) => {
    const script = `require('node:http').createServer((q, r) => r.end('ok')).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const port = Number(line.toString())
      await using it = clientOf([], { timeoutMs: 300, retry: false }, [{ host: '127.0.0.1', port }])
      await it.good()
      child.kill('SIGSTOP')
      for (let i = 0; i < 2; i += 1) {
        const { error, ms } = await timed(it.client.call('orders', 'GET', '/'))
        expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', status: 504 })
        expect(ms).toBeGreaterThan(298)
        // undici's own timers alone would have taken half a second more.
        expect(ms).toBeLessThan(1_500)
      }
      child.kill('SIGCONT')
      await eventually(() => child.exitCode === null)
      await it.client.call('orders', 'GET', '/', undefined, { timeoutMs: 10_000 })
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  describe('5, 6: a kept connection that is gone when the next request comes', () => {
    for (const way of ['FIN', 'RST'] as const) {
      it(`by ${way}: one retry on a fresh one, nobody blamed; a POST is not repeated`, async ({ expect }) => {
        // Each connection answers once; then the next request on it is cut off, as by a server that just gave up waiting.
        const served = new WeakSet<object>()
        const peer = await tcp((socket) => {
          if (served.has(socket)) return void (way === 'FIN' ? socket.end() : socket.resetAndDestroy())
          served.add(socket)
          socket.write(OK)
        })
        await using it = clientOf([peer])
        await it.good()
        await it.good()
        expect(peer.accepted).toBe(2)
        expect(it.leases.verdicts).toEqual([
          `${peer.instance.id} success`,
          `${peer.instance.id} ignore`,
          `${peer.instance.id} success`,
        ])
        const { error } = await timed(it.client.call('orders', 'POST', '/', {}))
        expect(error).toMatchObject({ notRetried: 'not-idempotent', attempts: [{ outcome: 'maybe-sent' }] })
        await it.good()
        expect(it.leases.verdicts).not.toContain(`${peer.instance.id} failure`)
      })
    }

    it('but a fresh connection that closes without an answer counts', async ({ expect }) => {
      let broken = true
      const peer = await tcp((socket) => void (broken ? socket.end() : socket.write(OK)))
      await using it = clientOf([peer], { retry: false })
      const { error } = await timed(it.client.call('orders', 'GET', '/'))
      expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE' })
      expect(it.leases.verdicts).toEqual([`${peer.instance.id} failure`])
      broken = false
      await it.good()
    })
  })

  it('calls that give up while they wait for a connection cost nobody his', async ({ expect }) => {
    let answer = (): void => {}
    const peer = await http((request, response) => {
      if (request.url === '/slow') answer = () => void response.end('ok')
      else response.end('ok')
    })
    await using it = clientOf([peer], { connections: 1, retry: false })
    await it.good()
    const slow = it.client.call('orders', 'GET', '/slow')
    await eventually(() => answer.length === 0 && String(answer).includes('end'))
    const waiting = Array.from({ length: 10 }, () =>
      timed(it.client.call('orders', 'GET', '/', undefined, { timeoutMs: 30 })),
    )
    for (const { error } of await Promise.all(waiting)) {
      expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', attempts: [{ outcome: 'timeout' }] })
    }
    answer()
    await expect(slow).resolves.toBe('ok')
    for (let i = 0; i < 5; i += 1) await it.good()
    expect(peer.accepted).toBe(1)
  })

  it('49: a stream that was not sent goes elsewhere whole; one that was is not replayed', async ({ expect }) => {
    const bodies: string[] = []
    let rude = true
    const peer = await http((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (rude) request.socket.resetAndDestroy()
      })
      request.on('end', () => {
        bodies.push(text)
        response.end('ok')
      })
    })
    const dead = { id: 'dead', host: '127.0.0.1', port: await deadPort() }
    async function* generator() {
      yield 'a'
      yield 'b'
    }
    await using it = clientOf([peer], {}, [dead])
    const first = await timed(
      it.client.request({ service: 'orders', path: '/', method: 'PUT', body: Readable.from(['a', 'b']) }),
    )
    expect(first.error).toMatchObject({ notRetried: 'body-not-replayable' })
    rude = false
    for (const body of [Readable.from(['a', 'b']), generator(), Readable.from(['a', 'b']), generator()]) {
      const response = await it.client.request({ service: 'orders', path: '/', method: 'PUT', body })
      await response.body.dump()
    }
    expect(bodies).toEqual(['ab', 'ab', 'ab', 'ab'])
    await it.good()
  })

  it('49: a body that fails by itself is the caller’s fault, and nobody else’s (invariant 1)', async ({ expect }) => {
    const peer = await good()
    await using it = clientOf([peer])
    const oops = new Error('disk on fire')
    async function* generator() {
      yield 'a'
      throw oops
    }
    const stream = new Readable({
      read() {
        this.destroy(oops)
      },
    })
    for (const body of [stream, generator()]) {
      const { error } = await timed(it.client.request({ service: 'orders', path: '/', method: 'PUT', body }))
      expect(error === oops || error['cause'] === oops).toBe(true)
    }
    expect(it.leases.verdicts).toEqual([`${peer.instance.id} ignore`, `${peer.instance.id} ignore`])
    await it.good()
  })
})

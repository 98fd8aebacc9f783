import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, it } from 'vitest'
import { clientOf, deadPort, eventually, good, http, OK, tcp, timed } from '../support/servers.ts'

async function* generator() {
  yield 'a'
  yield 'b'
}

describe.concurrent('faults of the connection', () => {
  it('1: refused, lasting: every method goes to the next instance', async ({ expect }) => {
    const dead = { id: 'dead', host: '127.0.0.1', port: await deadPort() }
    await using ours = clientOf([await good()], {}, [dead])
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      for (let i = 0; i < 4; i += 1)
        await expect(ours.client.call('orders', method, '/', undefined)).resolves.toBe('ok')
    }
    expect(ours.leases.verdicts).toContain('dead failure')
    await ours.good()
  })

  it('1: refused, repaired half-way: the instance is used again', async ({ expect }) => {
    const port = await deadPort()
    const other = await good()
    const dead = { id: `i${port}`, host: '127.0.0.1', port }
    const ours = clientOf([other], { breaker: { instance: { failureThreshold: 1, recoveryTimeoutMs: 50 } } }, [dead])
    const events: string[] = []
    ours.client.on('ejected', ({ instance }) => events.push(`ejected ${instance.id}`))
    ours.client.on('restored', ({ instance }) => events.push(`restored ${instance.id}`))
    for (let i = 0; i < 4; i += 1) await ours.good()
    expect(events).toContain(`ejected i${port}`)
    const back = await good(port)
    while (!events.includes(`restored i${port}`)) await ours.good()
    await ours[Symbol.asyncDispose]()
    await back.close()
  })

  it('1: refused everywhere: one error, at once, that names every try', async ({ expect }) => {
    const ports = [await deadPort(), await deadPort()]
    await using ours = clientOf(
      [],
      {},
      ports.map((port) => ({ host: '127.0.0.1', port })),
    )
    const { error } = await timed(ours.client.call('orders', 'POST', '/', {}))
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
    await using ours = clientOf([rude, await good()])
    for (let i = 0; i < 4; i += 1) await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    const errors: unknown[] = []
    for (let i = 0; i < 4; i += 1)
      await ours.client.call('orders', 'POST', '/', { a: 1 }).catch((error) => errors.push(error))
    expect(posts).toBe(2)
    expect(errors).toHaveLength(2)
    expect(errors[0]).toMatchObject({ notRetried: 'not-idempotent', attempts: [{ outcome: 'maybe-sent' }] })
    await ours.good()
  })

  it('2: reset, repaired half-way', async ({ expect }) => {
    let broken = true
    const rude = await tcp((socket) => void (broken ? socket.resetAndDestroy() : socket.write(OK)))
    await using ours = clientOf([rude])
    const { error } = await timed(ours.client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', notRetried: 'exhausted' })
    broken = false
    await ours.good()
  })

  it('4: a stopped process: the deadline holds, and the instance works again when it goes on', async ({ expect }) => {
    const script = `require('node:http').createServer((q, r) => r.end('ok')).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const port = Number(line.toString())
      await using ours = clientOf([], { retry: false }, [{ host: '127.0.0.1', port }])
      await ours.good()
      child.kill('SIGSTOP')
      for (let i = 0; i < 2; i += 1) {
        const { error, ms } = await timed(ours.client.call('orders', 'GET', '/', undefined, { timeoutMs: 300 }))
        expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', status: 504 })
        expect(ms).toBeGreaterThan(200)
        expect(ms).toBeLessThan(3_000)
      }
      child.kill('SIGCONT')
      await eventually(() => child.exitCode === null)
      await ours.client.call('orders', 'GET', '/', undefined, { timeoutMs: 10_000 })
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
        await using ours = clientOf([peer], { connections: 1 })
        await ours.good()
        await ours.good()
        expect(peer.accepted).toBe(2)
        expect(ours.leases.verdicts).toEqual([
          `${peer.instance.id} success`,
          `${peer.instance.id} ignore`,
          `${peer.instance.id} success`,
        ])
        const { error } = await timed(ours.client.call('orders', 'POST', '/', {}))
        expect(error).toMatchObject({ notRetried: 'not-idempotent', attempts: [{ outcome: 'maybe-sent' }] })
        await ours.good()
        expect(ours.leases.verdicts).not.toContain(`${peer.instance.id} failure`)
      })
    }

    it('but a fresh connection that closes without an answer counts', async ({ expect }) => {
      let broken = true
      const peer = await tcp((socket) => void (broken ? socket.end() : socket.write(OK)))
      await using ours = clientOf([peer], { retry: false })
      const { error } = await timed(ours.client.call('orders', 'GET', '/'))
      expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE' })
      expect(ours.leases.verdicts).toEqual([`${peer.instance.id} failure`])
      broken = false
      await ours.good()
    })
  })

  it('calls that give up while they wait for a connection cost nobody his', async ({ expect }) => {
    let answer: (() => void) | undefined
    const peer = await http((request, response) => {
      if (request.url === '/slow') answer = () => void response.end('ok')
      else response.end('ok')
    })
    await using ours = clientOf([peer], { connections: 1, retry: false })
    await ours.good()
    const slow = ours.client.call('orders', 'GET', '/slow')
    await eventually(() => answer !== undefined)
    const waiting = Array.from({ length: 10 }, () =>
      timed(ours.client.call('orders', 'GET', '/', undefined, { timeoutMs: 30 })),
    )
    for (const { error } of await Promise.all(waiting)) {
      expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', attempts: [{ outcome: 'timeout' }] })
    }
    answer?.()
    await expect(slow).resolves.toBe('ok')
    for (let i = 0; i < 5; i += 1) await ours.good()
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
    await using ours = clientOf([peer], {}, [dead])
    const first = await timed(
      ours.client.request({ service: 'orders', path: '/', method: 'PUT', body: Readable.from(['a', 'b']) }),
    )
    expect(first.error).toMatchObject({ notRetried: 'body-not-replayable' })
    rude = false
    bodies.length = 0
    for (const body of [Readable.from(['a', 'b']), generator(), Readable.from(['a', 'b']), generator()]) {
      const response = await ours.client.request({
        service: 'orders',
        path: '/',
        method: 'PUT',
        body: body as Readable,
      })
      await response.body.dump()
    }
    expect(bodies).toEqual(['ab', 'ab', 'ab', 'ab'])
    await ours.good()
  })

  it('49: a body that fails by itself is the caller’s fault, and nobody else’s (invariant 1)', async ({ expect }) => {
    const peer = await good()
    await using ours = clientOf([peer])
    const oops = new Error('disk on fire')
    async function* failing() {
      yield 'a'
      throw oops
    }
    const stream = new Readable({
      read() {
        this.destroy(oops)
      },
    })
    for (const body of [stream, failing()]) {
      const { error } = await timed(
        ours.client.request({ service: 'orders', path: '/', method: 'PUT', body: body as Readable }),
      )
      expect(error === oops || error['cause'] === oops).toBe(true)
    }
    expect(ours.leases.verdicts).toEqual([`${peer.instance.id} ignore`, `${peer.instance.id} ignore`])
    await ours.good()
  })
})

import type { Socket } from 'node:net'
import { describe, it } from 'vitest'
import { clientOf, eventually, good, http, OK, tcp, timed } from '../support/servers.ts'

/** A server that answers `/good` and otherwise misbehaves. */
const misbehaving = (misbehave: (socket: Socket, count: number) => void) =>
  tcp((socket, head, count) => {
    if (/^\S+ \/good/.test(head)) socket.write(OK)
    else misbehave(socket, count)
  })

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n'

describe.concurrent('faults of the response', () => {
  describe('a body that breaks is reported as partial, and never retried', () => {
    const ways: Record<string, (socket: Socket) => void> = {
      '13: RST in the middle': (socket) => {
        socket.write(`${HEAD}content-length: 100\r\n\r\nhalf`)
        setTimeout(() => socket.resetAndDestroy(), 50)
      },
      '14: FIN short of content-length': (socket) => socket.end(`${HEAD}content-length: 100\r\n\r\nhalf`),
      '15: truncated chunks': (socket) => socket.end(`${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n64\r\nx`),
      '16: a bad chunk size': (socket) =>
        socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nx\r\n`),
    }
    for (const [name, misbehave] of Object.entries(ways)) {
      it(name, async ({ expect }) => {
        const peer = await misbehaving(misbehave)
        const other = await good()
        await using ours = clientOf([peer, other])
        const seen: unknown[] = []
        for (let i = 0; i < 4; i += 1) await ours.client.call('orders', 'GET', '/').catch((error) => seen.push(error))
        // Sometimes headers and fault arrive together, and it was no answer yet: then another instance gave one.
        for (const error of seen) {
          expect(error).toMatchObject({
            code: 'ERR_GATELESS_UNAVAILABLE',
            notRetried: 'already-answered',
            attempts: [{ outcome: 'partial', status: 200 }],
          })
        }
        expect(seen.length).toBeGreaterThan(0)
        expect(ours.leases.verdicts).toContain(`${peer.instance.id} failure`)
        expect(ours.leases.verdicts).not.toContain(`${other.instance.id} failure`)
        for (let i = 0; i < 4; i += 1) await ours.good()
      })
    }

    it('repaired half-way', async ({ expect }) => {
      let broken = true
      const peer = await misbehaving((socket) => {
        if (broken) socket.end(`${HEAD}content-length: 100\r\n\r\nhalf`)
        else socket.write(OK)
      })
      await using ours = clientOf([peer])
      await timed(ours.client.call('orders', 'GET', '/'))
      broken = false
      await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
      await ours.good()
    })

    it('a reader of request is told too', async ({ expect }) => {
      const peer = await misbehaving((socket) => {
        socket.write(`${HEAD}content-length: 100\r\n\r\nhalf`)
        setTimeout(() => socket.destroy(), 50)
      })
      await using ours = clientOf([peer])
      const response = await ours.client.request({ service: 'orders', path: '/' })
      const { error } = await timed(response.body.text())
      expect(error).toMatchObject({ code: 'ERR_GATELESS_UNAVAILABLE', attempts: [{ outcome: 'partial' }] })
      await ours.good()
    })
  })

  it('18: headers that trickle end with the attempt, and another instance answers', async ({ expect }) => {
    const peer = await misbehaving((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write('x: y\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
    })
    await using ours = clientOf([peer, await good()], { attemptTimeoutMs: 500 })
    for (let i = 0; i < 2; i += 1) await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    expect(ours.leases.verdicts).toContain(`${peer.instance.id} failure`)
    await ours.good()
  })

  for (const [name, misbehave] of Object.entries({
    '19: a body that trickles': (socket: Socket): void => {
      socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`)
      const timer = setInterval(() => socket.write('1\r\nx\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
    },
    '20: a body that stalls': (socket: Socket): void => void socket.write(`${HEAD}content-length: 100\r\n\r\nhalf`),
  })) {
    it(`${name} ends at the deadline`, async ({ expect }) => {
      const peer = await misbehaving(misbehave)
      await using ours = clientOf([peer], { timeoutMs: 700 })
      const { error, ms } = await timed(ours.client.call('orders', 'GET', '/'))
      expect(error).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT', attempts: [{ outcome: 'timeout', status: 200 }] })
      expect(ms).toBeGreaterThan(500)
      await ours.good()
    })
  }

  it('21: informational answers without end', async ({ expect }) => {
    const peer = await misbehaving((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'), 10)
      socket.on('close', () => clearInterval(timer))
    })
    await using ours = clientOf([peer], { attemptTimeoutMs: 700, retry: false })
    const { error } = await timed(ours.client.call('orders', 'GET', '/'))
    expect(error['code']).toBe('ERR_GATELESS_TIMEOUT')
    await ours.good()
  })

  it('22: ten thousand informational answers and then one', async ({ expect }) => {
    const peer = await misbehaving((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(10_000))
      socket.write(OK)
    })
    await using ours = clientOf([peer])
    await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    await ours.good()
  })

  describe('nonsense is a failed attempt of that instance, and another one answers', () => {
    const nonsense: Record<string, string> = {
      '24: two content-lengths': `${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\nok`,
      '24: content-length and transfer-encoding': `${HEAD}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
      '24: a negative content-length': `${HEAD}content-length: -2\r\n\r\nok`,
      '26: garbage': '\u0001\u0002\u0003 not http\r\n\r\n',
      '26: NUL in a header': `${HEAD}x: a\0b\r\ncontent-length: 2\r\n\r\nok`,
      '26: a folded line that is none': ' HTTP/1.1 200 OK\r\n\r\n',
      '23: a header of 100 kB': `${HEAD}x: ${'a'.repeat(100_000)}\r\ncontent-length: 2\r\n\r\nok`,
      '27: status 099': 'HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\nok',
      '27: status 000': 'HTTP/1.1 000 Odd\r\ncontent-length: 2\r\n\r\nok',
      '29: an unexpected 101': 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    }
    for (const [name, text] of Object.entries(nonsense)) {
      it(name, async ({ expect }) => {
        const peer = await misbehaving((socket) => void socket.write(text, 'latin1'))
        await using ours = clientOf([peer, await good()], { attemptTimeoutMs: 2_000 })
        for (let i = 0; i < 2; i += 1) await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
        expect(ours.leases.verdicts).toContain(`${peer.instance.id} failure`)
        await ours.good()
        await ours.good()
      })

      it(`${name}, everywhere: a typed error with a code`, async ({ expect }) => {
        const peer = await misbehaving((socket) => void socket.write(text, 'latin1'))
        await using ours = clientOf([peer], { attemptTimeoutMs: 2_000, retry: false })
        const { error } = await timed(ours.client.call('orders', 'GET', '/'))
        expect(error).toMatchObject({ name: 'CallError', code: 'ERR_GATELESS_UNAVAILABLE' })
        expect((error as { attempts?: { error?: string }[] }).attempts?.[0]?.error).toMatch(/^\w+$/)
        await ours.good()
      })
    }
  })

  it('25: more body than announced: the surplus is no answer to anybody', async ({ expect }) => {
    const peer = await misbehaving(
      (socket) => void socket.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`),
    )
    await using ours = clientOf([peer], { connections: 1 })
    for (let i = 0; i < 3; i += 1) {
      await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
      await ours.good()
    }
  })

  it('28: status 999 is no success', async ({ expect }) => {
    const peer = await misbehaving((socket) => void socket.write('HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok'))
    await using ours = clientOf([peer])
    const { error } = await timed(ours.client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ name: 'ResponseError', status: 999, body: 'ok' })
    expect(ours.leases.verdicts).toEqual([`${peer.instance.id} failure`])
    await ours.good()
  })

  it('30: a body where none may be is not taken for one', async ({ expect }) => {
    const peer = await tcp((socket, head) => {
      if (head.startsWith('GET /good')) socket.write(OK)
      else if (head.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      else socket.write('HTTP/1.1 204 No Content\r\n\r\nsurplus')
    })
    await using ours = clientOf([peer])
    await expect(ours.client.call('orders', 'HEAD', '/')).resolves.toBeUndefined()
    await ours.good()
    await expect(ours.client.call('orders', 'DELETE', '/')).resolves.toBeUndefined()
    await ours.good()
  })

  it('31: a body without end stops at the limit, and the connection with it', async ({ expect }) => {
    let written = 0
    const peer = await http((request, response) => {
      if (request.url === '/good') return void response.end('ok')
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536
      }
      response.on('drain', more)
      more()
    })
    await using ours = clientOf([peer], { maxBodyBytes: 1_000_000 })
    const { error } = await timed(ours.client.call('orders', 'GET', '/'))
    expect(error).toMatchObject({ name: 'BodyError', message: expect.stringContaining('1000000 bytes') })
    await eventually(() => peer.open.size === 0)
    expect(written).toBeLessThan(50_000_000)
    await ours.good()
  })

  it('33: the unread body of a discarded attempt blocks nobody, not even on one connection', async ({ expect }) => {
    let failing = true
    const long = await http((request, response) => {
      if (request.url === '/good' || !failing) return void response.end('ok')
      failing = false
      response.writeHead(503, { 'content-length': 300_000 })
      response.write('x'.repeat(200_000))
    })
    await using ours = clientOf([long], { connections: 1 })
    await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    expect(ours.leases.settledCount).toBe(2)
    await ours.good()
  })

  it('33: a short one is drained, and its connection kept', async ({ expect }) => {
    let failing = true
    const short = await http((request, response) => {
      if (request.url === '/good' || !failing) return void response.end('ok')
      failing = false
      response.writeHead(503).end('try again')
    })
    await using ours = clientOf([short], { connections: 1 })
    await expect(ours.client.call('orders', 'GET', '/')).resolves.toBe('ok')
    await ours.good()
    expect(short.accepted).toBe(1)
  })

  it('33: the body a caller leaves unread ends when it is destroyed', async ({ expect }) => {
    const peer = await http((request, response) => {
      response.end(request.url === '/good' ? 'ok' : 'x'.repeat(300_000))
    })
    await using ours = clientOf([peer], { connections: 1 })
    const { body } = await ours.client.request({ service: 'orders', path: '/' })
    expect(ours.leases.inFlight).toBe(1)
    body.on('error', () => {}).destroy()
    await eventually(() => ours.leases.inFlight === 0)
    await ours.good()
  })

  it('35: a redirect is an answer, and not followed', async ({ expect }) => {
    const peer = await http((request, response) => {
      if (request.url === '/good') return void response.end('ok')
      response.writeHead(302, { location: 'http://169.254.169.254/secrets' }).end()
    })
    await using ours = clientOf([peer])
    const { statusCode, body } = await ours.client.request({ service: 'orders', path: '/' })
    await body.dump()
    expect(statusCode).toBe(302)
    await ours.good()
  })
})

import { EventEmitter } from 'node:events'
import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { LoadResponder, type LoadResponderOptions } from 'gateless/inbound'
import { parseLoadReport } from 'gateless/balancing'
import { FakeClock } from '../../src/testing/fake-clock.ts'

function setup(options: LoadResponderOptions = {}) {
  const clock = new FakeClock(100_000)
  return { clock, load: new LoadResponder({ clock, ...options }) }
}

/** A response as far as a responder looks at it. */
class Response extends EventEmitter {
  statusCode = 200
  writableFinished = true
  readonly headers: Record<string, unknown> = {}
  body: unknown
  setHeader(name: string, value: unknown): void {
    this.headers[name] = value
  }
  writeHead(status: number, headers: object): this {
    this.statusCode = status
    Object.assign(this.headers, headers)
    return this
  }
  end(body: unknown): void {
    this.body = body
  }
}

function ask(load: LoadResponder, url: string, method = 'GET') {
  const handled = vi.fn<() => void>()
  const response = new Response()
  load.wrap(handled)({ url, method } as never, response as never)
  return { handled, response }
}

describe('LoadResponder', () => {
  it('counts what is being served', () => {
    const { load } = setup()
    const [first, second] = [load.begin(), load.begin()]
    expect(load.inFlight).toBe(2)
    first.end()
    first.end('failed')
    expect(load.inFlight).toBe(1)
    second.end('abandoned')
    expect(load.report()).toEqual({ inFlight: 0, latencyMs: 0 })
  })

  it('tells how long requests take that find as many in flight', async () => {
    const { load, clock } = setup()
    const alone = load.begin()
    await clock.advance(10)
    alone.end()
    const both = [load.begin(), load.begin()]
    await clock.advance(40)
    both[1]?.end()
    await clock.advance(0)
    // One in flight: the next would be the second.
    expect(load.report()).toEqual({ inFlight: 1, latencyMs: 40 })
    both[0]?.end('abandoned')
    expect(load.report()).toEqual({ inFlight: 0, latencyMs: 10 })
  })

  it('does not take the time of errors, or of callers that left, for that of answers', async () => {
    const { load, clock } = setup()
    for (const how of ['failed', 'abandoned'] as const) {
      const served = load.begin()
      await clock.advance(5)
      served.end(how)
    }
    expect(load.report().latencyMs).toBe(0)
  })

  it('says so in headers that clients understand', async () => {
    const { load, clock } = setup({ utilization: () => 0.75 })
    for (let i = 0; i < 30; i += 1) load.begin().end(i < 5 ? 'failed' : 'served')
    load.begin()
    expect(load.headers()).toEqual({
      'x-load-rif': '1',
      'endpoint-load-metrics': 'TEXT rps_fractional=3,eps=0.5,application_utilization=0.75',
    })
    expect(parseLoadReport(load.headers())).toEqual({
      inFlight: 1,
      requestsPerSecond: 3,
      errorsPerSecond: 0.5,
      applicationUtilization: 0.75,
    })
    await clock.advance(20_000)
    expect(parseLoadReport(load.headers())).toMatchObject({ requestsPerSecond: 0, errorsPerSecond: 0 })
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -0.1, '1'])('keeps a utilization of %s to itself', (utilization) => {
    const { load } = setup({ utilization: () => utilization as number })
    expect(load.headers()['endpoint-load-metrics']).toBe('TEXT rps_fractional=0,eps=0')
  })

  it('reports a utilization of 0', () => {
    expect(setup({ utilization: () => 0 }).load.headers()['endpoint-load-metrics']).toContain(
      'application_utilization=0',
    )
  })

  it('wraps a listener: counts the request until its answer is closed', () => {
    const { load } = setup()
    const { handled, response } = ask(load, '/orders')
    expect(handled).toHaveBeenCalledOnce()
    expect(response.headers['x-load-rif']).toBe('1')
    expect(load.inFlight).toBe(1)
    response.emit('close')
    response.emit('close')
    expect(load.inFlight).toBe(0)
  })

  it('tells answers, errors and abandoned requests apart', async () => {
    const { load, clock } = setup()
    const end = async (status: number, finished: boolean): Promise<void> => {
      const { response } = ask(load, '/')
      await clock.advance(20)
      response.statusCode = status
      response.writableFinished = finished
      response.emit('close')
    }
    await end(500, true)
    await end(200, false)
    expect(load.report().latencyMs).toBe(0)
    expect(load.headers()['endpoint-load-metrics']).toBe('TEXT rps_fractional=0.2,eps=0.1')
    await end(499, true)
    expect(load.report().latencyMs).toBe(20)
    expect(load.headers()['endpoint-load-metrics']).toBe('TEXT rps_fractional=0.3,eps=0.1')
  })

  it('answers probes itself, and counts none', () => {
    const { load } = setup()
    load.begin()
    for (const url of ['/load', '/load?from=me']) {
      const { handled, response } = ask(load, url)
      expect(handled).not.toHaveBeenCalled()
      expect(response.statusCode).toBe(200)
      expect(response.headers).toEqual({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      expect(JSON.parse(response.body as string)).toEqual({ inFlight: 1, latencyMs: 0 })
    }
    expect(load.inFlight).toBe(1)
  })

  it('leaves everything else to the listener', () => {
    const { load } = setup({ path: '/internal/load' })
    for (const [url, method] of [
      ['/load', 'GET'],
      ['/internal/load', 'POST'],
      ['/internal/loads', 'GET'],
      ['/internal/load/x', 'GET'],
    ] as const) {
      expect(ask(load, url, method).handled).toHaveBeenCalledOnce()
    }
    expect(ask(load, '/internal/load').handled).not.toHaveBeenCalled()
  })

  it('keeps out of the headers when asked to', () => {
    const { load } = setup({ headers: false })
    expect(ask(load, '/').response.headers).toEqual({})
  })

  it.each([
    [{ path: 'load' }, new TypeError('LoadResponder: path must be a path that begins with /, got "load"')],
    [{ headers: 1 }, new RangeError('LoadResponder: headers must be true or false, got 1')],
    [{ utilization: 1 }, new RangeError('LoadResponder: utilization must be a function, got 1')],
    [{ port: 1 }, new TypeError('LoadResponder: unknown option "port"; known are path, headers, utilization, clock')],
  ])('refuses %j', (options, error) => {
    expect(() => new LoadResponder(options as never)).toThrow(error)
  })

  it('works in a real server, on its own clock', async () => {
    const load = new LoadResponder()
    const server = createServer(load.wrap((_request, response) => void response.end('done')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const get = (path: string) =>
      new Promise<{ body: string; headers: Record<string, unknown> }>((resolve, reject) => {
        send({ port, path, host: '127.0.0.1', agent: false }, (response) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (body += chunk))
          response.on('end', () => resolve({ body, headers: response.headers }))
        })
          .on('error', reject)
          .end()
      })
    try {
      const answer = await get('/orders')
      expect(answer.body).toBe('done')
      expect(parseLoadReport(answer.headers)).toMatchObject({ inFlight: 1 })
      expect(JSON.parse((await get('/load')).body)).toMatchObject({ inFlight: 0 })
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })
})

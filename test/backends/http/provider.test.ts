import { describe, expect, it } from 'vitest'
import { httpRegistry } from 'gateless/backends/http'
import type { HttpRegistryOptions } from '../../../src/backends/http/provider.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type Reply, ScriptedDispatcher, settle } from './scripted-dispatcher.ts'

const GOOD = { id: 'd1', service_name: 's', host: '10.0.0.1', port: 8081 }

function setUp(reply: Reply, options: Partial<HttpRegistryOptions> = {}) {
  const dispatcher = new ScriptedDispatcher(reply)
  const clock = new FakeClock()
  const provider = httpRegistry({ url: 'http://127.0.0.1:8500', dispatcher, clock, ...options })
  const list = (name = 's', signal = new AbortController().signal) => provider.list(name, { signal })
  return { dispatcher, clock, provider, list }
}

async function failure(promise: Promise<unknown>): Promise<Error & { status?: number; retryAfterMs?: number }> {
  return promise.then(
    (value) => {
      throw new Error(`no failure but ${JSON.stringify(value)}`)
    },
    (error: unknown) => error as Error,
  )
}

describe('httpRegistry', () => {
  it('asks for one service and reads its instances', async () => {
    const { list, dispatcher } = setUp({ status: 200, body: [GOOD, { host: 'user@evil', port: 1 }] })
    expect(await list('a/b ü')).toEqual({ kind: 'ok', instances: [], dropped: 2, partial: false })
    expect(await list()).toMatchObject({ kind: 'ok', instances: [{ id: 'd1', host: '10.0.0.1' }], dropped: 1 })
    expect(dispatcher.lines[0]).toBe('GET http://127.0.0.1:8500/services/a%2Fb%20%C3%BC')
    expect(dispatcher.seen[0]?.headers).toEqual({ accept: 'application/json' })
  })

  it('passes on that a registry which is warming up may not know everybody yet', async () => {
    const warm = setUp({ status: 200, headers: { 'x-gateless-warming-up': '1' }, body: [GOOD] })
    expect(await warm.list()).toMatchObject({ kind: 'ok', instances: [{ id: 'd1' }], partial: true })
  })

  it('tells an empty service from one nobody knows, and both from a registry that cannot say', async () => {
    expect(await setUp({ status: 200, body: [] }).list()).toEqual({
      kind: 'ok',
      instances: [],
      dropped: 0,
      partial: false,
    })
    expect(await setUp({ status: 404, body: { error: 'x' } }).list()).toEqual({ kind: 'not-found' })
    const error = await failure(
      setUp({ status: 503, headers: { 'retry-after': '7' }, body: { error: 'warming up' } }).list(),
    )
    expect(error).toMatchObject({
      name: 'HttpRegistryError',
      code: 'ERR_GATELESS_HTTP_REGISTRY',
      status: 503,
      retryAfterMs: 7_000,
      message: 'GET http://127.0.0.1:8500/services/s answered 503: warming up',
    })
  })

  it.each([
    ['HTML', '<!doctype html><h1>502</h1>', 'answered no JSON (content-type text/html)'],
    ['half an answer', '[{"id":"d1"', 'answered no JSON'],
    ['a byte order mark', '\ufeff[]', 'answered no JSON'],
    ['nothing', '', 'answered no JSON'],
    ['an object', '{}', 'answered no list of instances'],
    ['a string', '"[]"', 'answered no list of instances'],
    ['null', 'null', 'answered no list of instances'],
    ['a tower of brackets', '['.repeat(100_000), 'nested deeper than 32 levels'],
  ])('takes %s for an error, not for an empty list', async (_, body, message) => {
    const error = await failure(setUp({ status: 200, body, headers: { 'content-type': 'text/html' } }).list())
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('<h1>')
    expect(error.status).toBe(200)
  })

  it.each([301, 302, 307, 308])('follows no redirect: %d', async (status) => {
    const { list, dispatcher } = setUp({ status, headers: { location: 'http://evil/services/s' } })
    expect((await failure(list())).message).toContain(
      `answered ${status}, and redirects of a registry are not followed`,
    )
    expect(dispatcher.seen).toHaveLength(1)
  })

  it('refuses an answer over the limit', async () => {
    const { list, dispatcher } = setUp({ status: 200, body: [GOOD, 'x'.repeat(2_000)] }, { maxAnswerBytes: 1_024 })
    expect((await failure(list())).message).toContain('answered more than 1024 bytes')
    expect(dispatcher.aborted).toBe(1)
  })

  it('reads a bounded number of entries and counts the others', async () => {
    const entries = Array.from({ length: 30_010 }, (_, i) => ({ host: '10.0.0.1', port: (i % 30_000) + 1 }))
    const answer = await setUp({ status: 200, body: entries }).list()
    expect(answer).toMatchObject({ kind: 'ok', dropped: 10 })
  })

  it('says what was asked when the registry cannot be reached', async () => {
    const cause = new Error('connect ECONNREFUSED 127.0.0.1:8500')
    const error = await failure(setUp(cause).list())
    expect(error).toMatchObject({ name: 'HttpRegistryError', cause })
    expect(error.message).toBe('GET http://127.0.0.1:8500/services/s failed: connect ECONNREFUSED 127.0.0.1:8500')
  })

  it('finds words for an error without a message', async () => {
    const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
    expect((await failure(setUp(refused).list())).message).toMatch(/failed: ECONNREFUSED$/)
    expect((await failure(setUp(new AggregateError([])).list())).message).toMatch(/failed: AggregateError$/)
  })

  it('leaves out a reason that is long, unprintable or no reason', async () => {
    for (const body of ['x'.repeat(5_000), { error: 'a\nb' }, { error: 5 }, 'oops', null, { error: 'y'.repeat(300) }]) {
      expect((await failure(setUp({ status: 500, body }).list())).message).toMatch(/answered 500$/)
    }
  })

  it('gives up after timeoutMs, and tells undici', async () => {
    const { list, clock, dispatcher } = setUp('hang', { timeoutMs: 100 })
    const error = failure(list())
    await settle()
    await clock.advance(100)
    expect((await error).name).toBe('TimeoutError')
    expect(dispatcher.aborted).toBe(1)
    expect(clock.pending).toBe(0)
  })

  it('stops at once when the client does', async () => {
    const { list, clock } = setUp('hang')
    const controller = new AbortController()
    const error = failure(list('s', controller.signal))
    const reason = new Error('closed')
    controller.abort(reason)
    expect(await error).toBe(reason)
    expect(clock.pending).toBe(0)
  })

  it('puts a path of the url before its own, and sends the headers it was given', async () => {
    const { list, dispatcher } = setUp(
      { status: 200, body: [] },
      { url: new URL('https://registry.example/base/'), headers: { 'X-Tenant': 't', authorization: 'Bearer x' } },
    )
    await list()
    expect(dispatcher.lines).toEqual(['GET https://registry.example/base/services/s'])
    expect(dispatcher.seen[0]?.headers).toEqual({
      accept: 'application/json',
      'x-tenant': 't',
      authorization: 'Bearer x',
    })
  })

  it('sends a user and password of the url as credentials, and shows them nowhere', async () => {
    const { list, dispatcher, provider } = setUp(new Error('down'), { url: 'http://me:p%40ss%@127.0.0.1:8500' })
    const error = await failure(list())
    const sent = dispatcher.seen[0]?.headers['authorization'] ?? ''
    expect(Buffer.from(sent.replace('Basic ', ''), 'base64').toString()).toBe('me:p%40ss%')
    expect(dispatcher.lines[0]).toBe('GET http://127.0.0.1:8500/services/s')
    expect(`${provider.name} ${error.message} ${error.stack}`).not.toMatch(/p%40ss|p@ss|me:/)
  })

  it('decodes credentials as a URL means them', async () => {
    const { list, dispatcher } = setUp({ status: 200, body: [] }, { url: 'http://m%65:p%40ss@127.0.0.1:8500' })
    await list()
    const sent = dispatcher.seen[0]?.headers['authorization'] ?? ''
    expect(Buffer.from(sent.replace('Basic ', ''), 'base64').toString()).toBe('me:p@ss')
  })

  it('does not close a dispatcher that was lent to it', async () => {
    await setUp({ status: 200, body: [] }).provider.close?.()
  })

  it('closes its own', async () => {
    const provider = httpRegistry({ url: 'http://127.0.0.1:1' })
    await provider.close?.()
    const error = await failure(provider.list('s', { signal: new AbortController().signal }))
    expect(error.message).toContain('destroyed')
  })
})

describe('options of httpRegistry', () => {
  it.each([
    ['no url', {}, 'url must be an http: or https: URL'],
    ['another scheme', { url: 'ftp://x' }, 'url must be'],
    ['a query', { url: 'http://x/?a=b' }, 'url must be'],
    ['no URL', { url: 'nonsense' }, 'url must be'],
    ['a header that is none', { url: 'http://x', headers: { 'a b': 'c' } }, 'a b'],
    ['a header with a line break', { url: 'http://x', headers: { a: 'b\r\nc: d' } }, 'Invalid character in header'],
    ['a header that is no string', { url: 'http://x', headers: { a: 1 } }, 'headers: "a" must be a string'],
    ['headers that are a list', { url: 'http://x', headers: [] }, 'headers must be an object of strings'],
    ['credentials twice', { url: 'http://u:p@x', headers: { Authorization: 'x' } }, 'without authorization when url'],
    ['a tiny limit', { url: 'http://x', maxAnswerBytes: 5 }, 'maxAnswerBytes must be an integer from 1024'],
    ['a dispatcher that is none', { url: 'http://x', dispatcher: {} }, 'dispatcher must be an object with dispatch()'],
    ['a name nobody asked for', { url: 'http://x', ttlMs: 5 }, 'unknown option "ttlMs"'],
  ])('refuse %s', (_, options, message) => {
    expect(() => httpRegistry(options as never)).toThrow(message)
  })

  it('never show the url they refuse, nor a header', () => {
    const bad = [
      { url: 'http://me:secret@x:99999' },
      { url: 'http://x', headers: { authorization: 'secret\n' } },
      { url: 'ftp://me:secret@x' },
    ]
    for (const options of bad) {
      try {
        httpRegistry(options)
        expect.unreachable()
      } catch (error) {
        expect(String(error)).not.toContain('secret')
      }
    }
  })
})

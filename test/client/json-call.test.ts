import { BodyError, ResponseError } from 'gateless'
import { describe, expect, it } from 'vitest'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, begin, coded, json, StubTransport } from '../support/stub-transport.ts'

const call = (behaviour: Parameters<typeof answer>[0], options: object = {}, method = 'GET') =>
  stubClient(new StubTransport(answer(behaviour)), { retry: false, ...options }).client.call('orders', method, '/x?t=1')

const type = (contentType: string) => ({ headers: { 'content-type': contentType } })

describe('what call makes of a body', () => {
  it.each(['application/json', 'application/json; charset=utf-8', 'Application/Problem+JSON'])(
    'JSON where it says %s',
    async (contentType) => {
      await expect(call({ ...type(contentType), body: '{"a":[1]}' })).resolves.toEqual({ a: [1] })
    },
  )

  it.each(['text/plain', 'text/html', 'application/jsonp', 'application/xml'])(
    'text where it says %s',
    async (name) => {
      await expect(call({ ...type(name), body: '{"a":1}' })).resolves.toBe('{"a":1}')
    },
  )

  it('text where it says nothing, undefined where there is nothing', async () => {
    await expect(call({ body: 'plain' })).resolves.toBe('plain')
    await expect(call({ status: 204 })).resolves.toBeUndefined()
  })

  it('one text out of many chunks, with letters split between them', async () => {
    const bytes = Buffer.from('"grün"')
    const transport = new StubTransport((exchange) => {
      exchange.sent().headers(200, { 'content-type': 'application/json' })
      for (const byte of bytes) exchange.chunk(Buffer.from([byte]))
      exchange.end()
    })
    await expect(stubClient(transport).client.call('orders', 'GET', '/')).resolves.toBe('grün')
  })

  it('a byte order mark is no JSON, and does not harm', async () => {
    await expect(call({ ...type('application/json'), body: '\ufeff[1]' })).resolves.toEqual([1])
  })

  it('a 2xx that lies about being JSON is a BodyError without its text', async () => {
    const error = await failure(call({ ...type('application/json'), body: '<html>secret' }))
    expect(error).toBeInstanceOf(BodyError)
    expect(error.code).toBe('ERR_GATELESS_BODY')
    expect(error.message).toBe('orders GET /x: the body is not the JSON that its content type says')
  })

  it('a `__proto__` in it pollutes nothing', async () => {
    const body = (await call({ ...type('application/json'), body: '{"__proto__":{"bad":1}}' })) as object
    expect((body as { bad?: number }).bad).toBeUndefined()
    expect(({} as { bad?: number }).bad).toBeUndefined()
  })
})

const at = async (value: string) =>
  (await failure(call({ status: 429, headers: { 'retry-after': value } }))).retryAfterMs

describe('an answer that is no 2xx', () => {
  it('is thrown with status, headers, body and attempts', async () => {
    const error = await failure(
      call({ status: 409, headers: { 'content-type': 'application/json', etag: 'x' }, body: '{"why":"taken"}' }),
    )
    expect(error).toBeInstanceOf(ResponseError)
    expect(error).toMatchObject({
      name: 'ResponseError',
      code: 'ERR_GATELESS_RESPONSE',
      message: 'orders GET /x: answered 409',
      service: 'orders',
      status: 409,
      headers: { etag: 'x' },
      body: { why: 'taken' },
      retryAfterMs: undefined,
      local: false,
      attempts: [{ attempt: 1, instanceId: '1', status: 409, outcome: 'answered' }],
      notRetried: undefined,
    })
  })

  it('with a body that is no JSON keeps it as text', async () => {
    const error = await failure(call({ status: 502, ...type('application/json'), body: '<html>bad gateway' }))
    expect(error).toMatchObject({ status: 502, body: '<html>bad gateway' })
  })

  it('says when to come back, within bounds (FAULTS 80)', async () => {
    expect(await at('7')).toBe(7_000)
    expect(await at('100000')).toBe(300_000)
    expect(await at('-7')).toBeUndefined()
    expect(await at('Thu, 01 Jan 1970 00:00:00 GMT')).toBe(0)
  })

  it('says why it was not retried', async () => {
    const { client } = stubClient(new StubTransport(answer({ status: 503 })))
    const error = await failure(client.call('orders', 'POST', '/'))
    expect(error).toMatchObject({ status: 503, notRetried: 'not-idempotent' })
  })
})

describe('a body that is too large (FAULTS 31)', () => {
  it('is refused when it is announced, and when it grows', async () => {
    for (const headers of [{ 'content-length': '11' }, {}]) {
      const transport = new StubTransport(begin({ headers, body: ['01234', '56789', 'x'] }))
      const { client, leases } = stubClient(transport, { maxBodyBytes: 10 })
      const error = await failure(client.call('orders', 'GET', '/'))
      expect(error).toMatchObject({ name: 'BodyError', message: 'orders GET /: the body is larger than 10 bytes' })
      expect(transport.last().aborted).toBe(true)
      expect(leases).toMatchObject({ inFlight: 0, verdicts: ['1 success'] })
    }
  })

  it('is not waited for when it is announced', async () => {
    const transport = new StubTransport(begin({ headers: { 'content-length': '11' } }))
    const error = await failure(stubClient(transport, { maxBodyBytes: 10 }).client.call('orders', 'GET', '/'))
    expect(error.name).toBe('BodyError')
  })

  it('fits exactly', async () => {
    await expect(call({ headers: { 'content-length': '10' }, body: '0123456789' }, { maxBodyBytes: 10 })).resolves.toBe(
      '0123456789',
    )
  })

  it('does not hide the status of an error page', async () => {
    const error = await failure(call({ status: 404, body: '0123456789x' }, { maxBodyBytes: 10 }))
    expect(error).toMatchObject({ name: 'ResponseError', status: 404, body: undefined })
  })

  it.each([
    ['HEAD', 200],
    ['head', 200],
    ['GET', 304],
  ])('is not what a %s with %i announces', async (method, status) => {
    const result = call({ status, headers: { 'content-length': '1000' } }, { maxBodyBytes: 10 }, method)
    if (status === 200) await expect(result).resolves.toBeUndefined()
    else expect(await failure(result)).toMatchObject({ status: 304 })
  })
})

describe('informational answers', () => {
  it('are not the answer', async () => {
    const transport = new StubTransport((exchange) => {
      exchange.sent().headers(103, { 'content-length': '99999999' })
      json({ a: 1 })(exchange)
    })
    await expect(stubClient(transport, { maxBodyBytes: 100 }).client.call('orders', 'GET', '/')).resolves.toEqual({
      a: 1,
    })
  })
})

it('an error of the transport arrives as it is made: a CallError with the cause', async () => {
  const cause = coded('ECONNREFUSED')
  const transport = new StubTransport((exchange) => void exchange.fail(cause))
  const error = await failure(stubClient(transport, { retry: false }).client.call('orders', 'GET', '/'))
  expect(error).toMatchObject({ name: 'CallError', cause })
})

import { describe, expect, it } from 'vitest'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, StubTransport } from '../support/stub-transport.ts'

/** What happens to a request: the options that were sent, or the error. */
async function attempt(request: object) {
  const transport = new StubTransport(answer())
  const { client, leases } = stubClient(transport)
  const result = await client
    .request({ service: 'orders', path: '/', ...request })
    .then(() => transport.last().options)
    .catch((error: unknown) => error as Error & { code: string })
  expect(leases.inFlight).toBe(0)
  return { result, sent: transport.exchanges.length }
}

async function refused(request: object): Promise<string> {
  const { result, sent } = await attempt(request)
  expect(sent).toBe(0)
  expect(result).toMatchObject({ name: 'InvalidRequestError', code: 'ERR_GATELESS_INVALID_REQUEST', local: true })
  return (result as Error).message
}

describe('a path', () => {
  it.each([
    ['//evil', 'single slash'],
    ['/\\evil', 'single slash'],
    ['http://evil/x', 'start with a slash'],
    ['evil', 'start with a slash'],
    ['', 'start with a slash'],
    ['*', 'start with a slash'],
    ['/a b', 'position 2'],
    ['/a\r\nx: 1', 'position 2'],
    ['/a\0', 'position 2'],
    ['/a\u007f', 'control characters'],
    ['/a#b', 'fragment'],
    [undefined, 'must be a string'],
    [{}, 'must be a string'],
  ])('%j is refused: %s', async (path, why) => {
    expect(await refused({ path })).toContain(why)
  })

  it.each([
    ['/', '/'],
    ['/a/../b', '/a/../b'],
    ['/%2e%2e/x', '/%2e%2e/x'],
    ['/a?b=c%20d&e', '/a?b=c%20d&e'],
    ['/grün/✓', '/gr%C3%BCn/%E2%9C%93'],
    ['/😀', '/%F0%9F%98%80'],
    ['/\ud800x', '/%EF%BF%BDx'],
    ['/a//b', '/a//b'],
  ])('%j is sent as %j (FAULTS 40, 41)', async (path, expected) => {
    expect((await attempt({ path })).result).toMatchObject({ path: expected })
  })
})

describe('a method', () => {
  it.each(['', 'GE T', 'GET\r\n', 'G:T', undefined, null, 7])('%j is refused', async (method) => {
    // `request` takes undefined for its default.
    if (method === undefined) return
    expect(await refused({ method })).toBe('method must be an HTTP token')
  })

  it('may be one that nobody knows', async () => {
    expect((await attempt({ method: 'PURGE' })).result).toMatchObject({ method: 'PURGE' })
  })

  it('is refused by call too', async () => {
    const { client } = stubClient(new StubTransport(answer()))
    for (const method of ['a b', undefined, {}]) {
      expect(await failure(client.call('orders', method as string, '/'))).toMatchObject({
        code: 'ERR_GATELESS_INVALID_REQUEST',
      })
    }
    expect(
      await failure(client.call('orders', 'GET', undefined as never, undefined, { query: { a: 1 } })),
    ).toMatchObject({ code: 'ERR_GATELESS_INVALID_REQUEST' })
  })
})

describe('headers', () => {
  it.each([
    [{ 'x\r\ny': '1' }],
    [{ '': '1' }],
    [{ 'a b': '1' }],
    [['x']],
    [[7, 'x']],
    [7],
    ['x: y'],
    [new Map([['a:b', '1']])],
  ])('%j are refused', async (headers) => {
    expect(await refused({ headers })).toMatch(/header/)
  })

  it('with CR, LF or NUL in a value are refused, and the value is not told (FAULTS 38)', async () => {
    for (const value of ['secret\r\nx: 1', 'secret\n', 'secret\0', 'secret\u{1F600}', {}, ['ok', 'secret\r']]) {
      for (const headers of [{ 'x-token': value }, ['x-token', value], new Map([['x-token', value]])]) {
        const message = await refused({ headers })
        expect(message).toContain('x-token')
        expect(message).not.toContain('secret')
      }
    }
  })

  it.each(['Host', 'Transfer-Encoding', 'Connection', 'Keep-Alive', 'Upgrade', 'Expect'])(
    '%s is not the caller’s (FAULTS 42)',
    async (name) => {
      expect(await refused({ headers: { [name]: 'x' } })).toBe(`header ${name} is not the caller's to set`)
    },
  )

  it('pass in all forms, and with every value undici takes', async () => {
    for (const headers of [
      { a: '1', b: ['x', 'y'], c: undefined, d: 7, e: true, f: 'tab\tand obs-text \u00ff' },
      ['a', '1', 'b', '2'],
      new Map([['a', '1']]),
      new Headers({ a: '1' }),
      null,
      undefined,
    ]) {
      const { result, sent } = await attempt({ headers })
      expect(result).not.toBeInstanceOf(Error)
      expect(sent).toBe(1)
    }
  })

  it('called __proto__ are a header like any other (FAULTS 43)', async () => {
    const headers = JSON.parse('{"__proto__":"x"}') as Record<string, string>
    const transport = new StubTransport(answer())
    const { client } = stubClient(transport)
    await client.call('orders', 'GET', '/', undefined, { headers })
    expect(transport.last().options.headers).toEqual(['__proto__', 'x', 'accept', 'application/json'])
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  it('with a hostile value are checked in linear time (FAULTS 56, 57)', async () => {
    const value = `${'a'.repeat(1_000_000)}\n`
    const began = performance.now()
    await refused({ headers: { x: value } })
    await refused({ method: `${'a'.repeat(1_000_000)} ` })
    await refused({ path: `/${'a'.repeat(1_000_000)} ` })
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

import { describe, expect, it } from 'vitest'
import { failure, stubClient } from '../support/stub-client.ts'
import { answer, StubTransport } from '../support/stub-transport.ts'

async function sent(path: string, query: object): Promise<string | undefined> {
  const transport = new StubTransport(answer())
  await stubClient(transport).client.call('orders', 'GET', path, undefined, { query: query as never })
  return transport.last().options.path
}

describe('a query', () => {
  it('is appended and encoded', async () => {
    expect(await sent('/a', { q: 'x y&z=1', n: 3, on: true })).toBe('/a?q=x+y%26z%3D1&n=3&on=true')
  })

  it('is added to one that is there', async () => {
    expect(await sent('/a?b=1', { c: 2 })).toBe('/a?b=1&c=2')
  })

  it('repeats names for arrays, and leaves undefined and null out', async () => {
    expect(await sent('/a', { t: ['x', undefined, 'y', null], u: undefined, v: null, w: [] })).toBe('/a?t=x&t=y')
    expect(await sent('/a', { u: undefined })).toBe('/a')
    expect(await sent('/a', {})).toBe('/a')
  })

  it('takes own properties only', async () => {
    expect(await sent('/a', Object.create({ inherited: 1 }) as object)).toBe('/a')
  })

  it('cannot inject a line or a fragment', async () => {
    expect(await sent('/a', { q: '\r\nx: 1#f' })).toBe('/a?q=%0D%0Ax%3A+1%23f')
  })

  it('refuses what has no text', async () => {
    const transport = new StubTransport(answer())
    const { client } = stubClient(transport)
    for (const query of [{ q: {} }, { q: [['nested']] }]) {
      expect(await failure(client.call('orders', 'GET', '/', undefined, { query: query as never }))).toMatchObject({
        code: 'ERR_GATELESS_INVALID_REQUEST',
        message: 'query q must be a string, number or boolean',
      })
    }
    expect(transport.exchanges).toHaveLength(0)
  })

  it('works for request too', async () => {
    const transport = new StubTransport(answer())
    await stubClient(transport).client.request({ service: 'orders', path: '/a', query: { b: [1, 2] } })
    expect(transport.last().options.path).toBe('/a?b=1&b=2')
  })
})

import { Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { readJson } from '../../src/registry/body.ts'
import { findRoute } from '../../src/registry/router.ts'

describe('findRoute', () => {
  it('splits the path before it decodes the names, and keeps the query apart', () => {
    const { service, id, query } = findRoute('PUT', '/services/a%2Fb/instances/c%3Fd/heartbeat?x=1?2')
    expect([service, id, query.get('x')]).toEqual(['a/b', 'c?d', '1?2'])
  })

  it('knows no path that does not begin with a slash', () => {
    expect(() => findRoute('GET', 'x/services')).toThrow('no such path')
    expect(() => findRoute('GET', '')).toThrow('no such path')
    expect(() => findRoute('OPTIONS', '*')).toThrow('no such path')
  })
})

describe('readJson', () => {
  it('settles when the client leaves before the end', async () => {
    const request = Object.assign(new Readable({ read: () => {} }), { headers: {} })
    request.push('{"half":')
    const reading = readJson(request as unknown as IncomingMessage, 100)
    request.destroy()
    await expect(reading).rejects.toThrow('the body ended early')
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { heartbeatPath, instancePath, servicePath, servicesPath, statusPath } from '../../../src/backends/http/api.ts'

describe('paths', () => {
  it('are those of the protocol', () => {
    expect(servicesPath()).toBe('/services')
    expect(servicePath('s')).toBe('/services/s')
    expect(instancePath('s', 'a:1')).toBe('/services/s/instances/a%3A1')
    expect(heartbeatPath('s', 'a')).toBe('/services/s/instances/a/heartbeat')
    expect(statusPath('s', 'a')).toBe('/services/s/instances/a/status')
  })

  it('keep any name in one segment, and bring it back', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (name) => {
        if (name === '.' || name === '..') return
        const url = new URL(`http://h${instancePath(name, name)}`)
        const segments = url.pathname.split('/')
        expect(segments).toHaveLength(5)
        expect(decodeURIComponent(segments[2] as string)).toBe(name)
        expect(decodeURIComponent(segments[4] as string)).toBe(name)
        expect(url.search + url.hash).toBe('')
      }),
    )
  })

  it.each(['', '.', '..', '\ud800'])('refuse %o', (name) => {
    expect(() => servicePath(name)).toThrow(RangeError)
    expect(() => instancePath('s', name)).toThrow(RangeError)
  })
})

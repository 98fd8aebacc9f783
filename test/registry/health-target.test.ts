import { describe, expect, it } from 'vitest'
import { healthTarget } from '../../src/registry/health-target.ts'

const at = { host: '10.0.0.1', port: 8080, secure: false }

describe('where a health check may go', () => {
  it.each([
    ['/health', 'http://10.0.0.1:8080/health'],
    ['/health?full=1#part', 'http://10.0.0.1:8080/health?full=1'],
    ['http://10.0.0.1:8080/up', 'http://10.0.0.1:8080/up'],
    ['HTTPS://10.0.0.1:8080/up', 'https://10.0.0.1:8080/up'],
    // Another spelling of the same address is still the instance itself.
    ['http://0x0a000001:8080/', 'http://10.0.0.1:8080/'],
    ['/../..//x', 'http://10.0.0.1:8080//x'],
  ])('%s is %s', (url, target) => {
    expect(healthTarget(at, url)?.href).toBe(target)
  })

  it.each([
    'http://10.0.0.2:8080/',
    'http://10.0.0.1:8081/',
    'http://10.0.0.1/',
    'https://10.0.0.1/',
    'http://10.0.0.1:8080@evil/',
    'http://user@10.0.0.1:8080/',
    'http://:pass@10.0.0.1:8080/',
    '//evil/health',
    '/\\evil/health',
    '\\\\evil',
    'health',
    '',
    'file:///etc/passwd',
    'http://',
    'http://[::1/',
  ])('%j is refused', (url) => {
    expect(healthTarget(at, url)).toBeUndefined()
  })

  it('speaks TLS with an instance that does, and knows the default ports', () => {
    expect(healthTarget({ host: 'a.example', port: 443, secure: true }, '/h')?.href).toBe('https://a.example/h')
    expect(healthTarget({ host: 'a.example', port: 80, secure: false }, 'http://A.example/h')?.port).toBe('')
    expect(healthTarget({ host: '::1', port: 80, secure: false }, 'http://[0:0::1]/h')?.href).toBe('http://[::1]/h')
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseHost, parsePort, urlHost } from '../../src/core/host.ts'

describe('parseHost', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['Example.COM', 'example.com'],
    ['a', 'a'],
    ['device_service-1.internal', 'device_service-1.internal'],
    ['example.com.', 'example.com.'],
    ['10.example', '10.example'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['[::FFFF:127.0.0.1]', '::ffff:127.0.0.1'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['a'.repeat(63), 'a'.repeat(63)],
  ])('takes %s', (value, expected) => {
    expect(parseHost(value)).toBe(expected)
  })

  it.each([
    '',
    'user:pass@evil',
    'user@evil',
    'evil#',
    'evil/x?',
    'evil\\x',
    'evil?x',
    'evil:80',
    '127.0.0.1:80',
    '127.0.0.1\r\nX',
    'evil\t',
    ' evil',
    'evil ',
    'ev%69l',
    '0x7f000001',
    '0x7f.1',
    '2130706433',
    '127.1',
    '127.0.0.01',
    '127.0.0.1.',
    '1.2.3.4.5',
    'example.0x',
    '256.1.1.1',
    '[127.0.0.1]',
    '[::1',
    '::1]',
    'fe80::1%eth0',
    'a..b',
    '.a',
    '-a',
    'a-',
    '.',
    'ümlaut.example',
    '127。0。0。1',
    'a'.repeat(64),
    `${'a.'.repeat(127)}aa`,
    null,
    undefined,
    80,
    {},
    ['a'],
  ])('refuses %o', (value) => {
    expect(parseHost(value)).toBeUndefined()
  })

  it('lets nothing through that a URL reads differently', () => {
    const piece = fc.constantFrom(
      'a',
      '1',
      '0x7f',
      '.',
      '..',
      '-',
      '_',
      ':',
      '[',
      ']',
      '@',
      '/',
      '\\',
      '#',
      '?',
      '%',
      '\t',
      '\r\n',
      ' ',
      '256',
      'ü',
      '。',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    )
    fc.assert(
      fc.property(text, (value) => {
        const host = parseHost(value)
        if (host === undefined) return
        const url = new URL(`http://${urlHost(host)}:8080`)
        expect(url.username + url.password + url.search + url.hash).toBe('')
        expect(url.pathname).toBe('/')
        expect(url.port).toBe('8080')
        // IPv6 may be written shorter in a URL; everything else stands there letter by letter.
        if (!host.includes(':')) expect(url.hostname).toBe(host)
        expect(parseHost(host)).toBe(host)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('parsePort', () => {
  it.each([1, 80, 65535])('takes %d', (port) => {
    expect(parsePort(port)).toBe(port)
  })

  it.each([0, -1, 65536, 8.5, Number.NaN, Infinity, '80', '80@evil', '80/../x', '8e1', null, undefined, [80]])(
    'refuses %o',
    (port) => {
      expect(parsePort(port)).toBeUndefined()
    },
  )
})

describe('urlHost', () => {
  it('puts IPv6 in brackets, and nothing else', () => {
    expect(urlHost('::1')).toBe('[::1]')
    expect(urlHost('127.0.0.1')).toBe('127.0.0.1')
  })
})

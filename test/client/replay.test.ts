import { Readable } from 'node:stream'
import { FormData } from 'undici'
import { describe, expect, it } from 'vitest'
import { isRepeatable, isReplayable } from '../../src/client/replay.ts'

const repeatable = (method: string, more: object = {}): boolean => isRepeatable({ method: method, path: '/', ...more })

describe('isRepeatable', () => {
  it('knows the idempotent methods of RFC 9110, and no others', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) expect(repeatable(method)).toBe(true)
    for (const method of ['POST', 'PATCH', 'CONNECT', 'PROPFIND']) expect(repeatable(method)).toBe(false)
  })

  it('believes the caller in both directions', () => {
    expect(repeatable('POST', { idempotent: true })).toBe(true)
    expect(repeatable('GET', { idempotent: false })).toBe(false)
    expect(repeatable('POST', { idempotent: false, headers: { 'idempotency-key': 'k' } })).toBe(false)
  })

  it('sees an Idempotency-Key in every form of headers', () => {
    for (const headers of [
      { 'Idempotency-Key': 'k' },
      ['x', '1', 'IDEMPOTENCY-KEY', 'k'],
      new Map([['idempotency-key', 'k']]),
      new Headers({ 'idempotency-key': 'k' }),
    ]) {
      expect(repeatable('POST', { headers })).toBe(true)
    }
    for (const headers of [undefined, null, {}, ['x', 'idempotency-key'], new Headers()]) {
      expect(repeatable('POST', { headers })).toBe(false)
    }
  })
})

async function* generator() {
  yield 'a'
}

describe('isReplayable', () => {
  it('is what is whole in memory', () => {
    for (const body of [null, undefined, '', 'a', Buffer.from('a'), new Uint8Array(1), new ArrayBuffer(1)]) {
      expect(isReplayable(body)).toBe(true)
    }
    expect(isReplayable(new Blob(['a']))).toBe(true)
    expect(isReplayable(new FormData())).toBe(true)
  })

  it('is nothing that is read once', () => {
    for (const body of [Readable.from(['a']), generator(), new ReadableStream(), ['a'], new Set(['a'])]) {
      expect(isReplayable(body)).toBe(false)
    }
  })
})

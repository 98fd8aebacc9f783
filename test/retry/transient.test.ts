import { describe, expect, it } from 'vitest'
import { ClosedError, GatelessError, TimeoutError } from '../../src/core/errors.ts'
import { isTransient, isTransientStatus } from '../../src/retry/index.ts'
import { decorated } from './decorated.ts'

const withCode = (code: string): Error => decorated(new Error(code), { code })
const withStatus = (status: number): Error => decorated(new Error(String(status)), { status })
const fetchFailed = (cause: unknown): TypeError => new TypeError('fetch failed', { cause })

describe('isTransient says yes to', () => {
  it.each([
    ['an error nobody knows', new Error('down')],
    ['a code nobody knows', withCode('40001')],
    ['a thrown string', 'down'],
    ['a thrown null', null],
    ['a thrown number', 503],
    ['a connection refused', withCode('ECONNREFUSED')],
    ['a connection reset', withCode('ECONNRESET')],
    ['a name that does not resolve', withCode('ENOTFOUND')],
    ['undici’s socket error', withCode('UND_ERR_SOCKET')],
    ['undici’s header timeout', withCode('UND_ERR_HEADERS_TIMEOUT')],
    ['fetch failed over a lost connection', fetchFailed(withCode('ECONNRESET'))],
    ['fetch failed twice wrapped', fetchFailed(new Error('wrapped', { cause: withCode('UND_ERR_CONNECT_TIMEOUT') }))],
    [
      'a lost connection that got a TypeError as its wrapper',
      new TypeError('terminated', { cause: withCode('EPIPE') }),
    ],
    ['the end of one attempt’s time', new TimeoutError(50, 'attempt')],
    ['a gateless error that is not local', new GatelessError('ERR_GATELESS_TEST', 'remote said no')],
    ['the timeout of an AbortSignal.timeout', new DOMException('timed out', 'TimeoutError')],
    ['a status that is no failure', withStatus(200)],
    ['status 503', withStatus(503)],
    ['statusCode 429', decorated(new Error('busy'), { statusCode: 429 })],
    [
      'a response with status 502',
      decorated(new Error('axios'), { code: 'ERR_BAD_RESPONSE', response: { status: 502 } }),
    ],
    ['a response with statusCode 504', decorated(new Error('got'), { response: { statusCode: 504 } })],
    ['a response that is null', decorated(new Error('axios'), { response: null })],
  ])('%s', (_, error) => {
    expect(isTransient(error)).toBe(true)
  })
})

describe('isTransient says no to', () => {
  it.each([
    ['a refusal of this process', new GatelessError('ERR_GATELESS_CIRCUIT_OPEN', 'open', { local: true })],
    ['an object that is closed', new ClosedError('client')],
    ['the end of the whole call’s time', new TimeoutError(50, 'total')],
    ['a wrapped refusal', new Error('wrapped', { cause: new ClosedError('client') })],
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['an abort with a network code', decorated(new Error('x'), { name: 'AbortError', code: 'ECONNRESET' })],
    ['a TypeError', new TypeError('null has no properties')],
    ['a RangeError', new RangeError('out')],
    ['a ReferenceError', new ReferenceError('x is not defined')],
    ['a SyntaxError', new SyntaxError('bad JSON')],
    ['a URIError', new URIError('malformed')],
    ['an EvalError', new EvalError('eval')],
    ['fetch failed for no known reason', fetchFailed(new Error('odd'))],
    ['fetch failed over a bad certificate', fetchFailed(withCode('CERT_HAS_EXPIRED'))],
    ['a missing file', withCode('ENOENT')],
    ['an invalid argument', withCode('UND_ERR_INVALID_ARG')],
    ['status 404, whatever its code', decorated(withStatus(404), { code: 'ECONNRESET' })],
    ['status 501', withStatus(501)],
    ['a response with status 400', decorated(new Error('axios'), { response: { status: 400 } })],
  ])('%s', (_, error) => {
    expect(isTransient(error)).toBe(false)
  })
})

it('an error that is its own cause hangs nobody', () => {
  const error = new TypeError('loop')
  error.cause = error
  expect(isTransient(error)).toBe(false)
})

it('causes are followed five deep, no further', () => {
  const nested = (depth: number): unknown =>
    depth === 0 ? withCode('ECONNRESET') : new TypeError('wrapped', { cause: nested(depth - 1) })
  expect(isTransient(nested(4))).toBe(true)
  expect(isTransient(nested(5))).toBe(false)
})

it('exactly these statuses are transient', () => {
  const transient = Array.from({ length: 600 }, (_, status) => status).filter(isTransientStatus)
  expect(transient).toEqual([408, 425, 429, 500, 502, 503, 504])
})

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ClosedError, GatelessError, isGatelessError, TimeoutError, toRefusal } from '../../src/core/errors.ts'

describe('a gateless error', () => {
  it('has a literal name, a stable code, and says who refused and when to come back', () => {
    const cause = new Error('below')
    const error = new GatelessError('ERR_GATELESS_TEST', 'no', { cause, retryAfterMs: 5, local: true })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'GatelessError', code: 'ERR_GATELESS_TEST', message: 'no' })
    expect(error).toMatchObject({ cause, retryAfterMs: 5, local: true })
    expect(new GatelessError('ERR_GATELESS_TEST', 'no')).toMatchObject({ retryAfterMs: undefined, local: false })
  })

  it('has a cause only when it was given one, even one that is undefined', () => {
    expect('cause' in new GatelessError('ERR_GATELESS_TEST', 'no')).toBe(false)
    expect('cause' in new GatelessError('ERR_GATELESS_TEST', 'no', { local: true })).toBe(false)
    expect('cause' in new GatelessError('ERR_GATELESS_TEST', 'no', { cause: undefined })).toBe(true)
  })

  it('does not show its brand when printed', () => {
    expect(inspect(new ClosedError('client'))).not.toContain('gateless.error')
  })
})

describe('a refusal made without a constructor', () => {
  const made = toRefusal(new Error('it is closed'), ClosedError, 'ClosedError', 'ERR_GATELESS_CLOSED', undefined)

  it('is what the constructor would have made', () => {
    const constructed = new ClosedError('it')
    expect(made).toBeInstanceOf(ClosedError)
    expect(isGatelessError(made, 'ERR_GATELESS_CLOSED')).toBe(true)
    expect(Object.keys(made).toSorted()).toEqual(Object.keys(constructed).toSorted())
    for (const key of ['message', 'name', 'code', 'retryAfterMs', 'local'] as const)
      expect(made[key]).toBe(constructed[key])
    expect(inspect(made)).toContain('ClosedError: it is closed')
    expect(inspect(made)).not.toContain('gateless.error')
  })

  it('has the stack of the error it was made of, and whole milliseconds', () => {
    expect(made.stack).toContain('errors.test.ts')
    const soon = toRefusal(new Error('x'), ClosedError, 'ClosedError', 'ERR_GATELESS_CLOSED', 19.2)
    expect(soon.retryAfterMs).toBe(20)
  })
})

it('timeouts say whose limit it was', () => {
  const attempt = new TimeoutError(50, 'attempt')
  expect(attempt).toMatchObject({ name: 'TimeoutError', code: 'ERR_GATELESS_TIMEOUT', timeoutMs: 50, limit: 'attempt' })
  expect(attempt.message).toBe('attempt timed out after 50 ms')
  expect(attempt.local).toBe(false)
  expect(new TimeoutError(70, 'total').message).toBe('call timed out after 70 ms')
})

it('closed is a refusal of our own', () => {
  const error = new ClosedError('the client')
  expect(error).toMatchObject({ name: 'ClosedError', code: 'ERR_GATELESS_CLOSED', local: true })
  expect(error.message).toBe('the client is closed')
})

describe('isGatelessError', () => {
  it('knows its own by their brand, and by code when asked', () => {
    const error = new TimeoutError(5, 'attempt')
    expect(isGatelessError(error)).toBe(true)
    expect(isGatelessError(error, 'ERR_GATELESS_TIMEOUT')).toBe(true)
    expect(isGatelessError(error, 'ERR_GATELESS_CLOSED')).toBe(false)
  })

  it('knows an error of another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { code: 'ERR_GATELESS_TEST', [Symbol.for('gateless.error')]: true })
    expect(isGatelessError(foreign)).toBe(true)
  })

  it.each([new Error('x'), null, undefined, 'ERR_GATELESS_CLOSED', 5, {}, { code: 'ERR_GATELESS_CLOSED' }])(
    '%o is none',
    (value) => {
      expect(isGatelessError(value)).toBe(false)
    },
  )
})

import { describe, expect, it } from 'vitest'
import { codeOf, outcomeOfError, verdictOfOutcome, verdictOfStatus } from '../../src/client/failure.ts'

describe('failure', () => {
  it('takes nothing below 500 for the server’s fault but 408 and 429', () => {
    for (let status = 200; status < 500; status += 1) {
      expect(verdictOfStatus(status)).toBe(status === 408 || status === 429 ? 'failure' : 'success')
    }
    expect(verdictOfStatus(503)).toBe('failure')
    expect(verdictOfStatus(999)).toBe('failure')
  })

  it('judges by what happened first', () => {
    const error = Object.assign(new Error('x'), { code: 'ECONNRESET' })
    expect(outcomeOfError(error, false, false)).toBe('not-sent')
    expect(outcomeOfError(error, true, false)).toBe('maybe-sent')
    expect(outcomeOfError(error, true, true)).toBe('partial')
    expect(outcomeOfError({ code: 'UND_ERR_INVALID_ARG' }, true, false)).toBe('local')
  })

  it('blames nobody for what this side did', () => {
    expect(verdictOfOutcome('local')).toBe('ignore')
    expect(verdictOfOutcome('caller')).toBe('ignore')
    for (const outcome of ['not-sent', 'maybe-sent', 'partial', 'timeout'] as const) {
      expect(verdictOfOutcome(outcome)).toBe('failure')
    }
  })

  it('names an error by code, name or type, and never by its text', () => {
    expect(codeOf(Object.assign(new Error('secret'), { code: 'X' }))).toBe('X')
    expect(codeOf(new TypeError('secret'))).toBe('TypeError')
    expect(codeOf({})).toBe('Error')
    expect(codeOf('secret')).toBe('string')
    expect(codeOf(undefined)).toBe('undefined')
    expect(codeOf(null)).toBe('null')
  })
})

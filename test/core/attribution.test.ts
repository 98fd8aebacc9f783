import { describe, expect, it } from 'vitest'
import { classifyByAttribution, isAttributable } from '../../src/core/attribution.ts'
import { ClosedError, GatelessError, TimeoutError } from '../../src/core/errors.ts'

describe('only what the remote did counts against it (invariant 1)', () => {
  it('a refusal of this process is ignored', () => {
    for (const error of [new ClosedError('x'), new GatelessError('ERR_GATELESS_TEST', 'full', { local: true })]) {
      expect(isAttributable(error)).toBe(false)
      expect(classifyByAttribution({ ok: false, error })).toBe('ignore')
    }
  })

  it('everything else that was thrown is a failure', () => {
    const remote = new GatelessError('ERR_GATELESS_TEST', 'bad answer')
    for (const error of [new Error('x'), null, undefined, 'down', remote, new TimeoutError(5, 'attempt')]) {
      expect(isAttributable(error)).toBe(true)
      expect(classifyByAttribution({ ok: false, error })).toBe('failure')
    }
  })

  it('every result is a success', () => {
    expect(classifyByAttribution({ ok: true, value: new Error('a result') })).toBe('success')
  })
})

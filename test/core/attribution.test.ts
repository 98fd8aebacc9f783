import { describe, expect, it, vi } from 'vitest'
import { classifyByAttribution, isAttributable, judgeBy } from '../../src/core/attribution.ts'
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

describe('a classifier of the user’s', () => {
  const failed = { ok: false, error: new Error('down') } as const

  it('decides', () => {
    const report = vi.fn()
    for (const verdict of ['success', 'failure', 'ignore'] as const) {
      expect(judgeBy(() => verdict, failed, report)).toBe(verdict)
    }
    expect(report).not.toHaveBeenCalled()
  })

  it('is not asked about what this process refused', () => {
    const classify = vi.fn(() => 'failure' as const)
    expect(judgeBy(classify, { ok: false, error: new ClosedError('x') }, vi.fn())).toBe('ignore')
    expect(classify).not.toHaveBeenCalled()
  })

  it('that throws is reported, and the default decides', () => {
    const report = vi.fn()
    const fault = new Error('mine')
    const classify = (): never => {
      throw fault
    }
    expect(judgeBy(classify, failed, report)).toBe('failure')
    expect(judgeBy(classify, { ok: true, value: 1 }, report)).toBe('success')
    expect(judgeBy(classify, failed, report, () => 'ignore')).toBe('ignore')
    expect(report.mock.calls).toEqual([[fault], [fault], [fault]])
  })

  it.each([undefined, 'bad', true, Promise.resolve('failure')])('that answers %s is reported likewise', (answer) => {
    const report = vi.fn()
    expect(judgeBy(() => answer as never, failed, report)).toBe('failure')
    expect(String(report.mock.calls[0]?.[0])).toMatch(
      /^TypeError: classify must answer 'success', 'failure' or 'ignore', got /,
    )
  })

  it('that rejects leaves no unhandled rejection', async () => {
    expect(judgeBy((() => Promise.reject(new Error('async'))) as never, failed, () => {})).toBe('failure')
    await new Promise((resolve) => setImmediate(resolve))
  })
})

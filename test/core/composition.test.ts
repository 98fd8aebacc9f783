import { CircuitBreaker, pipeline, RetryPolicy, timeout } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MockInstance } from 'vitest'
import { checkInfos, infosOf } from '../../src/core/composition.ts'
import type { PolicyInfo } from '../../src/core/policy.ts'

const info = (kind: string, name: string, rest: Partial<PolicyInfo> = {}): PolicyInfo => ({ kind, name, ...rest })
const retry = (maxAttempts: number, rest: Partial<PolicyInfo> = {}): PolicyInfo =>
  info('retry', 'retry', { maxAttempts, ...rest })
const limit = (name: string, timeoutMs: number): PolicyInfo => info('timeout', name, { timeoutMs })

describe('a composition is doubtful', () => {
  it('when its attempts need more time than all of them are given', () => {
    expect(checkInfos([limit('total', 299), retry(3), limit('attempt', 100)])).toEqual([
      'retry may need 3 × 100 ms, and total gives 299 ms for all of them: when everything hangs, the last attempts are cut short',
    ])
    expect(checkInfos([limit('total', 300), retry(3), limit('attempt', 100)])).toEqual([])
  })

  it('also when the attempts’ limit is the retry’s own', () => {
    expect(checkInfos([limit('total', 299), retry(3, { timeoutMs: 100 })])).toHaveLength(1)
    expect(checkInfos([limit('total', 300), retry(3, { timeoutMs: 100 })])).toEqual([])
  })

  it('but not without a limit for each attempt, nor without one for all of them', () => {
    expect(checkInfos([limit('total', 10), retry(3)])).toEqual([])
    expect(checkInfos([retry(3), limit('attempt', 100)])).toEqual([])
    expect(checkInfos([limit('total', 200), limit('attempt', 100)])).toEqual([])
  })

  it('and is held against the limit that stands closest around the attempts', () => {
    const texts = checkInfos([limit('whole', 1_000), limit('total', 200), retry(3), limit('attempt', 100)])
    expect(texts).toHaveLength(1)
    expect(texts[0]).toContain('total gives 200 ms')
  })

  it('when a breaker looks back less than two calls inside it may take', () => {
    const breaker = info('breaker', 'orders', { windowMs: 1_999 })
    expect(checkInfos([breaker, limit('attempt', 1_000)])).toEqual([
      'orders looks back 1999 ms, less than two calls of attempt may take (1000 ms each): while calls hang it forgets them faster than they end',
    ])
    expect(checkInfos([{ ...breaker, windowMs: 2_000 }, limit('attempt', 1_000)])).toEqual([])
    expect(checkInfos([info('breaker', 'orders'), limit('attempt', 1_000)])).toEqual([])
    expect(checkInfos([breaker, info('bulkhead', 'b')])).toEqual([])
    expect(checkInfos([limit('total', 60_000), breaker])).toEqual([])
    expect(checkInfos([info('throttle', 't', { windowMs: 1 }), limit('attempt', 1_000)])).toEqual([])
  })

  it.each(['breaker', 'retry', 'hedge', 'throttle'])('when answers hide failures from a %s around them', (kind) => {
    const answers = info('fallback', 'inner', { hidesFailures: true })
    expect(checkInfos([info(kind, 'outer'), answers])).toEqual([
      'inner stands inside outer and answers in place of failures that outer should see',
    ])
    expect(checkInfos([answers, info(kind, 'outer')])).toEqual([])
    expect(checkInfos([info(kind, 'outer'), info('cache', 'inner')])).toEqual([])
    expect(checkInfos([info('timeout', 'outer'), answers])).toEqual([])
  })
})

describe('a composition is refused', () => {
  it('when the same policy stands in it twice', () => {
    const breaker = new CircuitBreaker({ name: 'orders' })
    expect(() => pipeline(breaker, timeout({ timeoutMs: 5 }), breaker)).toThrow(
      new TypeError('pipeline: orders stands in it twice'),
    )
  })
})

describe('a nested pipeline', () => {
  it('is looked into', () => {
    const inner = pipeline(timeout({ timeoutMs: 10, name: 'a' }), pipeline(timeout({ timeoutMs: 5, name: 'b' })))
    expect(infosOf([timeout({ timeoutMs: 20, name: 'o' }), inner]).map(({ name }) => name)).toEqual(['o', 'a', 'b'])
  })

  it('of somebody else, who does not show what is in it, stands for itself', () => {
    const foreign = { info: info('pipeline', 'theirs'), execute: async () => 1 as never }
    expect(infosOf([foreign])).toEqual([foreign.info])
  })
})

describe('warnings', () => {
  let warned: MockInstance<typeof process.emitWarning>

  beforeEach(() => {
    warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  })

  afterEach(() => {
    warned.mockRestore()
  })

  const doubtful = () => {
    const again = { info: retry(3), execute: async () => 1 as never }
    return pipeline(timeout({ timeoutMs: 250, name: 'total' }), again, timeout({ timeoutMs: 100 }))
  }

  it('are given once, when the pipeline is made, and kept', async () => {
    const { warnings, execute } = doubtful()
    await execute(() => 1)
    expect(warnings).toHaveLength(1)
    expect(warned.mock.calls).toEqual([[`pipeline: ${warnings[0]}`, { type: 'GatelessWarning' }]])
  })

  it('are none for a sound composition', () => {
    expect(pipeline(timeout({ timeoutMs: 5 })).warnings).toEqual([])
    expect(warned).not.toHaveBeenCalled()
  })

  it('follow what the policies are configured to meanwhile', () => {
    const again = new RetryPolicy({ maxAttempts: 2, name: 'again' })
    const calls = pipeline(timeout({ timeoutMs: 250, name: 'total' }), again, timeout({ timeoutMs: 100 }))
    expect(calls.warnings).toEqual([])
    again.configure({ maxAttempts: 3 })
    expect(calls.warnings).toHaveLength(1)
    expect(calls.info.maxAttempts).toBe(3)
    expect(calls.describe()).toContain('up to 3 times')
    expect(warned).not.toHaveBeenCalled()
  })

  it('say what became impossible meanwhile, instead of throwing', () => {
    const changing: { kind: string; name: string; timeoutMs: number } = { kind: 'timeout', name: 'inner', timeoutMs: 5 }
    const calls = pipeline(timeout({ timeoutMs: 10, name: 'outer' }), {
      info: changing,
      execute: async () => 1 as never,
    })
    changing.timeoutMs = 20
    expect(calls.warnings).toEqual(['inner (20 ms) stands inside outer (10 ms) and can never fire first'])
  })

  it('stand in the description, after the worst case', () => {
    expect(doubtful().describe()).toBe(
      [
        'total (timeout): ends after 250 ms',
        '  retry',
        '    attempt (timeout): ends after 100 ms',
        '      the work',
        'One call runs the work up to 3 times, and ends within 250 ms.',
        'Beware: retry may need 3 × 100 ms, and total gives 250 ms for all of them: when everything hangs, the last attempts are cut short.',
      ].join('\n'),
    )
  })
})

describe('a description', () => {
  const text = (...infos: PolicyInfo[]): string =>
    pipeline(...infos.map((each) => ({ info: each, execute: async () => 1 as never }))).describe()

  it('says what one call may cost at worst', () => {
    expect(text()).toBe('the work\nOne call runs the work once; nothing limits how long it takes.')
    expect(text(limit('t', 5))).toContain('One call runs the work once, and ends within 5 ms.')
    expect(text(info('bulkhead', 'b'), limit('t', 5))).toContain('only parts of it have a limit')
    expect(text(info('timeout', 't', { timeoutMs: 5, cooperative: true }))).toContain('only parts of it have a limit')
    expect(text(retry(2, { timeoutMs: 5 }))).toContain('only parts of it have a limit')
    expect(text(retry(2))).toContain('One call runs the work up to 2 times; nothing limits how long it takes.')
    expect(text(retry(2), limit('t', 5))).toContain(
      'up to 2 times; only parts of it have a limit on how long it takes.',
    )
  })
})

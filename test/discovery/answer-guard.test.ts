import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerGuard, type GuardRules } from '../../src/discovery/answer-guard.ts'
import type { ListAnswer } from '../../src/discovery/provider.ts'
import { toInstance } from './memory-registry.ts'
import { ids, instance } from './scripted-provider.ts'

const RULES: GuardRules = { emptyHoldMs: 30_000, shrinkHoldMs: 5_000, shrinkHoldRatio: 0.5, shrinkHoldMinimum: 5 }

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
const known = (...names: string[]) => names.map((id) => instance(id))
const ok = (...names: string[]): ListAnswer & { kind: 'ok' } => ({ kind: 'ok', instances: known(...names) })

function judge(guard: AnswerGuard, answer: ListAnswer, before: readonly string[], now: number) {
  const { kind, ...rest } = guard.judge(answer, answer.kind === 'ok' ? answer.instances : [], known(...before), now)
  return { kind, ids: 'instances' in rest ? ids(rest.instances)?.join('') : undefined, ...rest }
}

describe('a list that shrank', () => {
  it('by more than the ratio is held for its time, with what it lists and what it leaves out', () => {
    const guard = new AnswerGuard(RULES)
    const answer = ok('a', 'b', 'x', 'y')
    expect(judge(guard, answer, NAMES, 100)).toMatchObject({
      kind: 'hold',
      ids: 'abxycdefghij',
      believedAt: 5_100,
      said: '4 instances where there were 10',
    })
    expect(guard.holding).toBe(true)
    expect(judge(guard, answer, NAMES, 5_099).kind).toBe('hold')
    expect(judge(guard, answer, NAMES, 5_100)).toMatchObject({ kind: 'believe', ids: 'abxy' })
    expect(guard.holding).toBe(false)
  })

  it('by exactly the ratio is believed', () => {
    expect(judge(new AnswerGuard(RULES), ok('a', 'b', 'c', 'd', 'e'), NAMES, 0).kind).toBe('believe')
    expect(judge(new AnswerGuard(RULES), ok('a', 'b', 'c', 'd'), NAMES, 0).kind).toBe('hold')
  })

  it('is believed where there were fewer than the minimum', () => {
    expect(judge(new AnswerGuard(RULES), ok('a'), ['a', 'b', 'c', 'd'], 0).kind).toBe('believe')
    expect(judge(new AnswerGuard(RULES), ok('a'), ['a', 'b', 'c', 'd', 'e'], 0).kind).toBe('hold')
  })

  it('begins a new doubt when it grew again in between', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, ok('a'), NAMES, 0)
    judge(guard, ok(...NAMES), NAMES, 3_000)
    expect(guard.holding).toBe(false)
    expect(judge(guard, ok('a'), NAMES, 6_000)).toMatchObject({ kind: 'hold', believedAt: 11_000 })
  })

  it('does not miss instances that said they would leave', () => {
    const leaving = NAMES.map((id, i) => instance(id, { status: i < 8 ? 'stopping' : 'healthy' }))
    const guard = new AnswerGuard(RULES)
    expect(guard.judge(ok('i', 'j'), known('i', 'j'), leaving, 0).kind).toBe('believe')
    expect(guard.judge(ok(), [], leaving.slice(0, 8), 0).kind).toBe('believe')
    expect(guard.judge(ok(), [], leaving, 0).kind).toBe('hold')
  })

  it('is believed at once with shrinkHoldMs 0, and always with a ratio of 1', () => {
    expect(judge(new AnswerGuard({ ...RULES, shrinkHoldMs: 0 }), ok('a'), NAMES, 0).kind).toBe('believe')
    expect(judge(new AnswerGuard({ ...RULES, shrinkHoldRatio: 1 }), ok('a'), NAMES, 0).kind).toBe('believe')
  })
})

describe('a list that came back empty', () => {
  it('is held in full, and says which way it was empty', () => {
    expect(judge(new AnswerGuard(RULES), ok(), ['a'], 7)).toMatchObject({
      kind: 'hold',
      ids: 'a',
      believedAt: 30_007,
      said: 'an empty list',
    })
    expect(judge(new AnswerGuard(RULES), { kind: 'not-found' }, ['a'], 7)).toMatchObject({
      said: 'that there is no such service',
    })
  })

  it('goes on being doubted from its own beginning when it was short before', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, ok('a'), NAMES, 0)
    expect(judge(guard, ok(), NAMES, 4_000)).toMatchObject({ kind: 'hold', believedAt: 34_000 })
    expect(judge(guard, ok('a'), NAMES, 6_000)).toMatchObject({ kind: 'hold', believedAt: 11_000 })
  })

  it('is believed at once when the source is certain, also that there is no such service', () => {
    const guard = new AnswerGuard(RULES)
    expect(judge(guard, { ...ok(), authoritative: true }, NAMES, 0)).toMatchObject({ kind: 'believe', ids: '' })
    expect(judge(guard, { kind: 'not-found', authoritative: true }, NAMES, 0)).toMatchObject({ kind: 'believe' })
    expect(judge(guard, { ...ok('a'), authoritative: true }, NAMES, 0)).toMatchObject({ kind: 'believe', ids: 'a' })
  })
})

describe('a partial list', () => {
  const partial = (...names: string[]): ListAnswer => ({ ...ok(...names), partial: true })

  it('takes nothing away for the time of an empty one, and then is what there is', () => {
    const guard = new AnswerGuard(RULES)
    expect(judge(guard, partial('x'), ['a', 'b'], 0)).toMatchObject({ kind: 'believe', ids: 'xab' })
    expect(judge(guard, partial('x'), ['a', 'b'], 30_000)).toMatchObject({ kind: 'believe', ids: 'xab' })
    expect(judge(guard, partial('x'), ['a', 'b'], 30_001)).toMatchObject({ kind: 'believe', ids: 'x' })
  })

  it('begins anew when a whole one came in between', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, partial('x'), ['a'], 0)
    judge(guard, ok('a'), ['a'], 10_000)
    expect(judge(guard, partial('x'), ['a'], 40_000)).toMatchObject({ ids: 'xa' })
  })

  it('lets go of a known one whose address or id somebody else has now', () => {
    const guard = new AnswerGuard(RULES)
    const before = [
      toInstance({ id: 'a', host: '10.0.0.1', port: 1 }),
      toInstance({ id: 'b', host: '10.0.0.2', port: 2 }),
    ]
    const instances = [
      toInstance({ id: 'c', host: '10.0.0.1', port: 1 }),
      toInstance({ id: 'b', host: '10.0.0.9', port: 9 }),
    ]
    const answer: ListAnswer = { kind: 'ok', instances, partial: true }
    const judged = guard.judge(answer, instances, before, 0)
    expect(judged).toEqual({ kind: 'believe', instances })
  })
})

describe('an older list', () => {
  const at = (version: number | bigint | undefined, epoch?: string): ListAnswer => ({ ...ok('a'), version, epoch })

  it('is ignored for a bounded time, and believed when the source insists', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, at(10), ['a'], 0)
    expect(judge(guard, at(9), ['a'], 1_000)).toMatchObject({ kind: 'ignore', believedAt: 31_000 })
    expect(judge(guard, at(9), ['a'], 30_999).kind).toBe('ignore')
    expect(judge(guard, at(9), ['a'], 31_000).kind).toBe('believe')
    expect(judge(guard, at(9), ['a'], 31_001).kind).toBe('believe')
  })

  it('is not doubted any more once a newer one came', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, at(10), ['a'], 0)
    judge(guard, at(9), ['a'], 1_000)
    expect(judge(guard, at(11), ['a'], 2_000).kind).toBe('believe')
    expect(judge(guard, at(10), ['a'], 40_000)).toMatchObject({ kind: 'ignore', believedAt: 70_000 })
  })

  it('is one by number or bigint, of the same epoch only', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, at(10n ** 20n, 'boot 1'), ['a'], 0)
    expect(judge(guard, at(9, 'boot 1'), ['a'], 0).kind).toBe('ignore')
    expect(judge(guard, at(10n ** 20n, 'boot 1'), ['a'], 0).kind).toBe('believe')
    expect(judge(guard, at(1, 'boot 2'), ['a'], 0).kind).toBe('believe')
  })

  it('is none where a version is missing or makes no sense', () => {
    const guard = new AnswerGuard(RULES)
    judge(guard, at(10), ['a'], 0)
    for (const odd of [undefined, Number.NaN, Number.NEGATIVE_INFINITY, '5' as never]) {
      expect(judge(guard, at(odd), ['a'], 0).kind).toBe('believe')
      judge(guard, at(10), ['a'], 0)
    }
    expect(judge(guard, { kind: 'not-found' }, [], 0).kind).toBe('believe')
  })
})

it('keeps its doubts where they were when the clock is set', () => {
  const guard = new AnswerGuard(RULES)
  judge(guard, ok(), ['a'], 1_000_000)
  guard.shift(-1_000_000)
  expect(judge(guard, ok(), ['a'], 29_999).kind).toBe('hold')
  expect(judge(guard, ok(), ['a'], 30_000).kind).toBe('believe')
})

it('ends every doubt: whatever a source insists on is believed within the longest hold', () => {
  const answer = fc.record({
    names: fc.subarray(NAMES),
    version: fc.option(fc.nat(5), { nil: undefined }),
    partial: fc.boolean(),
    found: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 20 }), answer, (history, insisted) => {
      const guard = new AnswerGuard(RULES)
      let before = known(...NAMES)
      let now = 0
      const say = ({ names, version, partial, found }: typeof insisted): void => {
        const said: ListAnswer = found ? { ...ok(...names), version, partial } : { kind: 'not-found' }
        const judged = guard.judge(said, found ? known(...names) : [], before, now)
        if (judged.kind !== 'ignore') before = [...judged.instances]
        now += 1_000
      }
      for (const one of history) say(one)
      // Ignored as old, then held as empty: two doubts in a row, and a partial one on top.
      for (let i = 0; i < 100; i += 1) say(insisted)
      expect(ids(before)?.toSorted()).toEqual(insisted.found ? insisted.names.toSorted() : [])
    }),
  )
})

import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { GatelessError } from '../../src/core/errors.ts'
import type { ListenerFault } from '../../src/core/emitter.ts'
import { decorated } from './decorated.ts'
import { fixedBackoff, RetryPolicy, type RetryOptions } from '../../src/retry/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const error = new Error('down')
const yes = (delayMs: number) => ({ retry: true, delayMs })
const no = (reason: string) => ({ retry: false, reason })

function policy(options: RetryOptions = {}): RetryPolicy {
  return new RetryPolicy({ backoff: fixedBackoff({ delayMs: 100 }), clock: new FakeClock(5_000), ...options })
}

describe('decide', () => {
  it('says when to try again', () => {
    expect(policy().decide({ attempt: 1, error })).toEqual(yes(100))
  })

  it('hands the backoff the attempt, the delay before and the random source', () => {
    const delayMs = vi.fn(() => 7)
    const random = vi.fn(() => 0.5)
    policy({ backoff: { name: 'mine', delayMs }, random }).decide({ attempt: 2, error, previousDelayMs: 33 })
    expect(delayMs).toHaveBeenCalledWith({
      attempt: 2,
      previousDelayMs: 33,
      random,
      kind: 'transient',
      memory: undefined,
    })
  })

  it('backs off exponentially from 100 ms with full jitter unless told otherwise', () => {
    const standard = new RetryPolicy({ maxAttempts: 20, random: () => 0.5, budget: false })
    const delays = [1, 2, 3, 8, 9].map((attempt) => standard.decide({ attempt, error }))
    expect(delays).toEqual([yes(50), yes(100), yes(200), yes(5_000), yes(5_000)])
  })

  it('never comes back a fraction of a millisecond too early', () => {
    expect(policy({ backoff: { name: 'odd', delayMs: () => 10.1 } }).decide({ attempt: 1, error })).toEqual(yes(11))
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 200.5 })).toEqual(yes(201))
  })

  it('believes the caller’s own verdict, and asks the predicate without one', () => {
    const retryable = vi.fn(() => true)
    const judge = policy({ retryable })
    expect(judge.decide({ attempt: 1, error, retryable: false })).toEqual(no('not-retryable'))
    expect(judge.decide({ attempt: 1, error, retryable: true })).toEqual(yes(100))
    expect(retryable).not.toHaveBeenCalled()
    judge.decide({ attempt: 1, error })
    expect(retryable).toHaveBeenCalledExactlyOnceWith(error)
    expect(policy({ retryable: () => false }).decide({ attempt: 1, error, retryable: true })).toEqual(yes(100))
  })

  it('asks in this order: aborted, exhausted, not retryable, deadline, budget', () => {
    const strict = policy({ maxAttempts: 2, retryable: () => false, budget: { ratio: 0, minPerSecond: 0 } })
    const failure = { attempt: 2, error, deadline: 5_050, aborted: true }
    expect(strict.decide(failure)).toEqual(no('aborted'))
    expect(strict.decide({ ...failure, aborted: false })).toEqual(no('exhausted'))
    expect(strict.decide({ ...failure, aborted: false, attempt: 1 })).toEqual(no('not-retryable'))
    const willing = { ...failure, aborted: false, attempt: 1, retryable: true }
    expect(strict.decide(willing)).toEqual(no('deadline'))
    expect(strict.decide({ ...willing, deadline: 5_101 })).toEqual(no('budget'))
  })

  it('takes a retry out of the budget only when there will be one', () => {
    const careful = policy({ maxAttempts: 2, budget: { ratio: 0, minPerSecond: 1 } })
    const before = careful.budget?.available
    careful.decide({ attempt: 1, error, deadline: 5_100 })
    careful.decide({ attempt: 1, error, retryable: false })
    careful.decide({ attempt: 2, error })
    careful.decide({ attempt: 1, error, aborted: true })
    expect(careful.budget?.available).toBe(before)
    expect(careful.budget?.suppressed).toBe(0)
    careful.decide({ attempt: 1, error, deadline: 5_101 })
    expect(careful.budget?.available).toBe((before as number) - 1)
  })

  it('emits what it decided, for those who use it without execute', () => {
    const loud = policy({ maxAttempts: 2 })
    const events: unknown[] = []
    loud.on('retry', (event) => events.push(event))
    loud.on('gave-up', (event) => events.push(event))
    loud.decide({ attempt: 1, error })
    loud.decide({ attempt: 2, error })
    expect(events).toEqual([
      { attempt: 1, delayMs: 100, error },
      { attempts: 2, reason: 'exhausted', error },
    ])
  })
})

describe('Retry-After', () => {
  const busy = new GatelessError('ERR_GATELESS_TEST', 'busy', { retryAfterMs: 700 })

  it('lengthens the delay, and never shortens it', () => {
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 700 })).toEqual(yes(700))
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 50 })).toEqual(yes(100))
  })

  it('is read off the error, unless given', () => {
    expect(policy().decide({ attempt: 1, error: busy })).toEqual(yes(700))
    expect(policy().decide({ attempt: 1, error: busy, retryAfterMs: 300 })).toEqual(yes(300))
  })

  it.each([
    ['own', decorated(new Error('busy'), { retryAfterMs: 700 }), 700],
    ['inherited', Object.create({ retryAfterMs: 700 }) as object, 700],
    ['a fraction', { retryAfterMs: 700.5 }, 701],
    ['nothing', { retryAfterMs: 0 }, 100],
    ['negative', { retryAfterMs: -1 }, 100],
    ['no number', { retryAfterMs: Number.NaN }, 100],
    ['for ever', { retryAfterMs: Number.POSITIVE_INFINITY }, 100],
    ['text', { retryAfterMs: '700' }, 100],
    ['of a text', 'busy', 100],
    ['of null', null, 100],
    ['of undefined', undefined, 100],
  ])('is read off any error: %s', (_, thrown, delayMs) => {
    expect(policy({ retryable: () => true }).decide({ attempt: 1, error: thrown })).toEqual(yes(delayMs))
  })

  it('of no time at all stands in the place of the backoff where it is to be exact', () => {
    const judge = policy({ retryAfterMode: 'exact', retryable: () => true })
    expect(judge.decide({ attempt: 1, error: { retryAfterMs: 0 } })).toEqual(yes(0))
  })

  it('behind a getter that throws says nothing, and is nobody’s fault', () => {
    const judge = policy({ retryable: () => true })
    const faults = vi.fn()
    judge.on('error', faults)
    const trap = Object.defineProperty(new Error('busy'), 'retryAfterMs', {
      get() {
        throw new Error('trap')
      },
    })
    expect(judge.decide({ attempt: 1, error: trap })).toEqual(yes(100))
    expect(faults).not.toHaveBeenCalled()
  })

  it('that ends after the deadline ends the call now (FAULTS 81)', () => {
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 700, deadline: 5_700 })).toEqual(no('deadline'))
    expect(policy().decide({ attempt: 1, error, retryAfterMs: 700, deadline: 5_701 })).toEqual(yes(700))
    const capped = policy({ maxRetryAfterMs: 200 })
    expect(capped.decide({ attempt: 1, error, retryAfterMs: 700, deadline: 5_600 })).toEqual(no('deadline'))
  })

  it('that is absurd is cut down, and one that makes no sense is ignored (FAULTS 80)', () => {
    for (const retryAfterMs of [1e20, Number.POSITIVE_INFINITY]) {
      expect(policy().decide({ attempt: 1, error, retryAfterMs })).toEqual(yes(30_000))
    }
    for (const retryAfterMs of [-1, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(policy().decide({ attempt: 1, error, retryAfterMs })).toEqual(yes(100))
    }
    const patient = policy({ maxRetryAfterMs: 60_000, backoff: fixedBackoff({ delayMs: 90_000 }) })
    expect(patient.decide({ attempt: 1, error, retryAfterMs: 70_000 })).toEqual(yes(90_000))
  })
})

function faulty(options: RetryOptions): { decision: unknown; faults: ListenerFault[]; available: number } {
  const judge = policy(options)
  const faults: ListenerFault[] = []
  judge.on('error', (fault) => faults.push(fault))
  return { decision: judge.decide({ attempt: 1, error }), faults, available: judge.budget?.available as number }
}

describe('hooks that fail (FAULTS 51)', () => {
  it('a retryable that throws is reported and taken for a no', () => {
    const fault = new Error('hook')
    const { decision, faults, available } = faulty({
      retryable: () => {
        throw fault
      },
    })
    expect(decision).toEqual(no('not-retryable'))
    expect(faults).toEqual([{ event: 'retryable', error: fault }])
    expect(available).toBe(10)
  })

  it('a retryable that answers a promise does not retry everything', () => {
    const { decision, faults } = faulty({ retryable: (async () => false) as never })
    expect(decision).toEqual(no('not-retryable'))
    expect(faults[0]?.error).toEqual(new TypeError('retryable must answer true or false, got object'))
  })

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, undefined, '5'])(
    'a backoff that answers %s is reported, and makes no storm',
    (answer) => {
      const { decision, faults } = faulty({ backoff: { name: 'odd', delayMs: () => answer as number } })
      expect(decision).toEqual(no('not-retryable'))
      expect(faults[0]?.event).toBe('backoff')
      expect(String(faults[0]?.error)).toContain('milliseconds from 0')
    },
  )

  it('a listener that throws changes no decision', () => {
    const judge = policy()
    const faults: ListenerFault[] = []
    judge.on('error', (fault) => faults.push(fault))
    judge.on('retry', () => {
      throw new Error('listener')
    })
    expect(judge.decide({ attempt: 1, error })).toEqual(yes(100))
    expect(faults).toHaveLength(1)
  })

  it('the caller of execute still gets the error of his work', async () => {
    const judge = policy({
      retryable: () => {
        throw new Error('hook')
      },
    })
    judge.on('error', () => {})
    await expect(judge.execute(() => Promise.reject(error))).rejects.toBe(error)
  })
})

describe('options', () => {
  const broken: [RetryOptions | null, string][] = [
    [{ maxAttempts: 0 }, 'RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got 0'],
    [{ maxAttempts: 1.5 }, 'RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got 1.5'],
    [{ maxAttempts: Number.NaN }, 'RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got NaN'],
    [{ maxAttempts: Infinity }, 'RetryPolicy: maxAttempts must be an integer from 1 up to 1000, got Infinity'],
    [{ backoff: 100 as never }, 'RetryPolicy: backoff must be an object with delayMs(), got 100'],
    [{ retryable: true as never }, 'RetryPolicy: retryable must be a function, got true'],
    [{ budget: true as never }, 'RetryPolicy: budget must be a budget, the options of one, or false, got true'],
    [{ budget: null as never }, 'RetryPolicy: budget must be a budget, the options of one, or false, got null'],
    [{ budget: { deposit: () => {} } as never }, 'RetryBudget: unknown option "deposit"'],
    [{ budget: { tryWithdraw: () => true } as never }, 'RetryBudget: unknown option "tryWithdraw"'],
    [{ budget: { ratio: -1 } }, 'RetryBudget: ratio must be a finite number from 0 up to 1000, got -1'],
    [
      { maxRetryAfterMs: -1 },
      'RetryPolicy: maxRetryAfterMs must be a finite number from 0 up to 2073600000 milliseconds',
    ],
    [{ name: '' }, 'RetryPolicy: name must be a string that is not empty, got ""'],
    [{ random: 4 as never }, 'RetryPolicy: random must be a function, got 4'],
    [{ clock: { now: 4 as never } }, 'clock: now must be a function, got number'],
    [{ retries: 3 } as never, 'RetryPolicy: unknown option "retries"'],
    [null, 'RetryPolicy: options must be an object, got null'],
  ]
  it.each(broken)('%j is refused (FAULTS 44)', (options, message) => {
    expect(() => new RetryPolicy(options as RetryOptions)).toThrow(message)
  })

  it('are copied: changing the object afterwards changes nothing (FAULTS 50)', () => {
    const options = { maxAttempts: 2, backoff: fixedBackoff({ delayMs: 1 }), budget: { ratio: 0, minPerSecond: 1 } }
    const fixed = new RetryPolicy(options)
    options.maxAttempts = 99
    options.budget.minPerSecond = 99
    options.backoff = fixedBackoff({ delayMs: 99 })
    expect(fixed.info).toEqual({
      kind: 'retry',
      name: 'retry',
      summary: 'tries up to 2 times with fixed backoff',
      maxAttempts: 2,
    })
    expect(fixed.budget?.available).toBe(10)
    expect(fixed.decide({ attempt: 1, error })).toEqual(yes(1))
  })

  it('are read as own properties (FAULTS 94)', () => {
    const inherited = Object.create({ maxAttempts: 99 }) as RetryOptions
    expect(new RetryPolicy(inherited).info.maxAttempts).toBe(3)
  })

  it('whatever the failure, the decision is well-formed and keeps the deadline', () => {
    fc.assert(
      fc.property(
        fc.record({
          attempt: fc.integer({ min: 1, max: 40 }),
          retryAfterMs: fc.oneof(fc.constant(undefined), fc.double()),
          deadline: fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 50_000 })),
          aborted: fc.boolean(),
        }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (failure, chance) => {
          const judge = new RetryPolicy({ maxAttempts: 30, clock: new FakeClock(5_000), random: () => chance })
          const decision = judge.decide({ ...failure, error })
          if (!decision.retry) return
          expect(Number.isInteger(decision.delayMs)).toBe(true)
          expect(decision.delayMs).toBeGreaterThanOrEqual(0)
          expect(decision.delayMs).toBeLessThanOrEqual(30_000)
          if (failure.deadline !== undefined) expect(5_000 + decision.delayMs).toBeLessThan(failure.deadline + 1)
          expect(failure.aborted).toBe(false)
          expect(failure.attempt).toBeLessThan(30)
        },
      ),
    )
  })
})

describe('metrics of decisions', () => {
  it('count what was granted, and nothing else', () => {
    const judge = policy({ maxAttempts: 2 })
    judge.decide({ attempt: 1, error })
    expect(judge.metrics).toMatchObject({ retries: 1, exhausted: 0 })
    judge.decide({ attempt: 2, error })
    expect(judge.metrics).toMatchObject({ retries: 1, exhausted: 1 })
  })
})

describe('a failure that makes no sense', () => {
  it.each([
    [undefined, TypeError, 'RetryPolicy.decide: options must be an object, got undefined'],
    [{}, TypeError, 'RetryPolicy.decide: attempt must be an integer from 1, got undefined'],
    [{ attempt: '1' }, TypeError, 'RetryPolicy.decide: attempt must be an integer from 1, got "1"'],
    [{ attempt: Number.NaN }, RangeError, 'RetryPolicy.decide: attempt must be an integer from 1, got NaN'],
    [{ attempt: 0 }, RangeError, 'RetryPolicy.decide: attempt must be an integer from 1, got 0'],
    [{ attempt: 1.5 }, RangeError, 'RetryPolicy.decide: attempt must be an integer from 1, got 1.5'],
  ])('is refused: %o', (failure, Complaint, message) => {
    const judge = policy()
    expect(() => judge.decide(failure as never)).toThrow(new Complaint(message))
    expect(judge.metrics).toMatchObject({ retries: 0, exhausted: 0 })
  })
})

describe('work that is no function', () => {
  it('is refused with a TypeError that names the policy, and is no try', async () => {
    const judge = policy()
    await expect(judge.execute(undefined as never)).rejects.toThrow(
      new TypeError('RetryPolicy.execute: operation must be a function, got undefined'),
    )
    expect(() => judge.wrap('work' as never)).toThrow(
      new TypeError('RetryPolicy.wrap: operation must be a function, got "work"'),
    )
    expect(judge.metrics.calls).toBe(0)
  })
})

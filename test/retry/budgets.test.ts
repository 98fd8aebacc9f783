import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { type Budget, RetryBudget, RetryPolicy, RetryQuota, RetryThrottle } from '../../src/retry/index.ts'

describe('RetryThrottle', () => {
  it('is gRPC’s example unless told otherwise: ten tokens, a tenth for a success', () => {
    const throttle = new RetryThrottle()
    expect([throttle.tokens, throttle.available]).toEqual([10, 5])
    throttle.failed()
    throttle.succeeded()
    expect([throttle.tokens, throttle.available]).toEqual([9.1, 4.1])
  })

  it('allows retries above half, not at half, and takes nothing for one', () => {
    const throttle = new RetryThrottle({ maxTokens: 2 })
    expect([throttle.tryWithdraw(), throttle.tryWithdraw(), throttle.tokens]).toEqual([true, true, 2])
    throttle.failed()
    expect([throttle.tokens, throttle.available]).toEqual([1, 0])
    expect(throttle.tryWithdraw()).toBe(false)
    expect(throttle.suppressed).toBe(1)
    throttle.succeeded()
    expect(throttle.tryWithdraw()).toBe(true)
    expect(throttle.suppressed).toBe(1)
  })

  it('stays between nothing and full', () => {
    const throttle = new RetryThrottle({ maxTokens: 1.5 })
    throttle.succeeded()
    expect(throttle.tokens).toBe(1.5)
    throttle.failed()
    throttle.failed()
    expect([throttle.tokens, throttle.available]).toEqual([0, 0])
  })

  it.each([
    [0.1, 10, 1],
    [0.57, 100, 57],
    [0.546, 1_000, 546],
    [0.5469, 1_000, 546],
    [0.000_1, 1_000, 1],
    [2, 1, 2],
  ])('a ratio of %d, %i times, is exactly %d tokens', (tokenRatio, times, tokens) => {
    const throttle = new RetryThrottle({ maxTokens: 1_000, tokenRatio })
    for (let i = 0; i < 1_000; i += 1) throttle.failed()
    for (let i = 0; i < times; i += 1) throttle.succeeded()
    expect(throttle.tokens).toBe(tokens)
  })

  it('knows no deposits: a call that begins changes nothing', () => {
    const throttle = new RetryThrottle()
    throttle.failed()
    throttle.deposit()
    expect(throttle.tokens).toBe(9)
  })

  it.each([
    [{ maxTokens: 0 }, 'RetryThrottle: maxTokens must be a finite number above 0 up to 1000, got 0'],
    [{ maxTokens: 1_001 }, 'RetryThrottle: maxTokens must be a finite number above 0 up to 1000, got 1001'],
    [{ tokenRatio: 0 }, 'RetryThrottle: tokenRatio must be a finite number above 0 up to 1000, got 0'],
    [{ tokenRatio: 1_001 }, 'RetryThrottle: tokenRatio must be a finite number above 0 up to 1000, got 1001'],
    [{ ratio: 1 } as never, 'RetryThrottle: unknown option "ratio"'],
  ])('%j is refused', (options, message) => {
    expect(() => new RetryThrottle(options)).toThrow(message)
  })
})

describe('RetryQuota', () => {
  it('has AWS’s numbers unless told otherwise', () => {
    const quota = new RetryQuota()
    expect([quota.tokens, quota.available]).toEqual([500, 500 / 14])
    expect(quota.tryWithdraw()).toBe(true)
    expect(quota.tokens).toBe(486)
    expect(quota.tryWithdraw('throttling')).toBe(true)
    expect(quota.tokens).toBe(481)
    quota.succeeded()
    expect(quota.tokens).toBe(482)
    quota.succeeded('throttling')
    expect(quota.tokens).toBe(487)
    quota.succeeded('transient')
    expect(quota.tokens).toBe(500)
  })

  it('grants what its tokens cover, to the token, and counts what it refuses', () => {
    const quota = new RetryQuota({ capacity: 20, initialTokens: 14, throttlingCost: 1 })
    expect(quota.tryWithdraw('transient')).toBe(true)
    expect(quota.tryWithdraw('throttling')).toBe(false)
    expect([quota.tokens, quota.suppressed]).toEqual([0, 1])
    for (let i = 0; i < 13; i += 1) quota.succeeded()
    expect(quota.tryWithdraw('transient')).toBe(false)
    expect(quota.tryWithdraw('throttling')).toBe(true)
    expect([quota.tokens, quota.suppressed]).toEqual([12, 2])
  })

  it('is never more than full', () => {
    const quota = new RetryQuota({ capacity: 3, transientCost: 2, successReward: 5 })
    quota.succeeded()
    quota.succeeded('transient')
    expect(quota.tokens).toBe(3)
  })

  it('knows no deposits', () => {
    const quota = new RetryQuota({ initialTokens: 0 })
    quota.deposit()
    expect(quota.tokens).toBe(0)
  })

  it.each([
    [{ capacity: 0 }, 'RetryQuota: capacity must be an integer from 1 up to 1000000, got 0'],
    [{ capacity: 1_000_001 }, 'got 1000001'],
    [{ initialTokens: 501 }, 'RetryQuota: initialTokens must be an integer from 0 up to 500, got 501'],
    [{ initialTokens: -1 }, 'RetryQuota: initialTokens must be an integer from 0 up to 500, got -1'],
    [{ transientCost: 0 }, 'RetryQuota: transientCost must be an integer from 1 up to 1000000, got 0'],
    [{ throttlingCost: 1.5 }, 'RetryQuota: throttlingCost must be an integer from 1 up to 1000000, got 1.5'],
    [{ successReward: -1 }, 'RetryQuota: successReward must be an integer from 0 up to 1000000, got -1'],
    [{ cost: 1 } as never, 'RetryQuota: unknown option "cost"'],
  ])('%j is refused', (options, message) => {
    expect(() => new RetryQuota(options)).toThrow(message)
  })
})

describe('RetryBudget.shared with a function', () => {
  it('shares budgets of any kind; the first to name the key decides', () => {
    const make = vi.fn(() => new RetryQuota({ capacity: 7 }))
    const first = RetryBudget.shared('shared: quota', make)
    expect(first).toBeInstanceOf(RetryQuota)
    expect(RetryBudget.shared('shared: quota', () => new RetryThrottle())).toBe(first)
    expect(RetryBudget.shared('shared: quota', { ratio: 0.5 })).toBe(first)
    expect(RetryBudget.shared('shared: quota')).toBe(first)
    expect(make).toHaveBeenCalledTimes(1)
    expect(new RetryPolicy({ budget: first }).budget).toBe(first)
  })
})

type Step = 'first succeeds' | 'transient' | 'throttling' | 'retry succeeds' | 'retry fails'

const steps = fc.array(
  fc.constantFrom<Step>('first succeeds', 'transient', 'throttling', 'retry succeeds', 'retry fails'),
  { maxLength: 300 },
)

it('a quota is between 0 and full, and failing retries cost no more than it had and earned (property)', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 60 }), (schedule, capacity) => {
      const quota = new RetryQuota({ capacity, transientCost: 14, throttlingCost: 5 })
      const pending: ('transient' | 'throttling')[] = []
      let [earned, spent, refused] = [0, 0, 0]
      for (const step of schedule) {
        if (step === 'first succeeds') {
          quota.succeeded()
          earned += 1
        } else if (step === 'retry succeeds') {
          const kind = pending.pop()
          if (kind !== undefined) {
            quota.succeeded(kind)
            spent -= kind === 'transient' ? 14 : 5
          }
        } else if (step === 'retry fails') pending.pop()
        else if (quota.tryWithdraw(step)) {
          pending.push(step)
          spent += step === 'transient' ? 14 : 5
        } else refused += 1
        expect(quota.tokens).toBeGreaterThanOrEqual(0)
        expect(quota.tokens).toBeLessThanOrEqual(capacity)
        expect(spent).toBeLessThanOrEqual(capacity + earned)
      }
      expect(quota.suppressed).toBe(refused)
    }),
  )
})

it('a throttle is between 0 and full, and grants nothing while half or less is left (property)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('succeeded', 'failed', 'asked'), { maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 3_000 }),
      (schedule, maxTokens, thousandths) => {
        const throttle = new RetryThrottle({ maxTokens, tokenRatio: thousandths / 1_000 })
        // Counted apart, in thousandths.
        let left = maxTokens * 1_000
        let refused = 0
        for (const step of schedule) {
          if (step === 'succeeded') {
            throttle.succeeded()
            left = Math.min(maxTokens * 1_000, left + thousandths)
          } else if (step === 'failed') {
            throttle.failed()
            left = Math.max(0, left - 1_000)
          } else {
            const granted = throttle.tryWithdraw()
            expect(granted).toBe(left * 2 > maxTokens * 1_000)
            if (!granted) refused += 1
          }
          expect(throttle.tokens).toBe(left / 1_000)
          expect(throttle.available).toBeGreaterThanOrEqual(0)
        }
        expect(throttle.suppressed).toBe(refused)
      },
    ),
  )
})

it('retries never exceed the bound, although the clock jumps forwards and backwards (property)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom('call', 'retry'), fc.integer({ min: -20_000, max: 20_000 })), {
        maxLength: 300,
      }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 3 }),
      (schedule, tenths, minPerSecond) => {
        let now = 100_000
        const ratio = tenths / 10
        const budget = new RetryBudget({ ratio, minPerSecond, windowMs: 10_000, clock: { now: () => now } })
        // Since the clock last moved: whatever was before, these were granted for no more than all calls and the floor.
        let calls = 0
        let granted = 0
        for (const step of schedule) {
          if (step === 'call') {
            budget.deposit()
            calls += 1
          } else if (step === 'retry') granted += budget.tryWithdraw() ? 1 : 0
          else {
            now += step
            granted = 0
          }
          expect(budget.available).toBeGreaterThanOrEqual(0)
          expect(budget.available).toBeLessThanOrEqual(ratio * calls + minPerSecond * 10 + 1e-9)
          expect(granted).toBeLessThanOrEqual(ratio * calls + minPerSecond * 10 + 1e-9)
        }
      },
    ),
  )
})

/** What a policy tells its budget. */
function recording(): { budget: Budget; heard: string[] } {
  const heard: string[] = []
  const budget: Budget = {
    available: 1,
    suppressed: 0,
    deposit: () => heard.push('deposit'),
    tryWithdraw: (kind) => {
      heard.push(`withdraw ${kind}`)
      return true
    },
    succeeded: (retriedAfter) => heard.push(`succeeded ${retriedAfter}`),
    failed: (kind) => heard.push(`failed ${kind}`),
  }
  return { budget, heard }
}

describe('what a policy tells its budget', () => {
  const throttled = Object.assign(new Error('busy'), { status: 429 })
  const backoff = { name: 'none', delayMs: () => 0 }

  it.each([
    ['a first try that succeeds', [], ['deposit', 'succeeded undefined']],
    [
      'a retry that succeeds',
      [new Error('down')],
      ['deposit', 'failed transient', 'withdraw transient', 'succeeded transient'],
    ],
    [
      'the kind of the failure that the last retry followed',
      [new Error('down'), throttled],
      [
        'deposit',
        'failed transient',
        'withdraw transient',
        'failed throttling',
        'withdraw throttling',
        'succeeded throttling',
      ],
    ],
    [
      'a call that fails for good',
      [throttled, throttled, throttled],
      [
        'deposit',
        'failed throttling',
        'withdraw throttling',
        'failed throttling',
        'withdraw throttling',
        'failed throttling',
      ],
    ],
    ['what is not retried', [new TypeError('bug')], ['deposit']],
  ])('%s', async (_, errors, expected) => {
    const { budget, heard } = recording()
    let calls = 0
    await new RetryPolicy({ budget, backoff })
      .execute(() => {
        const error = errors[calls++]
        if (error !== undefined) throw error
      })
      .catch(() => {})
    expect(heard).toEqual(expected)
  })

  it.each(['deposit', 'tryWithdraw', 'succeeded', 'failed'] as const)(
    'a budget whose %s throws changes nothing but that retry, and is reported (FAULTS 51)',
    async (method) => {
      const { budget } = recording()
      const fault = new Error('budget')
      const broken: Budget = {
        ...budget,
        [method]: () => {
          throw fault
        },
      }
      const policy = new RetryPolicy({ budget: broken, backoff })
      const faults: unknown[] = []
      policy.on('error', (event) => faults.push(event))
      await expect(policy.execute(() => 'fine')).resolves.toBe('fine')
      const down = new Error('down')
      let calls = 0
      const answer = policy.execute(() => {
        calls += 1
        if (calls === 1) throw down
        return 'second'
      })
      if (method === 'tryWithdraw') await expect(answer).rejects.toBe(down)
      else await expect(answer).resolves.toBe('second')
      expect(faults.length).toBeGreaterThan(0)
      expect(faults).toEqual(faults.map(() => ({ event: 'budget', error: fault })))
    },
  )
})

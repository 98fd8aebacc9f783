import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { awsStandard, retryAfterOf, RetryPolicy, RetryProgress, RetryQuota } from '../../src/retry/index.ts'

/**
 * The "specification tests" of AWS's retries: 8 cases, 23 steps. Origin: smithy-lang/smithy-typescript,
 * packages/core/src/submodules/retry/util-retry/retries.integ.spec.ts. Chance always draws the longest delay.
 */

type Outcome = 'retry' | 'success' | 'exhausted' | 'budget'

/** What comes back, what becomes of it, what the quota is afterwards, and how long the retry waits. */
type Step = readonly [answer: number | string, outcome: Outcome, quota: number, delayMs?: number]

interface Case {
  readonly name: string
  readonly maxAttempts?: number
  readonly initialTokens?: number
  readonly steps: readonly Step[]
}

const cases: readonly Case[] = [
  {
    name: 'a retry succeeds in the end',
    steps: [
      [500, 'retry', 486, 50],
      [500, 'retry', 472, 100],
      [200, 'success', 486],
    ],
  },
  {
    name: 'all tries are made',
    steps: [
      [502, 'retry', 486, 50],
      [502, 'retry', 472, 100],
      [502, 'exhausted', 472],
    ],
  },
  {
    name: 'the quota is spent after a single retry',
    initialTokens: 14,
    steps: [
      [500, 'retry', 0, 50],
      [500, 'budget', 0],
    ],
  },
  { name: 'an empty quota allows no retry', initialTokens: 0, steps: [[500, 'budget', 0]] },
  {
    name: 'the delays double',
    maxAttempts: 5,
    steps: [
      [500, 'retry', 486, 50],
      [500, 'retry', 472, 100],
      [500, 'retry', 458, 200],
      [500, 'retry', 444, 400],
      [500, 'exhausted', 444],
    ],
  },
  {
    name: 'retries stop when the quota no longer covers one',
    maxAttempts: 5,
    initialTokens: 20,
    steps: [
      [500, 'retry', 6, 50],
      [502, 'budget', 6],
    ],
  },
  {
    name: 'successful retries give back what they cost',
    maxAttempts: 5,
    initialTokens: 30,
    steps: [
      [500, 'retry', 16, 50],
      [502, 'retry', 2, 100],
      [200, 'success', 16],
      [500, 'retry', 2, 50],
      [200, 'success', 16],
    ],
  },
  {
    name: 'a request for patience costs 5 and waits a second',
    steps: [
      ['Throttling', 'retry', 495, 1_000],
      [200, 'success', 500],
    ],
  },
]

const longest = (): number => 1

/** A number is a status; a text is the code of a 400. */
const errorOf = (answer: number | string): Error =>
  typeof answer === 'number'
    ? Object.assign(new Error('refused'), { status: answer })
    : Object.assign(new Error('refused'), { name: answer, status: 400 })

describe('AWS specification tests', () => {
  it('are 8 cases with 23 steps', () => {
    expect(cases).toHaveLength(8)
    expect(cases.flatMap(({ steps }) => steps)).toHaveLength(23)
  })

  it.each(cases)('$name: by decide', ({ maxAttempts = 3, initialTokens = 500, steps }) => {
    const quota = new RetryQuota({ initialTokens })
    const policy = new RetryPolicy(awsStandard({ maxAttempts, budget: quota, random: longest }))
    let attempt = 1
    let progress = new RetryProgress()
    for (const [answer, outcome, left, delayMs] of steps) {
      if (outcome === 'success') {
        policy.succeeded(progress)
        attempt = 1
        progress = new RetryProgress()
      } else {
        const decision = policy.decide({ attempt, error: errorOf(answer), progress })
        expect(decision).toEqual(outcome === 'retry' ? { retry: true, delayMs } : { retry: false, reason: outcome })
        attempt += 1
      }
      expect(quota.tokens).toBe(left)
    }
  })
})

describe('end to end', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  /** Runs the answers of a case as one call after the other; the time each took, and what it came to. */
  async function play({ maxAttempts = 3, initialTokens = 500, steps }: Case) {
    const quota = new RetryQuota({ initialTokens })
    const policy = new RetryPolicy(awsStandard({ maxAttempts, budget: quota, random: longest }))
    const answers = steps.map(([answer]) => answer)
    const reasons: string[] = []
    policy.on('gave-up', ({ reason }) => reasons.push(reason))
    const began = performance.now()
    while (answers.length > 0) {
      const call = policy.execute(() => {
        const answer = answers.shift() as number | string
        if (answer === 200) return 'ok'
        throw errorOf(answer)
      })
      call.catch(() => {})
      await vi.runAllTimersAsync()
      await call.catch(() => {})
    }
    return { tookMs: performance.now() - began, left: quota.tokens, reasons }
  }

  it.each(cases)('$name: by execute, to the millisecond', async (each) => {
    const last = each.steps.at(-1) as Step
    const waits = each.steps.reduce((sum, [, , , delayMs = 0]) => sum + delayMs, 0)
    const reasons = last[1] === 'success' ? [] : [last[1]]
    expect(await play(each)).toEqual({ tookMs: waits, left: last[2], reasons })
  })

  it.each([
    ['1500', 1_500],
    ['invalid', 50],
    ['10', 50],
    ['9000', 5_050],
  ])('x-amz-retry-after: %s waits %i ms, between the backoff and 5 s more', async (header, delayMs) => {
    const headers = { 'x-amz-retry-after': header }
    const options = awsStandard({ random: longest, retryAfterOf: () => retryAfterOf(headers) })
    const policy = new RetryPolicy(options)
    const decision = policy.decide({ attempt: 1, error: errorOf(500) })
    expect(decision).toEqual({ retry: true, delayMs })
  })
})

describe('awsStandard', () => {
  it('is three tries, and a quota for each', () => {
    expect(awsStandard().maxAttempts).toBe(3)
    expect(awsStandard().budget).toBeInstanceOf(RetryQuota)
    expect(awsStandard().budget).not.toBe(awsStandard().budget)
  })

  it('takes single options, and a list of errors in the place of its own', () => {
    expect(awsStandard({ maxAttempts: 7 }).maxAttempts).toBe(7)
    expect(awsStandard({ budget: false }).budget).toBe(false)
    const picky = new RetryPolicy(awsStandard({ retryOn: ['SlowDown'] }))
    expect(picky.decide({ attempt: 1, error: errorOf('SlowDown') }).retry).toBe(true)
    expect(picky.decide({ attempt: 1, error: errorOf(500) })).toEqual({ retry: false, reason: 'not-retryable' })
  })

  it('does not retry what no retry cures', () => {
    const policy = new RetryPolicy(awsStandard())
    const reason = { retry: false, reason: 'not-retryable' }
    expect(policy.decide({ attempt: 1, error: errorOf('ValidationException') })).toEqual(reason)
    expect(policy.decide({ attempt: 1, error: errorOf(404) })).toEqual(reason)
  })

  it('draws the whole range: full jitter up to 20 s', () => {
    const delays = (random: () => number) =>
      [1, 12].map((attempt) => awsStandard().backoff?.delayMs({ attempt, random, kind: 'throttling' }))
    expect(delays(() => 0)).toEqual([0, 0])
    expect(delays(() => 0.5)).toEqual([500, 10_000])
    expect(delays(() => 1)).toEqual([1_000, 20_000])
  })
})

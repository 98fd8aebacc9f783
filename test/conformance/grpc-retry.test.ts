import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  Hedge,
  grpcServiceConfig,
  RetryBudget,
  type RetryOptions,
  RetryPolicy,
  RetryProgress,
  RetryThrottle,
} from '../../src/retry/index.ts'

/**
 * gRPC's retries as gRFC A6 describes them: which are made, when, and when no longer. Origin: grpc/proposal,
 * A6-client-retries.md; grpc/grpc-node, packages/grpc-js/test/test-retry.ts.
 */

const UNAVAILABLE = 14
const RESOURCE_EXHAUSTED = 8

const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: '0.1s',
  maxBackoff: '1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE', 'resource_exhausted'],
}

const config = (change: object = {}, throttling?: object) => ({
  methodConfig: [{ name: [{ service: 'devices.Devices' }], retryPolicy: { ...retryPolicy, ...change } }],
  ...(throttling === undefined ? undefined : { retryThrottling: throttling }),
})

const options = (json: unknown = config()): RetryOptions =>
  grpcServiceConfig(json, 'devices.Devices/List').retry as RetryOptions

/** As grpc-js makes them: a code, and metadata whose `get` answers a list. */
const status = (code: number, pushback?: string): Error =>
  Object.assign(new Error('rpc'), {
    code,
    metadata: { get: (key: string) => (key === 'grpc-retry-pushback-ms' && pushback !== undefined ? [pushback] : []) },
  })

const middle = (): number => 0.5

describe('attempts', () => {
  it.each([
    [2, 2],
    [5, 5],
    [6, 5],
    [300, 5],
  ])('maxAttempts %i is %i', (given, taken) => {
    expect(options(config({ maxAttempts: given })).maxAttempts).toBe(taken)
    const hedged = { methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: given } }] }
    expect(grpcServiceConfig(hedged).hedging?.maxHedges).toBe(taken - 1)
  })

  it.each([
    [UNAVAILABLE, true],
    [RESOURCE_EXHAUSTED, true],
    ['unavailable', true],
    [13, false],
    ['ECONNREFUSED', false],
    [undefined, false],
    [0, false],
  ])('code %j: %s', (code, retried) => {
    const error = Object.assign(new Error('rpc'), { code })
    expect(new RetryPolicy(options()).decide({ attempt: 1, error }).retry).toBe(retried)
  })

  it.each([null, 'UNAVAILABLE', undefined])('%j, which is no error of gRPC, is not retried', (error) => {
    const policy = new RetryPolicy(options())
    const faults: unknown[] = []
    policy.on('error', (fault) => faults.push(fault))
    expect(policy.decide({ attempt: 1, error }).retry).toBe(false)
    expect(faults).toEqual([])
  })
})

describe('backoff', () => {
  const delays = (random: () => number, change: object = {}): (number | undefined)[] =>
    [1, 2, 3, 4, 5, 6].map((attempt) => options(config(change)).backoff?.delayMs({ attempt, random }))

  it('grows from initialBackoff by the multiplier up to maxBackoff, ±20 %', () => {
    expect(delays(middle)).toEqual([100, 200, 400, 800, 1_000, 1_000])
    expect(delays(() => 0)).toEqual([80, 160, 320, 640, 800, 800])
    expect(delays(() => 1).map((delay) => Math.round(delay as number))).toEqual([120, 240, 480, 960, 1_200, 1_200])
  })

  it('may shrink: a multiplier below 1 is allowed', () => {
    expect(delays(middle, { backoffMultiplier: 0.5 }).slice(0, 3)).toEqual([100, 50, 25])
  })

  it.each([
    ['.5s', 500],
    ['0.000000001s', 1e-6],
    ['2.s', 2_000],
    ['315576000000s', 24 * 86_400_000],
  ])('initialBackoff %s is %d ms', (initialBackoff, ms) => {
    const { backoff } = options(config({ initialBackoff, maxBackoff: '315576000000s' }))
    expect(backoff?.name).toBe('exponential')
    expect(backoff?.delayMs({ attempt: 1, random: middle })).toBeCloseTo(ms, 9)
  })
})

describe('pushback', () => {
  const decide = (pushback: string, code = UNAVAILABLE) =>
    new RetryPolicy({ ...options(), random: middle }).decide({ attempt: 1, error: status(code, pushback) })

  it.each([
    ['0', 0],
    ['1', 1],
    ['20', 20],
    ['60000', 60_000],
    ['2147483647', 24 * 86_400_000],
  ])('%s ms is waited exactly, shorter or longer than the backoff', (pushback, delayMs) => {
    expect(decide(pushback)).toEqual({ retry: true, delayMs })
  })

  it.each(['-1', '-20', '', 'abc', '1.5', '01', '+1', '0x10', ' 1', '1e3', '2147483648', '99999999999'])(
    '%j asks not to be tried again',
    (pushback) => {
      expect(decide(pushback)).toEqual({ retry: false, reason: 'not-retryable' })
    },
  )

  it('does not make a fatal status retryable, nor add a try', () => {
    expect(decide('10', 3)).toEqual({ retry: false, reason: 'not-retryable' })
    const policy = new RetryPolicy(options())
    const last = { attempt: 4, error: status(UNAVAILABLE, '10') }
    expect(policy.decide(last)).toEqual({ retry: false, reason: 'exhausted' })
  })

  it('begins the backoff anew: after it, the delay is that of a first retry, and grows from there', () => {
    const policy = new RetryPolicy({ ...options(config({ maxAttempts: 5 })), random: middle })
    const progress = new RetryProgress()
    const seen = [undefined, '700', undefined, undefined].map((pushback, index) =>
      policy.decide({ attempt: index + 1, error: status(UNAVAILABLE, pushback), progress }),
    )
    expect(seen).toEqual([100, 700, 100, 200].map((delayMs) => ({ retry: true, delayMs })))
  })

  const oddities: readonly (readonly [string, object, number | 'never'])[] = [
    ['no metadata', {}, 100],
    ['metadata that is null', { metadata: null }, 100],
    ['metadata without get', { metadata: { get: 'x' } }, 100],
    ['a get that answers the text itself', { metadata: { get: () => '30' } }, 30],
    ['a get that answers null', { metadata: { get: () => null } }, 100],
    ['a get that throws', { metadata: { get: () => JSON.parse('{') as unknown } }, 100],
    ['a value that is no text', { metadata: { get: () => [7] } }, 'never'],
  ]
  it.each(oddities)('%s is read as it deserves', (oddity, properties, expected) => {
    const policy = new RetryPolicy({ ...options(), random: middle })
    const faults: string[] = []
    policy.on('error', ({ event }) => faults.push(event))
    const decision = policy.decide({ attempt: 1, error: Object.assign(new Error('rpc'), { code: 14 }, properties) })
    expect(faults).toEqual(oddity === 'a get that throws' ? ['retryAfterOf'] : [])
    const asked = expected === 'never'
    expect(decision).toEqual(asked ? { retry: false, reason: 'not-retryable' } : { retry: true, delayMs: expected })
  })
})

describe('throttling', () => {
  const failure = { attempt: 1, error: status(UNAVAILABLE) }

  it('stops retries while half of the tokens or fewer are left', () => {
    const throttle = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.1 })
    const policy = new RetryPolicy({ ...options(), budget: throttle })
    const seen = Array.from({ length: 6 }, () => [policy.decide(failure).retry, throttle.tokens])
    expect(seen).toEqual([
      [true, 9],
      [true, 8],
      [true, 7],
      [true, 6],
      [false, 5],
      [false, 4],
    ])
    expect(throttle.suppressed).toBe(2)
    expect(policy.metrics.suppressed).toBe(2)
    // A try that fails takes its token before it is asked whether there is one: 6.1 becomes 5.1, which is above half.
    for (let i = 0; i < 20; i += 1) policy.succeeded()
    expect(policy.decide(failure).retry).toBe(false)
    for (let i = 0; i < 11; i += 1) policy.succeeded()
    expect(throttle.tokens).toBe(6.1)
    expect(policy.decide(failure).retry).toBe(true)
  })

  it('counts only retryable failures, and those that ask not to be tried again', () => {
    const throttle = new RetryThrottle()
    const policy = new RetryPolicy({ ...options(), budget: throttle })
    policy.decide({ attempt: 1, error: status(3) })
    expect(throttle.tokens).toBe(10)
    policy.decide({ attempt: 1, error: status(3, '-1') })
    expect(throttle.tokens).toBe(9)
    policy.decide({ attempt: 1, error: status(3, '50') })
    policy.decide({ ...failure, aborted: true })
    expect(throttle.tokens).toBe(9)
  })

  it('counts the last failure too, although there is no retry to refuse', () => {
    const throttle = new RetryThrottle()
    const policy = new RetryPolicy({ ...options(), budget: throttle })
    expect(policy.decide({ ...failure, attempt: 4 })).toEqual({ retry: false, reason: 'exhausted' })
    expect(throttle.tokens).toBe(9)
  })

  it('is one for all methods of a server', () => {
    const json = {
      methodConfig: [{ name: [{ service: 'A', method: 'B' }, { service: 'C' }], retryPolicy }],
      retryThrottling: { maxTokens: 4, tokenRatio: 0.5466 },
    }
    const parsed = grpcServiceConfig(json, 'A/B')
    expect(parsed.retry?.budget).toBe(parsed.throttle)
    expect(parsed.forMethod('C/D').retry?.budget).toBe(parsed.throttle)
    const throttle = parsed.throttle as RetryThrottle
    throttle.failed()
    throttle.succeeded()
    // Decimal places beyond the third are ignored.
    expect(throttle.tokens).toBe(3.546)
    expect(throttle.available).toBe(1.546)
  })

  it('that is not configured leaves the budget every policy has', () => {
    expect('budget' in options()).toBe(false)
    expect(new RetryPolicy(options()).budget).toBeInstanceOf(RetryBudget)
  })

  it('takes a ratio greater than the bucket', () => {
    const parsed = grpcServiceConfig({ retryThrottling: { maxTokens: 1, tokenRatio: 5_000 } })
    parsed.throttle?.failed()
    parsed.throttle?.succeeded()
    expect(parsed.throttle?.tokens).toBe(1)
  })
})

describe('the entry of a method', () => {
  const entry = (name: object[], timeout: string) => ({ name, timeout })
  const json = JSON.stringify({
    methodConfig: [
      entry([{}], '1s'),
      entry([{ service: 'A' }], '2s'),
      entry(
        [
          { service: 'A', method: 'B' },
          { service: 'D', method: '' },
        ],
        '3s',
      ),
    ],
  })

  it.each([
    ['A/B', 3_000],
    ['A/C', 2_000],
    ['A', 2_000],
    ['D/x', 3_000],
    ['X/Y', 1_000],
    [undefined, 1_000],
    ['', 1_000],
  ])('%s: the most specific that names it', (method, timeoutMs) => {
    expect(grpcServiceConfig(json, method).timeoutMs).toBe(timeoutMs)
    expect(grpcServiceConfig(json).forMethod(method).timeoutMs).toBe(timeoutMs)
  })

  it('without one says nothing', () => {
    const none = { retry: undefined, hedging: undefined, timeoutMs: undefined }
    expect(grpcServiceConfig(config()).forMethod('X/Y')).toEqual(none)
    expect(grpcServiceConfig({}).retry).toBeUndefined()
  })

  it('may be about hedges', () => {
    const policy = { maxAttempts: 4, hedgingDelay: '0.5s', nonFatalStatusCodes: ['UNAVAILABLE', 13, 'aborted'] }
    const hedged = grpcServiceConfig({ methodConfig: [{ name: [{}], hedgingPolicy: policy }] })
    expect(hedged.hedging).toEqual({
      maxHedges: 3,
      delayMs: 500,
      retryable: expect.any(Function),
      retryAfterOf: expect.any(Function),
    })
    expect(hedged.retry).toBeUndefined()
    expect(new Hedge(hedged.hedging).info).toMatchObject({ maxAttempts: 4 })
    const fatal = [14, 13, 10, 9, 'x'].map((code) => hedged.hedging?.retryable?.({ code }))
    expect(fatal).toEqual([true, true, true, false, false])
    expect(hedged.hedging?.retryable?.(new Error('no code'))).toBe(false)
    const bare = grpcServiceConfig({ methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: 2 } }] })
    expect(bare.hedging).toMatchObject({ maxHedges: 1, delayMs: 0, retryable: expect.any(Function) })
    expect(bare.hedging?.retryable?.({ code: 14 })).toBe(false)
  })
})

describe('execute', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('waits for a pushback, then backs off from the start, and tells the throttle how each ended', async () => {
    const { retry, throttle } = grpcServiceConfig(
      config({}, { maxTokens: 10, tokenRatio: 0.1 }),
      'devices.Devices/List',
    )
    const policy = new RetryPolicy({ ...(retry as RetryOptions), random: middle })
    const answers = [status(UNAVAILABLE, '700'), status(UNAVAILABLE), 'devices']
    const at: number[] = []
    const began = performance.now()
    const call = policy.execute(() => {
      at.push(performance.now() - began)
      const answer = answers[at.length - 1]
      if (answer instanceof Error) throw answer
      return answer
    })
    await vi.runAllTimersAsync()
    await expect(call).resolves.toBe('devices')
    expect(at).toEqual([0, 700, 800])
    expect(throttle?.tokens).toBe(8.1)
    await policy.execute(() => 'first')
    expect(throttle?.tokens).toBe(8.2)
  })
})

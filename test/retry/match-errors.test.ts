import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../src/core/errors.ts'
import { type ErrorMatcher, failureKindOf, matchErrors, RetryPolicy } from '../../src/retry/index.ts'
import { decorated } from './decorated.ts'

class QuotaError extends Error {
  override readonly name = 'QuotaError'
}

/** No Error at all, as some libraries throw. */
class Refusal {
  readonly reason = 'busy'
}

const reset = decorated(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const status = (value: number): Error => decorated(new Error('refused'), { status: value })

describe('matchErrors', () => {
  const cases: readonly (readonly [string, ErrorMatcher, unknown, boolean])[] = [
    ['a code', 'ECONNRESET', reset, true],
    ['a part of a code', 'ECONN', reset, false],
    ['a code in another case', 'econnreset', reset, false],
    ['a name', 'QuotaError', new QuotaError('x'), true],
    ['a name that is only in the message', 'QuotaError', new Error('QuotaError'), false],
    ['the code of a cause', 'ECONNRESET', new TypeError('fetch failed', { cause: reset }), true],
    ['a status', 503, status(503), true],
    ['another status', 503, status(500), false],
    ['the status of a response', 503, decorated(new Error('axios'), { response: { status: 503 } }), true],
    ['a numeric code', 14, decorated(new Error('rpc'), { code: 14 }), true],
    ['a number in the message', 503, new Error('503'), false],
    ['a RegExp on the message', /connection (?:refused|reset)/i, new Error('Connection refused'), true],
    ['a RegExp that does not fit', /^refused/, new Error('Connection refused'), false],
    ['a RegExp without a message', /x/, { message: 5 }, false],
    ['a part of the message', { message: 'refused' }, new Error('connection refused'), true],
    ['a part in another case', { message: 'Refused' }, new Error('connection refused'), false],
    ['a part of no message', { message: 'refused' }, { message: undefined }, false],
    ['a part of a thrown text', { message: 'refused' }, 'refused', false],
    ['a class', QuotaError, new QuotaError('x'), true],
    ['a class of the platform', TypeError, new TypeError('x'), true],
    ['a base class', Error, new QuotaError('x'), true],
    ['another class', RangeError, new QuotaError('x'), false],
    ['a class of this package', TimeoutError, new TimeoutError(5, 'attempt'), true],
    ['a class that is no Error', Refusal, new Refusal(), true],
    ['the class of a cause', QuotaError, new Error('wrapped', { cause: new QuotaError('x') }), true],
    ['a DOMException', DOMException, new DOMException('x', 'TimeoutError'), true],
    ['a predicate', (error: unknown) => error === 'busy', 'busy', true],
    ['a predicate that says no', () => false, reset, false],
    [
      'a predicate with a prototype',
      function says() {
        return true
      },
      'whatever',
      true,
    ],
    ['a code of undefined', 'x', undefined, false],
    ['a code of null', 'x', null, false],
  ]
  it.each(cases)('%s', (_, matcher, error, expected) => {
    expect(matchErrors([matcher])(error)).toBe(expected)
    expect(matchErrors(['NEVER', matcher, 999])(error)).toBe(expected)
  })

  it('with an empty list matches nothing', () => {
    expect(matchErrors([])(reset)).toBe(false)
  })

  it('asks a predicate about the error itself, not its causes', () => {
    const seen: unknown[] = []
    const outer = new Error('outer', { cause: reset })
    matchErrors([(error) => seen.push(error) > 5])(outer)
    expect(seen).toEqual([outer])
  })

  it('looks at five errors of a chain, also of one that goes round in circles', () => {
    const chain = (length: number): Error => {
      let error: Error = reset
      for (let i = 1; i < length; i += 1) error = new Error('wrapped', { cause: error })
      return error
    }
    expect(matchErrors(['ECONNRESET'])(chain(5))).toBe(true)
    expect(matchErrors(['ECONNRESET'])(chain(6))).toBe(false)
    const circle: Error & { cause?: unknown } = new Error('circle')
    circle.cause = circle
    expect(matchErrors(['ECONNRESET'])(circle)).toBe(false)
  })

  it('is not confused by a RegExp that remembers where it stopped', () => {
    for (const pattern of [/down/g, /down/y, /DOWN/gi]) {
      const matches = matchErrors([pattern])
      expect([1, 2, 3].map(() => matches(new Error('down')))).toEqual([true, true, true])
    }
  })

  it.each([
    ['', '""'],
    [null, 'null'],
    [true, 'true'],
    [{}, 'an object'],
    [{ message: '' }, 'an object'],
    [undefined, 'undefined'],
  ])('refuses %j', (matcher, shown) => {
    const complaint = `matchErrors: an error is named by a string, a number, a RegExp, { message }, a class or a predicate, got ${shown}`
    expect(() => matchErrors([matcher as ErrorMatcher])).toThrow(new TypeError(complaint))
  })

  it('refuses what is no list', () => {
    expect(() => matchErrors('ECONNRESET' as never)).toThrow('matchErrors: matchers must be an array, got "ECONNRESET"')
  })
})

describe('retryOn', () => {
  it('is what is retried, and nothing else', () => {
    const policy = new RetryPolicy({ retryOn: ['ECONNRESET', { message: 'busy' }] })
    expect(policy.decide({ attempt: 1, error: reset }).retry).toBe(true)
    expect(policy.decide({ attempt: 1, error: new Error('too busy') }).retry).toBe(true)
    expect(policy.decide({ attempt: 1, error: status(503) })).toEqual({ retry: false, reason: 'not-retryable' })
  })

  it.each([
    [{ retryOn: 'ECONNRESET' as never }, 'RetryPolicy: retryOn: matchers must be an array, got "ECONNRESET"'],
    [{ retryOn: [null as never] }, 'RetryPolicy: retryOn: an error is named by'],
    [{ retryOn: [Number.NaN] }, 'RetryPolicy: retryOn: an error is named by'],
    [{ retryOn: [] }, 'RetryPolicy: retryOn must be a list that is not empty, got an array'],
    [
      { retryOn: [503], retryable: () => true },
      'RetryPolicy: retryable must be left out when retryOn is given, got a function',
    ],
  ])('%o is refused', (options, message) => {
    expect(() => new RetryPolicy(options)).toThrow(message)
  })

  it('a predicate that throws is reported and taken for a no', () => {
    const fault = new Error('hook')
    const policy = new RetryPolicy({
      retryOn: [
        () => {
          throw fault
        },
      ],
    })
    const faults: unknown[] = []
    policy.on('error', (event) => faults.push(event))
    expect(policy.decide({ attempt: 1, error: reset })).toEqual({ retry: false, reason: 'not-retryable' })
    expect(faults).toEqual([{ event: 'retryable', error: fault }])
  })
})

describe('failureKindOf', () => {
  it.each([
    ['status 429', status(429), 'throttling'],
    ['a response with 429', decorated(new Error('axios'), { response: { status: 429 } }), 'throttling'],
    ['an AWS name', decorated(new Error('x'), { name: 'ThrottlingException', status: 400 }), 'throttling'],
    ['an AWS code', decorated(new Error('x'), { code: 'SlowDown' }), 'throttling'],
    ['a cause that is throttled', new Error('wrapped', { cause: status(429) }), 'throttling'],
    ['status 503', status(503), 'transient'],
    ['a lost connection', reset, 'transient'],
    ['a thrown text', 'ThrottlingException', 'transient'],
    ['nothing', undefined, 'transient'],
  ])('%s', (_, error, kind) => {
    expect(failureKindOf(error)).toBe(kind)
  })

  it.each([
    'BandwidthLimitExceeded',
    'EC2ThrottledException',
    'LimitExceededException',
    'PriorRequestNotComplete',
    'ProvisionedThroughputExceededException',
    'RequestLimitExceeded',
    'RequestThrottled',
    'RequestThrottledException',
    'SlowDown',
    'ThrottledException',
    'Throttling',
    'ThrottlingException',
    'TooManyRequestsException',
    'TransactionInProgressException',
  ])('%s, by which an AWS service asks for patience, is throttling', (code) => {
    expect(failureKindOf({ code })).toBe('throttling')
    expect(failureKindOf({ name: code })).toBe('throttling')
  })
})

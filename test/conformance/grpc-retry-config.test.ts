import { describe, expect, it } from 'vitest'
import { grpcServiceConfig } from '../../src/retry/index.ts'

/**
 * What a gRPC service config may not say: the 25 rejections of grpc/grpc-node, packages/grpc-js/test/test-retry-config.ts,
 * and the rules of gRFC A6 ("Validation of …") that they come from.
 */

const NAME = [{ service: 'A', method: 'B' }]
const retryPolicy = {
  maxAttempts: 2,
  initialBackoff: '1s',
  maxBackoff: '1s',
  backoffMultiplier: 1,
  retryableStatusCodes: [14, 'RESOURCE_EXHAUSTED'],
}
const hedgingPolicy = { maxAttempts: 2 }
const retryThrottling = { maxTokens: 100, tokenRatio: 0.1 }

const withRetry = (change: object): object => ({
  methodConfig: [{ name: NAME, retryPolicy: { ...retryPolicy, ...change } }],
})
const withHedging = (change: object): object => ({
  methodConfig: [{ name: NAME, hedgingPolicy: { ...hedgingPolicy, ...change } }],
})
const withThrottling = (change: object): object => ({
  methodConfig: [],
  retryThrottling: { ...retryThrottling, ...change },
})

const ATTEMPTS = 'maxAttempts must be an integer from 2'
const DURATION = (name: string): string => `${name} must be a duration`

const rejections: readonly (readonly [string, object, string])[] = [
  ['retry: no maxAttempts', withRetry({ maxAttempts: undefined }), `retryPolicy: ${ATTEMPTS}, got undefined`],
  ['retry: maxAttempts 1', withRetry({ maxAttempts: 1 }), `retryPolicy: ${ATTEMPTS}, got 1`],
  ['retry: no initialBackoff', withRetry({ initialBackoff: undefined }), DURATION('initialBackoff')],
  ['retry: initialBackoff in letters', withRetry({ initialBackoff: 'abcs' }), DURATION('initialBackoff')],
  ['retry: initialBackoff without s', withRetry({ initialBackoff: '123' }), DURATION('initialBackoff')],
  ['retry: no maxBackoff', withRetry({ maxBackoff: undefined }), DURATION('maxBackoff')],
  ['retry: maxBackoff in letters', withRetry({ maxBackoff: 'abcs' }), DURATION('maxBackoff')],
  ['retry: maxBackoff without s', withRetry({ maxBackoff: '123' }), DURATION('maxBackoff')],
  [
    'retry: no backoffMultiplier',
    withRetry({ backoffMultiplier: undefined }),
    'backoffMultiplier must be a finite number above 0, got undefined',
  ],
  [
    'retry: a negative backoffMultiplier',
    withRetry({ backoffMultiplier: -1 }),
    'backoffMultiplier must be a finite number above 0, got -1',
  ],
  [
    'retry: no retryableStatusCodes',
    withRetry({ retryableStatusCodes: undefined }),
    'retryPolicy: retryableStatusCodes must be a list of status codes that is not empty, got undefined',
  ],
  [
    'retry: empty retryableStatusCodes',
    withRetry({ retryableStatusCodes: [] }),
    'retryableStatusCodes must be a list of status codes that is not empty',
  ],
  [
    'retry: an unknown status name',
    withRetry({ retryableStatusCodes: ['abcd'] }),
    'retryableStatusCodes must be a list of gRPC status codes, by number or name, not of "abcd"',
  ],
  ['retry: a status out of range', withRetry({ retryableStatusCodes: [12_345] }), 'not of 12345'],
  ['hedging: no maxAttempts', withHedging({ maxAttempts: undefined }), `hedgingPolicy: ${ATTEMPTS}`],
  ['hedging: maxAttempts 1', withHedging({ maxAttempts: 1 }), `hedgingPolicy: ${ATTEMPTS}`],
  ['hedging: hedgingDelay in letters', withHedging({ hedgingDelay: 'abcs' }), DURATION('hedgingDelay')],
  ['hedging: hedgingDelay without s', withHedging({ hedgingDelay: '123' }), DURATION('hedgingDelay')],
  ['hedging: an unknown status name', withHedging({ nonFatalStatusCodes: ['abcd'] }), 'not of "abcd"'],
  ['hedging: a status out of range', withHedging({ nonFatalStatusCodes: [12_345] }), 'not of 12345'],
  [
    'throttling: no maxTokens',
    withThrottling({ maxTokens: undefined }),
    'retryThrottling: maxTokens must be a finite number above 0 up to 1000, got undefined',
  ],
  [
    'throttling: maxTokens 1001',
    withThrottling({ maxTokens: 1_001 }),
    'maxTokens must be a finite number above 0 up to 1000',
  ],
  ['throttling: maxTokens 0', withThrottling({ maxTokens: 0 }), 'maxTokens must be a finite number above 0 up to 1000'],
  [
    'throttling: no tokenRatio',
    withThrottling({ tokenRatio: undefined }),
    'retryThrottling: tokenRatio must be a finite number above 0, got undefined',
  ],
  [
    'throttling: tokenRatio 0',
    withThrottling({ tokenRatio: 0 }),
    'retryThrottling: tokenRatio must be a finite number above 0',
  ],
]

const more: readonly (readonly [string, unknown, string])[] = [
  ['maxAttempts 2.5', withRetry({ maxAttempts: 2.5 }), ATTEMPTS],
  ['initialBackoff 0s', withRetry({ initialBackoff: '0s' }), `initialBackoff must be a duration above 0 like '0.5s'`],
  ['initialBackoff 0.s', withRetry({ initialBackoff: '0.s' }), 'a duration above 0'],
  ['maxBackoff 1', withRetry({ maxBackoff: 1 }), DURATION('maxBackoff')],
  ['thirteen digits of seconds', withRetry({ maxBackoff: '1234567890123s' }), DURATION('maxBackoff')],
  ['ten decimal places and no digit before', withRetry({ maxBackoff: '.1234567890s' }), DURATION('maxBackoff')],
  ['ten decimal places', withRetry({ maxBackoff: '0.0000000001s' }), DURATION('maxBackoff')],
  ['backoffMultiplier 0', withRetry({ backoffMultiplier: 0 }), 'backoffMultiplier must be a finite number above 0'],
  ['codes that are no list', withRetry({ retryableStatusCodes: 14 }), 'must be a list of status codes, got 14'],
  ['status 17', withRetry({ retryableStatusCodes: [17] }), 'not of 17'],
  ['status -1', withRetry({ retryableStatusCodes: [-1] }), 'not of -1'],
  ['status 1.5', withRetry({ retryableStatusCodes: [1.5] }), 'not of 1.5'],
  ['a status that is an object', withRetry({ retryableStatusCodes: [{}] }), 'not of an object'],
  [
    'retries and hedges of one method',
    { methodConfig: [{ name: NAME, retryPolicy, hedgingPolicy }] },
    'methodConfig: retryPolicy and hedgingPolicy exclude each other',
  ],
  [
    'a method without a service',
    { methodConfig: [{ name: [{ method: 'B' }] }] },
    'method must be left out without a service',
  ],
  [
    'a service that is no text',
    { methodConfig: [{ name: [{ service: 5 }] }] },
    'methodConfig: name: service must be a string, got 5',
  ],
  ['methodConfig that is no list', { methodConfig: {} }, 'grpcServiceConfig: methodConfig must be a list'],
  ['an entry that is null', { methodConfig: [null] }, 'methodConfig: options must be an object, got null'],
  ['a name that is no list', { methodConfig: [{ name: 'A' }] }, 'methodConfig: name must be a list'],
  [
    'a timeout without s',
    { methodConfig: [{ name: [{}], timeout: '5' }] },
    `timeout must be a duration like '0.5s', got "5"`,
  ],
  ['null', null, 'grpcServiceConfig: options must be an object, got null'],
  ['text that is no JSON', '{', 'JSON'],
]

describe('a gRPC service config', () => {
  it('has 25 vectors of what it may not say', () => {
    expect(rejections).toHaveLength(25)
  })

  it.each(rejections)('rejects %s', (_, config, message) => {
    expect(() => grpcServiceConfig(config)).toThrow(message)
    expect(() => grpcServiceConfig(JSON.stringify(config))).toThrow(message.replace(/, got undefined$/, ''))
  })

  it.each(more)('rejects %s', (_, config, message) => {
    expect(() => grpcServiceConfig(config)).toThrow(message)
  })

  it.each([
    ['a retry policy', withRetry({})],
    ['a hedging policy', withHedging({})],
    ['a hedging policy with a delay', withHedging({ hedgingDelay: '1s' })],
    ['a hedging policy with codes', withHedging({ nonFatalStatusCodes: [14, 'RESOURCE_EXHAUSTED'] })],
    ['throttling', withThrottling({})],
    ['nothing at all', {}],
    ['what is no concern of retries', { loadBalancingConfig: [{ round_robin: {} }], healthCheckConfig: {} }],
  ])('accepts %s', (_, config) => {
    expect(() => grpcServiceConfig(config)).not.toThrow()
  })

  it.each(
    [
      'OK',
      'CANCELLED',
      'UNKNOWN',
      'INVALID_ARGUMENT',
      'DEADLINE_EXCEEDED',
      'NOT_FOUND',
      'ALREADY_EXISTS',
      'PERMISSION_DENIED',
      'RESOURCE_EXHAUSTED',
      'FAILED_PRECONDITION',
      'ABORTED',
      'OUT_OF_RANGE',
      'UNIMPLEMENTED',
      'INTERNAL',
      'UNAVAILABLE',
      'DATA_LOSS',
      'UNAUTHENTICATED',
    ].map((name, code) => [name, code] as const),
  )('knows status %s as %i, in any case', (name, code) => {
    const json = {
      methodConfig: [
        { name: [{}], hedgingPolicy: { maxAttempts: 2, nonFatalStatusCodes: [name, name.toLowerCase(), code] } },
      ],
    }
    const retryable = grpcServiceConfig(json).hedging?.retryable
    expect(Array.from({ length: 17 }, (_, other) => other).filter((other) => retryable?.({ code: other }))).toEqual([
      code,
    ])
  })

  it('reads own properties only (FAULTS 94)', () => {
    const inherited = Object.create({ methodConfig: 'polluted' }) as object
    expect(grpcServiceConfig(inherited).retry).toBeUndefined()
    const policy = Object.assign(Object.create({ maxAttempts: 4 }) as object, {
      ...retryPolicy,
      maxAttempts: undefined,
    })
    expect(() => grpcServiceConfig({ methodConfig: [{ name: NAME, retryPolicy: policy }] })).toThrow(ATTEMPTS)
  })
})

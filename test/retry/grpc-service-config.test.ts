import { describe, expect, it } from 'vitest'
import { grpcServiceConfig, Hedge } from '../../src/retry/index.ts'

// The rules of gRFC A6 have their tests in test/conformance.

describe('a gRPC service config', () => {
  it('about hedges has the throttle of all methods', () => {
    const { hedging, throttle } = grpcServiceConfig({
      methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: 2 } }],
      retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
    })
    expect(new Hedge(hedging).budget).toBe(throttle)
  })

  it('about hedges heeds a pushback', () => {
    const { hedging } = grpcServiceConfig({ methodConfig: [{ name: [{}], hedgingPolicy: { maxAttempts: 2 } }] })
    const saying = (value: string): unknown => ({ metadata: { get: () => [value] } })
    expect(hedging?.retryAfterOf?.(saying('250'))).toBe(250)
    expect(hedging?.retryAfterOf?.(saying('-1'))).toBe('never')
    expect(hedging?.retryAfterOf?.(new Error('none'))).toBeUndefined()
  })

  it('is found by the path of a request too, which begins with a slash', () => {
    const json = {
      methodConfig: [
        { name: [{ service: 'A', method: 'B' }], timeout: '1s' },
        { name: [{ service: 'A' }], timeout: '2s' },
      ],
    }
    expect(['/A/B', 'A/B', '/A/C', '/A', '//A'].map((path) => grpcServiceConfig(json, path).timeoutMs)).toEqual([
      1_000,
      1_000,
      2_000,
      2_000,
      undefined,
    ])
  })

  it.each([
    [[{ service: 'A', method: 'B' }], [{ service: 'A', method: 'B' }], '"A/B"'],
    [[{ service: 'A' }], [{ service: 'B' }, { service: 'A', method: '' }], '"A"'],
    [[{}, {}], [], '""'],
  ])('must be the only one of its name', (first, second, name) => {
    expect(() => grpcServiceConfig({ methodConfig: [{ name: first }, { name: second }] })).toThrow(
      new TypeError(`methodConfig: name must stand in one entry only, got ${name} twice`),
    )
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Policy, TimeoutError } from 'gateless'
import { cache, chaos, coalesce, fallback } from 'gateless/answers'
import { CallScope } from '../../src/core/context.ts'
import { TypedEmitter } from '../../src/core/emitter.ts'

/** Any of them, whatever its events are. */
type Answers = Policy<unknown> & { on(event: string, listener: (payload: unknown) => void): unknown }

const K = { key: 'k' }
const fail = (): Promise<never> => Promise.reject(new Error('down'))
const hang = (): Promise<never> => new Promise(() => {})

const POLICIES: readonly (readonly [string, () => Answers])[] = [
  ['cache', () => cache({ ttlMs: 1_000 })],
  ['chaos', () => chaos()],
  ['coalesce', () => coalesce()],
  ['fallback', () => fallback({ value: 'poorer' })],
]

/** Makes a policy, hands it out before its first call, and calls it until it had something to say about everything. */
type Scenario = (made: (policy: unknown) => void) => Promise<void>

const SCENARIOS: readonly (readonly [string, Scenario, readonly string[]])[] = [
  [
    'cache',
    async (made) => {
      const policy = cache({ ttlMs: 100, staleWhileRevalidateMs: 100, staleIfErrorMs: 200 })
      made(policy)
      await policy.execute(() => 1, K)
      await policy.execute(fail, K)
      await vi.advanceTimersByTimeAsync(100)
      await policy.execute(fail, K)
      await vi.advanceTimersByTimeAsync(100)
      await policy.execute(fail, K)
    },
    ['miss', 'hit', 'stale', 'refresh-failed', 'miss', 'stale'],
  ],
  [
    'chaos',
    async (made) => {
      const policy = chaos({ enabled: true, random: () => 0, outcome: { result: () => 1 } })
      made(policy)
      await policy.execute(hang)
    },
    ['injected'],
  ],
  [
    'coalesce',
    async (made) => {
      const policy = coalesce()
      made(policy)
      const controller = new AbortController()
      const answers = [1, 2].map(() => policy.execute(hang, { ...K, signal: controller.signal }))
      controller.abort()
      await Promise.allSettled(answers)
    },
    ['joined', 'abandoned'],
  ],
  [
    'fallback',
    async (made) => {
      const policy = fallback({ run: fail }, { value: 1 })
      made(policy)
      await policy.execute(fail)
    },
    ['alternative-failed', 'fallback'],
  ],
]

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe.each(POLICIES)('%s, inside another policy', (_name, make) => {
  it('leaves the call alone when its own part is over: the limit still ends it, and whoever listens is told', async () => {
    const scope = new CallScope({ timeoutMs: 100 })
    const told = vi.fn()
    scope.onAbort(told)
    await expect(make().execute(() => 1, scope)).resolves.toBe(1)
    await vi.advanceTimersByTimeAsync(100)
    expect(scope.reason).toBeInstanceOf(TimeoutError)
    expect(told).toHaveBeenCalledExactlyOnceWith(scope.reason)
    scope.dispose()
  })

  it('does not race the work a second time: whoever made the call does', async () => {
    const scope = new CallScope({ signal: new AbortController().signal })
    const listen = vi.spyOn(scope, 'listen')
    await expect(make().execute(() => 1, scope)).resolves.toBe(1)
    expect(listen).not.toHaveBeenCalled()
  })
})

describe.each(POLICIES)('%s, by itself', (_name, make) => {
  it('races no work that nobody can end early', async () => {
    const listen = vi.spyOn(CallScope.prototype, 'listen')
    await expect(make().execute(() => 1, { priority: 1 })).resolves.toBe(1)
    expect(listen).not.toHaveBeenCalled()
  })

  it('finds no fault with a call about which nobody said anything', async () => {
    const policy = make()
    const faults = vi.fn()
    policy.on('error', faults)
    await policy.execute(() => 1)
    expect(faults).not.toHaveBeenCalled()
  })
})

describe.each(SCENARIOS)('the events of %s', (_name, scenario, events) => {
  it('reach whoever listens, in order', async () => {
    const heard: string[] = []
    await scenario((policy) => {
      for (const event of new Set(events)) (policy as Answers).on(event, () => heard.push(event))
    })
    expect(heard).toEqual(events)
  })

  it('cost nothing while nobody listens: none is put together', async () => {
    const emit = vi.spyOn(TypedEmitter.prototype as unknown as { emit(event: string, payload: unknown): void }, 'emit')
    await scenario(() => {})
    expect(emit).not.toHaveBeenCalled()
  })
})

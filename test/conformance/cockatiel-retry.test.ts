import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Backoff, exponentialBackoff, type RetryOptions, RetryPolicy } from '../../src/retry/index.ts'
import { failing, outcome, settled } from './support.ts'

/**
 * What cockatiel 4.0.0 promises of its retries, retold: connor4312/cockatiel, src/RetryPolicy.test.ts. Its `maxAttempts`
 * counts the retries, ours the tries. docs/conformance.md lists what differs, and why.
 */

class ErrorA extends Error {}
class ErrorB extends Error {}

/** Without what cockatiel does not have: a budget, and a look at the error. */
const retry = (options: RetryOptions = {}): RetryPolicy =>
  new RetryPolicy({ retryable: () => true, budget: false, backoff: sequence([]), ...options })

/** The delays one after the other, then none: what cockatiel calls an iterable backoff. */
function sequence(delays: readonly number[]): Backoff {
  return { name: 'sequence', delayMs: ({ attempt }) => delays[attempt - 1] ?? 0 }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe("cockatiel's retry", () => {
  // types return data correctly in all cases
  it("answers with the work's own type, whether it is asynchronous or not", async () => {
    const half = (n: number): number => n / 2
    expect(half(await retry().execute(() => 42))).toBe(21)
    expect(half(await retry().execute(async () => 42))).toBe(21)
  })

  // sets the retry delay
  it('waits as long as its backoff says', async () => {
    const policy = retry({ maxAttempts: 2, backoff: sequence([50]) })
    const work = vi.fn(failing(new ErrorA()))
    const end = outcome(policy.execute(work))
    await vi.advanceTimersByTimeAsync(49)
    expect(work).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(work).toHaveBeenCalledTimes(2)
    expect(await end).toEqual({ error: expect.any(ErrorA) })
  })

  // sets the retry sequence
  it('waits before each try as long as its backoff says', async () => {
    const policy = retry({ maxAttempts: 4, backoff: sequence([10, 20, 20]) })
    const delays: number[] = []
    policy.on('retry', ({ delayMs }) => delays.push(delayMs))
    const work = vi.fn(failing(new ErrorA()))
    const end = outcome(policy.execute(work))
    await vi.advanceTimersByTimeAsync(50)
    expect(await end).toEqual({ error: expect.any(ErrorA) })
    expect(delays).toEqual([10, 20, 20])
    expect(work).toHaveBeenCalledTimes(4)
  })

  // retries all errors
  it('tries again after any error when told to, and hands out the first success', async () => {
    const work = vi.fn<() => string>().mockReturnValue('ok')
    work.mockImplementationOnce(() => {
      throw new ErrorA()
    })
    expect(await settled(retry().execute(work), 1)).toEqual({ value: 'ok' })
    expect(work).toHaveBeenCalledTimes(2)
  })

  // filters error types
  it('stops at the first error that it is not told to retry', async () => {
    const work = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new ErrorA()).mockRejectedValueOnce(new ErrorB())
    const end = retry({ maxAttempts: 6, retryable: (error) => error instanceof ErrorA }).execute(work)
    expect(await settled(end, 1)).toEqual({ error: expect.any(ErrorB) })
    expect(work).toHaveBeenCalledTimes(2)
  })

  // permits specifying exponential backoffs
  it('takes an exponential backoff', async () => {
    const backoff = exponentialBackoff({ baseMs: 128, jitter: 'none' })
    const work = vi.fn(failing(new ErrorA()))
    const end = outcome(retry({ maxAttempts: 3, backoff }).execute(work))
    await vi.advanceTimersByTimeAsync(128 + 256 - 1)
    expect(work).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(work).toHaveBeenCalledTimes(3)
    await end
  })

  // bubbles errors when retry attempts exceeded
  it('hands out the last error, as it was thrown, when no try is left', async () => {
    const errors = [1, 2, 3, 4, 5, 6].map((n) => new ErrorB(String(n)))
    let calls = 0
    const end = retry({ maxAttempts: 6 }).execute(() => {
      throw errors[calls++]
    })
    const { error } = (await settled(end, 5)) as { error: unknown }
    expect(error).toBe(errors[5])
    expect(calls).toBe(6)
  })

  // stops retries if cancellation is requested. Ours differs: the caller gets the reason of the abort, at once.
  it('makes no further try once the caller gave up', async () => {
    const caller = new AbortController()
    const reason = new Error('left')
    const seen: boolean[] = []
    const end = retry({ maxAttempts: 4 }).execute(
      ({ signal }) => {
        seen.push(signal.aborted)
        caller.abort(reason)
        seen.push(signal.aborted)
        throw new ErrorA()
      },
      { signal: caller.signal },
    )
    expect(await settled(end)).toEqual({ error: reason })
    expect(seen).toEqual([false, true])
  })

  // fires onGiveUp
  it('says when it gives up, and over what', async () => {
    const error = new ErrorA()
    const policy = retry({ maxAttempts: 6 })
    const gaveUp = vi.fn()
    policy.on('gave-up', gaveUp)
    await settled(policy.execute(failing(error)), 5)
    expect(gaveUp.mock.calls).toEqual([[expect.objectContaining({ error, attempts: 6, reason: 'exhausted' })]])
  })

  // provides the attempt to the onRetry callback
  it('says before each try which one failed', async () => {
    const policy = retry({ maxAttempts: 4 })
    const attempts: number[] = []
    policy.on('retry', ({ attempt }) => attempts.push(attempt))
    await settled(policy.execute(failing(new ErrorA())), 3)
    expect(attempts).toEqual([1, 2, 3])
  })

  // src/Policy.test.ts: the context carries the attempt. Ours differs: the first is 1, not 0.
  it('tells the work which try it is', async () => {
    const attempts: number[] = []
    await settled(
      retry({ maxAttempts: 3 }).execute(({ attempt }) => {
        attempts.push(attempt)
        throw new ErrorA()
      }),
      2,
    )
    expect(attempts).toEqual([1, 2, 3])
  })

  // issue 81: listeners on a long-lived signal
  it("leaves no listener on the caller's signal", async () => {
    const { signal } = new AbortController()
    for (let i = 0; i < 20; i += 1) await settled(retry().execute(failing(new ErrorA()), { signal }), 2)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

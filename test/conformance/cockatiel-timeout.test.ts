import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { timeout, type TimeoutPolicy } from '../../src/limits/index.ts'
import { after, outcome, settled } from './support.ts'

/**
 * What cockatiel 4.0.0 promises of its timeouts, retold: connor4312/cockatiel, src/TimeoutPolicy.test.ts.
 * docs/conformance.md lists what differs, and why.
 */

const timedOut = expect.objectContaining({ code: 'ERR_GATELESS_TIMEOUT' })

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(async () => {
  // The queue of a duration may keep its one timer until it fires next.
  await vi.advanceTimersByTimeAsync(10_000)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A policy, and how often it said that time ran out. */
function counted(mode: 'aggressive' | 'cooperative'): { policy: TimeoutPolicy; said: () => number } {
  const policy = timeout({ timeoutMs: 2, mode })
  const heard = vi.fn()
  policy.on('timeout', heard)
  return { policy, said: () => heard.mock.calls.length }
}

describe("cockatiel's timeout", () => {
  // works when no timeout happens
  it('hands out what the work answers in time', async () => {
    await expect(timeout({ timeoutMs: 1_000, mode: 'cooperative' }).execute(() => 42)).resolves.toBe(42)
  })

  // properly cooperatively cancels
  it('cooperative: aborts the signal, waits for the work, and takes its answer', async () => {
    const seen: boolean[] = []
    const end = outcome(
      timeout({ timeoutMs: 2, mode: 'cooperative' }).execute(async ({ signal }) => {
        seen.push(signal.aborted)
        await after(3, '')()
        seen.push(signal.aborted)
        return 42
      }),
    )
    await vi.advanceTimersByTimeAsync(3)
    expect(await end).toEqual({ value: 42 })
    expect(seen).toEqual([false, true])
  })

  // properly aggressively cancels
  it('aggressive: aborts the signal, and rejects without waiting for the work', async () => {
    const seen: boolean[] = []
    const end = timeout({ timeoutMs: 5 }).execute(async ({ signal }) => {
      await after(4, '')()
      seen.push(signal.aborted)
      await after(5, '')()
      seen.push(signal.aborted)
    })
    expect(await settled(end, 5)).toEqual({ error: timedOut })
    await vi.advanceTimersByTimeAsync(4)
    expect(seen).toEqual([false, true])
  })

  // links parent cancellation token. Ours differs: the caller does not wait for work that winds up after he left.
  it("aborts the work's signal with the caller's", async () => {
    const caller = new AbortController()
    const seen: boolean[] = []
    await outcome(
      timeout({ timeoutMs: 1_000, mode: 'cooperative' }).execute(
        ({ signal }) => {
          seen.push(signal.aborted)
          caller.abort()
          seen.push(signal.aborted)
        },
        { signal: caller.signal },
      ),
    )
    expect(seen).toEqual([false, true])
  })

  // still has own timeout if given parent
  it('still times out when the caller brought a signal', async () => {
    const { signal: callers } = new AbortController()
    let aborted: boolean | undefined
    const end = timeout({ timeoutMs: 1, mode: 'cooperative' }).execute(
      async ({ signal }) => {
        await after(3, '')()
        aborted = signal.aborted
      },
      { signal: callers },
    )
    await vi.advanceTimersByTimeAsync(3)
    await end
    expect(aborted).toBe(true)
    expect(callers.aborted).toBe(false)
    expect(getEventListeners(callers, 'abort')).toEqual([])
  })

  // does not abort on return if requested. Ours differs: that is how it always is.
  it.each(['aggressive', 'cooperative'] as const)(
    '%s: leaves the signal alone after the work answered',
    async (mode) => {
      let signal: AbortSignal | undefined
      await timeout({ timeoutMs: 1, mode }).execute(async (context) => {
        signal = context.signal
      })
      await vi.advanceTimersByTimeAsync(10)
      expect(signal?.aborted).toBe(false)
    },
  )

  describe('events', () => {
    // emits a success event (cooperative), (aggressive): no timeout event
    it('cooperative: says nothing when the work answers in time', async () => {
      const { policy, said } = counted('cooperative')
      await policy.execute(() => 42)
      await vi.advanceTimersByTimeAsync(3)
      expect(said()).toBe(0)
    })

    it('aggressive: says nothing when the work answers in time', async () => {
      const { policy, said } = counted('aggressive')
      await policy.execute(() => 42)
      await vi.advanceTimersByTimeAsync(3)
      expect(said()).toBe(0)
    })

    // emits a timeout event (cooperative)
    it('cooperative: says that time ran out even if the work answers after all', async () => {
      const { policy, said } = counted('cooperative')
      const end = outcome(policy.execute(after(3, 'late')))
      await vi.advanceTimersByTimeAsync(3)
      expect(await end).toEqual({ value: 'late' })
      expect(said()).toBe(1)
    })

    // emits a timeout event (aggressive)
    it('aggressive: says that time ran out', async () => {
      const { policy, said } = counted('aggressive')
      const end = outcome(policy.execute(after(3, 'late')))
      await vi.advanceTimersByTimeAsync(3)
      expect(await end).toEqual({ error: timedOut })
      expect(said()).toBe(1)
    })

    // emits a failure event (cooperative), (aggressive): no timeout event
    it('cooperative: says nothing when the work fails in time', async () => {
      const { policy, said } = counted('cooperative')
      const error = new Error('oh no')
      expect(await outcome(policy.execute(() => Promise.reject(error)))).toEqual({ error })
      await vi.advanceTimersByTimeAsync(3)
      expect(said()).toBe(0)
    })

    it('aggressive: says nothing when the work fails in time', async () => {
      const { policy, said } = counted('aggressive')
      const error = new Error('oh no')
      expect(await outcome(policy.execute(() => Promise.reject(error)))).toEqual({ error })
      await vi.advanceTimersByTimeAsync(3)
      expect(said()).toBe(0)
    })
  })
})

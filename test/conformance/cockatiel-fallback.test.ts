import { describe, expect, it, vi } from 'vitest'
import { fallback } from '../../src/answers/fallback.ts'
import { failing, outcome } from './support.ts'

/** What cockatiel 4.0.0 promises of its fallback, retold: connor4312/cockatiel, src/FallbackPolicy.test.ts. */

const down = new Error('down')

describe("cockatiel's fallback", () => {
  // does not fall back when not necessary
  it('stays out of the way of work that succeeds', async () => {
    const run = vi.fn(() => 'error')
    await expect(fallback({ run }).execute(() => 'ok')).resolves.toBe('ok')
    expect(run).not.toHaveBeenCalled()
  })

  // returns a fallback and emits an error if necessary
  it('answers for work that failed, and says over which error', async () => {
    const policy = fallback({ value: 'instead' })
    const fellBack = vi.fn()
    policy.on('fallback', fellBack)
    const answer: number | string = await policy.execute((): Promise<number> => failing(down)())
    expect(answer).toBe('instead')
    expect(fellBack.mock.calls).toEqual([[expect.objectContaining({ error: down })]])
  })

  // the value may be made anew each time, and asynchronously
  it('asks a function for its answer each time', async () => {
    let made = 0
    const policy = fallback({ run: async () => (made += 1) })
    expect([await policy.execute(failing(down)), await policy.execute(failing(down))]).toEqual([1, 2])
  })

  // what the policy does not handle is thrown
  it('leaves alone what it was not told to answer', async () => {
    class Mine extends Error {}
    const policy = fallback({ value: 'instead', when: Mine })
    expect(await outcome(policy.execute(failing(down)))).toEqual({ error: down })
    expect(await outcome(policy.execute(failing(new Mine())))).toEqual({ value: 'instead' })
  })

  // links parent cancellation token
  it("hands the work the abort of the caller's signal", async () => {
    const caller = new AbortController()
    const seen: boolean[] = []
    const end = outcome(
      fallback({ value: 'instead' }).execute(
        ({ signal }) => {
          seen.push(signal.aborted)
          caller.abort()
          seen.push(signal.aborted)
          throw down
        },
        { signal: caller.signal },
      ),
    )
    // Ours differs: who left is not waiting for another answer.
    expect(await end).toEqual({ error: caller.signal.reason })
    expect(seen).toEqual([false, true])
  })
})

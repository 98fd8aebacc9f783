import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import { systemClock } from '../../src/time/clock.ts'
import { sleep } from '../../src/time/sleep.ts'

describe('sleep', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('ends after the delay, exactly', async () => {
    const ended = vi.fn()
    const sleeping = sleep(100, systemClock).then(ended)
    await vi.advanceTimersByTimeAsync(99)
    expect(ended).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    await sleeping
    expect(ended).toHaveBeenCalledOnce()
  })

  it('rejects at once with the scope’s reason, leaving no timer and no listener', async () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    const sleeping = sleep(100, systemClock, scope)
    controller.abort('left')
    expect(vi.getTimerCount()).toBe(0)
    await expect(sleeping).rejects.toBe('left')
    scope.dispose()
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('does not begin when the scope is over', async () => {
    const scope = new CallScope({ signal: AbortSignal.abort('gone') })
    const sleeping = sleep(100, systemClock, scope)
    expect(vi.getTimerCount()).toBe(0)
    await expect(sleeping).rejects.toBe('gone')
  })

  it('takes its listener back when it ended by itself', async () => {
    let listeners = 0
    const scope = {
      aborted: false,
      reason: undefined,
      onAbort: () => {
        listeners += 1
        return () => {
          listeners -= 1
        }
      },
    }
    const sleeping = sleep(100, systemClock, scope)
    expect(listeners).toBe(1)
    await vi.advanceTimersByTimeAsync(100)
    await sleeping
    expect(listeners).toBe(0)
  })
})

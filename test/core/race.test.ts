import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import { race } from '../../src/core/race.ts'

describe('race', () => {
  it('hands out what the work answers or throws', async () => {
    const scope = new CallScope({})
    const error = new Error('mine')
    await expect(race(scope, () => 5)).resolves.toBe(5)
    await expect(race(scope, async () => 6)).resolves.toBe(6)
    await expect(race(scope, () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      race(scope, () => {
        throw error
      }),
    ).rejects.toBe(error)
  })

  it('hands the work its scope', async () => {
    const scope = new CallScope({})
    await race(scope, (context) => expect(context).toBe(scope))
  })

  it('begins nothing in a scope that is over', async () => {
    const work = vi.fn()
    await expect(race(new CallScope({ signal: AbortSignal.abort('gone') }), work)).rejects.toBe('gone')
    expect(work).not.toHaveBeenCalled()
  })

  it('settles when the scope aborts, and drops what the work comes to later', async () => {
    const scope = new CallScope({})
    const { promise, reject } = Promise.withResolvers()
    const answer = race(scope, () => promise)
    scope.abort('left')
    await expect(answer).rejects.toBe('left')
    reject(new Error('must not become an unhandled rejection'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('an abort within the work’s own start is seen', async () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    const answer = race(scope, () => {
      controller.abort('at once')
      return new Promise(() => {})
    })
    await expect(answer).rejects.toBe('at once')
  })

  it('keeps a result that arrived before the abort', async () => {
    const scope = new CallScope({})
    const answer = race(scope, () => 'arrived')
    await Promise.resolve()
    await Promise.resolve()
    scope.abort('late')
    await expect(answer).resolves.toBe('arrived')
  })

  it('takes its listener back from a scope that lives on', async () => {
    const scope = new CallScope({})
    const onAbort = scope.onAbort.bind(scope)
    let listening = 0
    scope.onAbort = (listener) => {
      listening += 1
      const stop = onAbort(listener)
      return () => {
        listening -= 1
        stop()
      }
    }
    await race(scope, () => 1)
    await race(scope, () => Promise.reject(new Error('x'))).catch(() => {})
    expect(listening).toBe(0)
  })

  it('leaves nothing on the caller’s signal (FAULTS 48)', async () => {
    const controller = new AbortController()
    for (let i = 0; i < 1_000; i += 1) {
      const scope = new CallScope({ signal: controller.signal })
      await race(scope, () => i)
      scope.dispose()
    }
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

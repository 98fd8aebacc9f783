import { beforeEach, describe, expect, it, vi } from 'vitest'
import { TypedEmitter } from '../../src/core/emitter.ts'

class Bell extends TypedEmitter<{ readonly ring: number; readonly stop: string }> {
  ring(times: number): void {
    this.emit('ring', times)
  }
  isHeard(): boolean {
    return this.heard('ring')
  }
  fault(error: unknown): void {
    this.reportFault('hook', error)
  }
}

const boom = new Error('boom')

const warning = vi.spyOn(process, 'emitWarning')

/** First lines of the warnings given. */
const warnings = (): string[] => warning.mock.calls.map(([text]) => String(text).split('\n')[0] as string)

/** Rejections are noticed a few microtasks later. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

beforeEach(() => {
  warning.mockReset().mockImplementation(() => {})
})

describe('listeners', () => {
  it('hear the payload until they are taken off, by either way', () => {
    const bell = new Bell()
    const [first, second] = [vi.fn(), vi.fn()]
    const stop = bell.on('ring', first)
    bell.on('ring', second)
    bell.ring(1)
    stop()
    bell.ring(2)
    bell.off('ring', second)
    bell.ring(3)
    expect(first.mock.calls).toEqual([[1]])
    expect(second.mock.calls).toEqual([[1], [2]])
    expect(bell.listenerCount('ring')).toBe(0)
  })

  it('once hears one event, and can be taken off before it', () => {
    const bell = new Bell()
    const [first, second, third] = [vi.fn(), vi.fn(), vi.fn()]
    bell.once('ring', first)
    const stop = bell.once('ring', second)
    bell.once('ring', third)
    stop()
    bell.off('ring', third)
    bell.ring(1)
    bell.ring(2)
    expect(first.mock.calls).toEqual([[1]])
    expect(second).not.toHaveBeenCalled()
    expect(third).not.toHaveBeenCalled()
  })

  it('once hears one event even when it causes another', () => {
    const bell = new Bell()
    const heard = vi.fn(() => bell.ring(2))
    bell.once('ring', heard)
    bell.ring(1)
    expect(heard).toHaveBeenCalledTimes(1)
  })

  it('are counted, and nobody asks for an emitter that nobody needs', () => {
    const bell = new Bell()
    expect([bell.isHeard(), bell.listenerCount('ring')]).toEqual([false, 0])
    bell.ring(1)
    bell.off('ring', () => {})
    bell.on('stop', () => {})
    expect(bell.isHeard()).toBe(false)
    bell.on('ring', () => {})
    expect([bell.isHeard(), bell.listenerCount('ring')]).toEqual([true, 1])
  })

  it('must be functions', () => {
    expect(() => new Bell().on('ring', 5 as never)).toThrow(new TypeError("listener of 'ring' must be a function"))
    expect(() => new Bell().once('ring', null as never)).toThrow(TypeError)
  })
})

describe('a listener that fails (invariant 15, FAULTS 51)', () => {
  it('is reported as an error event; the others hear, the emitter goes on', () => {
    const bell = new Bell()
    const [after, faults] = [vi.fn(), vi.fn()]
    bell.on('ring', () => {
      throw boom
    })
    bell.on('ring', after)
    bell.on('error', faults)
    expect(() => bell.ring(1)).not.toThrow()
    expect(after).toHaveBeenCalledExactlyOnceWith(1)
    expect(faults).toHaveBeenCalledExactlyOnceWith({ event: 'ring', error: boom })
  })

  it.each(['on', 'once'] as const)('by a rejected promise is reported too (%s)', async (how) => {
    const bell = new Bell()
    const faults = vi.fn()
    bell[how]('ring', () => Promise.reject(boom) as never)
    bell.on('error', faults)
    bell.ring(1)
    await nextTurn()
    expect(faults).toHaveBeenCalledExactlyOnceWith({ event: 'ring', error: boom })
  })

  it('without an error listener becomes a warning', () => {
    const bell = new Bell()
    bell.on('ring', () => {
      throw boom
    })
    bell.ring(1)
    bell.fault('not an Error')
    expect(warnings()).toEqual([
      "a listener of 'ring' failed: Error: boom",
      "a listener of 'hook' failed: not an Error",
    ])
    expect(warning.mock.calls[0]?.[1]).toEqual({ type: 'GatelessWarning' })
  })

  it('that is the error listener itself becomes a warning, not a loop', () => {
    const bell = new Bell()
    const others = vi.fn()
    bell.on('error', () => {
      throw new Error('worse')
    })
    bell.on('error', others)
    bell.fault(boom)
    expect(warnings()).toEqual(["a listener of 'hook' failed: Error: boom"])
    expect(others).toHaveBeenCalledExactlyOnceWith({ event: 'hook', error: boom })
  })
})

import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallScope } from '../../src/core/context.ts'
import { TimeoutError } from '../../src/core/errors.ts'
import { systemClock } from '../../src/time/clock.ts'
import { StallingClock } from '../time/stalling-clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a scope', () => {
  it('carries what the caller said', () => {
    const scope = new CallScope({ key: 'k', priority: 4, idempotent: true })
    expect(scope).toMatchObject({ key: 'k', priority: 4, idempotent: true, attempt: 1, deadline: undefined })
    expect(new CallScope(undefined)).toMatchObject({ key: undefined, priority: 0, idempotent: undefined })
    expect(new CallScope({}).priority).toBe(0)
  })

  it('is reused when an outer policy passes it along, and made otherwise', () => {
    const scope = new CallScope({})
    expect(CallScope.enter(scope, systemClock)).toBe(scope)
    expect(CallScope.enter({ key: 'k' }, systemClock)).toMatchObject({ key: 'k' })
    expect(CallScope.enter(undefined, systemClock)).toBeInstanceOf(CallScope)
  })

  it('knows whether anybody could end it early', () => {
    const bounded = new CallScope({ timeoutMs: 5 })
    expect(bounded.interruptible).toBe(true)
    expect(bounded.fork().interruptible).toBe(true)
    bounded.dispose()
    expect(new CallScope({ signal: new AbortController().signal }).interruptible).toBe(true)
    expect(new CallScope({ timeoutMs: Infinity }).interruptible).toBe(false)
    expect(new CallScope(undefined).fork().interruptible).toBe(false)
  })

  it.each([Number.NaN, -1, '5', null])('refuses a timeoutMs of %s (FAULTS 44)', (timeoutMs) => {
    expect(() => new CallScope({ timeoutMs: timeoutMs as number })).toThrow(
      new RangeError(`call: timeoutMs must be a number from 0 milliseconds, got ${timeoutMs}`),
    )
  })

  it.each([null, 5, 'x', AbortSignal.abort()])('refuses %o for options', (options) => {
    expect(() => CallScope.enter(options as never, systemClock)).toThrow(
      'call: options must be an object like { signal, timeoutMs }, got ',
    )
  })

  it('refuses NaN for a priority', () => {
    expect(() => new CallScope({ priority: Number.NaN })).toThrow(RangeError)
  })

  it.each([null, 5, new AbortController()])('refuses %o for a signal', (signal) => {
    expect(() => new CallScope({ signal: signal as never })).toThrow('call: signal must be an AbortSignal, got ')
  })

  it('an absurd timeoutMs waits, also on a clock that does not clamp (FAULTS 45)', () => {
    const clock = new StallingClock()
    const scope = new CallScope({ timeoutMs: 1e15 }, clock)
    expect([...clock.timers.values()].map(({ delayMs }) => delayMs)).toEqual([2 ** 31 - 1])
    expect(scope.deadline).toBe(1e15)
    scope.dispose()
    expect(clock.timers.size).toBe(0)
  })
})

describe('the signal', () => {
  it('is made when first read, and is the same then', () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    const { signal } = scope
    expect(scope.signal).toBe(signal)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort('left')
    expect([signal.aborted, signal.reason]).toEqual([true, 'left'])
  })

  it('of a scope that is over already is aborted with its reason', () => {
    expect(new CallScope({ signal: AbortSignal.abort('gone') }).signal.reason).toBe('gone')
    const scope = new CallScope({})
    scope.abort('mine')
    expect(scope.signal.reason).toBe('mine')
    const parent = new CallScope({})
    const fork = parent.fork()
    parent.abort('above')
    expect(fork.signal.reason).toBe('above')
  })

  it('read only after the end neither links nor leaks', () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    scope.dispose()
    expect(scope.signal.aborted).toBe(false)
    scope.onAbort(() => {})
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })
})

describe('abort', () => {
  it('tells policies first and then the signal, so that a permit is back before user code runs', () => {
    const scope = new CallScope({})
    const order: string[] = []
    scope.signal.addEventListener('abort', () => order.push('signal'))
    scope.onAbort(() => order.push('policy'))
    scope.abort('x')
    expect(order).toEqual(['policy', 'signal'])
  })

  it('keeps the first reason', () => {
    const scope = new CallScope({})
    const heard = vi.fn()
    scope.onAbort(heard)
    scope.abort('first')
    scope.abort('second')
    expect(scope.reason).toBe('first')
    expect(heard).toHaveBeenCalledTimes(1)
  })

  it('keeps the first reason although it came from outside', () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal })
    const fork = scope.fork()
    controller.abort('caller')
    fork.abort(new TimeoutError(5, 'attempt'))
    scope.abort(new TimeoutError(5, 'total'))
    expect([scope.reason, fork.reason]).toEqual(['caller', 'caller'])
    expect(scope.abandonedByCaller).toBe(true)
  })

  it('of a scope ends its forks, not the other way round', () => {
    const scope = new CallScope({})
    const [one, two] = [scope.fork(), scope.fork()]
    const heard = vi.fn()
    two.onAbort(heard)
    one.abort('only me')
    expect([scope.aborted, one.aborted, two.aborted]).toEqual([false, true, false])
    scope.abort('all')
    expect([one.reason, two.reason]).toEqual(['only me', 'all'])
    expect(heard).toHaveBeenCalledTimes(1)
  })

  it('reaches a signal three forks deep', () => {
    const controller = new AbortController()
    const { signal } = new CallScope({ signal: controller.signal }).fork().fork().fork()
    controller.abort('left')
    expect(signal.reason).toBe('left')
  })

  it('does not reach who took his listener back', () => {
    const scope = new CallScope({})
    const heard = vi.fn()
    scope.onAbort(heard)()
    scope.abort('x')
    expect(heard).not.toHaveBeenCalled()
  })
})

describe('a fork', () => {
  it('inherits, and has its own number of the try', () => {
    const scope = new CallScope({ key: 'k', priority: 1, idempotent: false })
    const fork = scope.fork()
    fork.attempt = 2
    expect(fork).toMatchObject({ key: 'k', priority: 1, idempotent: false, attempt: 2 })
    expect(scope.attempt).toBe(1)
    expect(fork.fork().attempt).toBe(2)
  })

  it('may have an earlier deadline, never a later one', () => {
    const scope = new CallScope({ timeoutMs: 100 })
    const deadline = scope.deadline as number
    expect(scope.fork().deadline).toBe(deadline)
    expect(scope.fork(deadline - 1).deadline).toBe(deadline - 1)
    expect(scope.fork(deadline + 1).deadline).toBe(deadline)
    scope.dispose()
    expect(new CallScope({}).fork().deadline).toBeUndefined()
    expect(new CallScope({}).fork(7).deadline).toBe(7)
  })
})

describe('the deadline', () => {
  it('ends the scope with a TimeoutError of the total, exactly', () => {
    const scope = new CallScope({ timeoutMs: 100 })
    expect(scope.deadline).toBe(performance.now() + 100)
    vi.advanceTimersByTime(99)
    expect(scope.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(scope.reason).toBeInstanceOf(TimeoutError)
    expect(scope.reason).toMatchObject({ limit: 'total', timeoutMs: 100 })
    expect(scope.abandonedByCaller).toBe(false)
  })

  it('0 is a limit, not the absence of one', () => {
    const scope = new CallScope({ timeoutMs: 0 })
    vi.advanceTimersByTime(1)
    expect(scope.reason).toMatchObject({ timeoutMs: 0 })
  })
})

describe('dispose', () => {
  it('leaves no timer and no listener', () => {
    const controller = new AbortController()
    const scope = new CallScope({ signal: controller.signal, timeoutMs: 100 })
    const heard = vi.fn()
    scope.onAbort(heard)
    void scope.signal
    void scope.fork().signal
    scope.dispose()
    scope.dispose()
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    controller.abort()
    expect(heard).not.toHaveBeenCalled()
  })

  it('of a fork unlinks it from its parent', () => {
    const scope = new CallScope({})
    const fork = scope.fork()
    const { signal } = fork
    fork.dispose()
    scope.abort('x')
    expect(signal.aborted).toBe(false)
  })
})

it('a caller who is still there did not abandon the call', () => {
  expect(new CallScope({}).abandonedByCaller).toBe(false)
})

describe('the idle scope', () => {
  it('is the one scope of all calls about which nobody said anything', () => {
    const scope = CallScope.enter(undefined, systemClock)
    expect(CallScope.enter(undefined, systemClock)).toBe(scope)
    expect([scope.attempt, scope.priority, scope.interruptible, scope.aborted, scope.deadline]).toEqual([
      1,
      0,
      false,
      false,
      undefined,
    ])
  })

  it('hands out a signal of their own to each who asks, so that listeners cannot pile up', () => {
    const scope = CallScope.idle
    expect(scope.signal.aborted).toBe(false)
    expect(scope.signal).not.toBe(scope.signal)
  })

  it('cannot be aborted, since it belongs to everybody; its forks can', () => {
    expect(() => CallScope.idle.abort(new Error('all'))).toThrow(TypeError)
    const fork = CallScope.idle.fork()
    fork.abort(new Error('one'))
    expect([fork.aborted, CallScope.idle.aborted]).toEqual([true, false])
  })
})

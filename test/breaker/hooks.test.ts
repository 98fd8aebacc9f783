import { anyOf, CircuitBreaker, CircuitOpenError, KeyedBreakers } from 'gateless/breaker'
import { pipeline } from 'gateless/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ListenerFault } from '../../src/core/emitter.ts'
import { GatelessError } from '../../src/core/errors.ts'
import { brittle, fail, halfOpen, succeed, trip } from './support.ts'

/** What users hand in, and how it may misbehave. */

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function faultsOf(breaker: { on(event: 'error', listener: (fault: ListenerFault) => void): unknown }): ListenerFault[] {
  const faults: ListenerFault[] = []
  breaker.on('error', (fault) => {
    faults.push(fault)
  })
  return faults
}

const refusal = (): Promise<never> => Promise.reject(new GatelessError('ERR_GATELESS_TEST', 'full', { local: true }))

describe('classify', () => {
  it('is never asked about what this process refused: that is ignored', async () => {
    const classify = vi.fn(() => 'failure' as const)
    const breaker = brittle({ classify })
    const keyed = new KeyedBreakers({ breaker: { classify, failureThreshold: 1 } })
    await expect(breaker.execute(refusal)).rejects.toThrow('full')
    await expect(pipeline(breaker).execute(refusal)).rejects.toThrow('full')
    await expect(keyed.execute(refusal, { key: 'a' })).rejects.toThrow('full')
    await expect(pipeline(keyed).execute(refusal, { key: 'a' })).rejects.toThrow('full')
    expect(classify).not.toHaveBeenCalled()
    expect([breaker.state, keyed.get('a').state]).toEqual(['closed', 'closed'])
  })

  it.each([
    ['no word of the three', () => 'succes', '"succes"'],
    ['nothing', () => undefined, 'undefined'],
    ['a promise', () => Promise.reject(new Error('late')), ''],
  ])('that answers %s is reported, and the default decides', async (_, classify, shown) => {
    const breaker = brittle({ classify: classify as never })
    const faults = faultsOf(breaker)
    await expect(breaker.execute(succeed)).resolves.toBe('up')
    expect(breaker.state).toBe('closed')
    await trip(breaker)
    expect(breaker.state).toBe('open')
    expect(faults).toHaveLength(2)
    expect(faults[0]).toMatchObject({ event: 'classify', error: { name: 'TypeError' } })
    expect(String(faults[0]?.error)).toContain(`classify must answer 'success', 'failure' or 'ignore', got ${shown}`)
  })

  it('is reported by a set together with the key it was for, by whichever way the call came', async () => {
    const keyed = new KeyedBreakers({ breaker: { classify: () => 'odd' as never } })
    const faults = faultsOf(keyed)
    await keyed.execute(succeed, { key: 'a' })
    await pipeline(keyed).execute(succeed, { key: 'b' })
    expect(faults).toMatchObject([
      { event: 'classify', key: 'a' },
      { event: 'classify', key: 'b' },
    ])
  })

  it('is warned of by a set to which nobody listens', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const keyed = new KeyedBreakers({ breaker: { classify: () => 'odd' as never } })
    await keyed.execute(succeed, { key: 'a' })
    expect(warn.mock.calls).toEqual([[expect.stringContaining('classify must answer'), { type: 'GatelessWarning' }]])
    warn.mockRestore()
  })
})

describe('a listener of a set', () => {
  it('that throws is reported without a key, and one of its errors is no endless story', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const keyed = new KeyedBreakers({ breaker: { failureThreshold: 1 } })
    const heard: unknown[] = []
    keyed.on('transition', () => {
      throw new Error('bug')
    })
    keyed.on('error', (fault) => {
      heard.push(fault)
      throw new Error('worse')
    })
    await keyed.execute(fail, { key: 'a' }).catch(() => {})
    expect(heard).toEqual([{ event: 'transition', error: new Error('bug') }])
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
  })
})

describe('a rule of a user', () => {
  const named = (memory: unknown) => ({ name: 'mine', create: () => memory as never })
  const message =
    "trip: create() of the rule 'mine' must answer an object with record(), reset(), counts(), save(), restore()"

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
  ])('that makes %o instead of a memory is refused by its name', (memory, shown) => {
    const refused = `${message}, got ${shown}`
    const rule = named(memory)
    expect(() => new CircuitBreaker({ trip: rule })).toThrow(new TypeError(refused))
    expect(() => new CircuitBreaker({ trip: anyOf(rule) })).toThrow(new TypeError(refused))
  })

  it('that makes half a memory is refused as well', () => {
    const { restore: _, ...half } = {
      record: () => false,
      reset: () => {},
      counts: () => ({ successes: 0, failures: 0 }),
      save: () => undefined,
      restore: () => {},
    }
    expect(() => new CircuitBreaker({ trip: named(half) })).toThrow(message)
  })

  it('that is refused by configure has changed nothing, of a single breaker or of a set', async () => {
    const breaker = brittle()
    const keyed = new KeyedBreakers({ breaker: { failureThreshold: 1 } })
    keyed.get('a')
    expect(() => breaker.configure({ trip: named(undefined) })).toThrow(message)
    expect(() => keyed.configure({ trip: named(undefined) })).toThrow(message)
    const { summary } = new KeyedBreakers({ breaker: { failureThreshold: 1 } }).info
    expect(keyed.info.summary).toBe(summary)
    await trip(breaker)
    await keyed.execute(fail, { key: 'b' }).catch(() => {})
    expect([breaker.state, keyed.get('b').state]).toEqual(['open', 'open'])
  })

  it('is asked for one memory by a breaker, and for none by a patch that leaves it', () => {
    const create = vi.fn(() => anyOf({ name: 'x', create: () => brittleMemory() }).create())
    const keyed = new KeyedBreakers({ breaker: { trip: { name: 'mine', create } } })
    keyed.get('a')
    keyed.configure({ recoveryTimeoutMs: 5 })
    expect(create).toHaveBeenCalledTimes(1)
  })
})

function brittleMemory() {
  return {
    timed: false,
    record: () => false,
    reset: () => {},
    counts: () => ({ successes: 0, failures: 0 }),
    save: () => undefined,
    restore: () => {},
  }
}

describe('a source of chance', () => {
  it('that throws during a readmission is reported, and the call rejected', async () => {
    const breaker = await halfOpen({
      successThreshold: 1,
      readmission: { durationMs: 1_000, initialShare: 0.999 },
      random: () => {
        throw new Error('no entropy')
      },
    })
    await breaker.execute(succeed)
    const faults = faultsOf(breaker)
    await expect(breaker.execute(succeed)).rejects.toThrow(CircuitOpenError)
    expect(breaker.tryAcquire()).toBeUndefined()
    expect(faults).toEqual([
      { event: 'random', error: new Error('no entropy') },
      { event: 'random', error: new Error('no entropy') },
    ])
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(breaker.execute(succeed)).resolves.toBe('up')
  })
})

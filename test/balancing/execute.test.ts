import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { LoadBalancer, NoInstanceError, roundRobin } from 'gateless/balancing'
import { ClosedError, GatelessError, isGatelessError } from '../../src/core/errors.ts'
import { fail, fleet, instance, setup, why } from './fleet.ts'

const exact = { strategy: roundRobin(), random: () => 0, ejection: { jitter: 0 } }
const state = (balancer: LoadBalancer): unknown => {
  const { inFlight, consecutiveFailures } = balancer.explain()[0] ?? {}
  return { inFlight, consecutiveFailures }
}

function throwSync(): never {
  throw new Error('sync')
}

describe('execute', () => {
  it('hands the work its instance and the context, and gives back what it returns', async () => {
    const { balancer } = setup(fleet('a'), exact)
    const answer = await balancer.execute((chosen, { key, attempt }) => [chosen.id, key, attempt, state(balancer)], {
      key: 'k',
    })
    expect(answer).toEqual(['a', 'k', 1, { inFlight: 1, consecutiveFailures: 0 }])
    expect(state(balancer)).toEqual({ inFlight: 0, consecutiveFailures: 0 })
  })

  it('counts an error against the instance, thrown or rejected', async () => {
    const { balancer } = setup(fleet('a'), exact)
    await expect(balancer.execute(() => Promise.reject(new Error('reset')))).rejects.toThrow('reset')
    await expect(balancer.execute(throwSync)).rejects.toThrow('sync')
    expect(state(balancer)).toEqual({ inFlight: 0, consecutiveFailures: 2 })
  })

  it('does not count what this process refused, or a caller who left', async () => {
    const { balancer } = setup(fleet('a'), exact)
    await expect(balancer.execute(() => Promise.reject(new ClosedError('pool')))).rejects.toThrow('pool')
    const controller = new AbortController()
    const pending = balancer.execute(() => new Promise(() => {}), { signal: controller.signal })
    expect(state(balancer)).toEqual({ inFlight: 1, consecutiveFailures: 0 })
    controller.abort(new Error('caller left'))
    await expect(pending).rejects.toThrow('caller left')
    expect(state(balancer)).toEqual({ inFlight: 0, consecutiveFailures: 0 })
  })

  it('counts running out of time', async () => {
    const { balancer, clock } = setup(fleet('a'), exact)
    const pending = balancer.execute(() => new Promise(() => {}), { timeoutMs: 100 })
    const settled = expect(pending).rejects.toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    await clock.advance(100)
    await settled
    expect(state(balancer)).toEqual({ inFlight: 0, consecutiveFailures: 1 })
  })

  it('picks nobody for a call that is over before it begins', async () => {
    const { balancer } = setup(fleet('a'), exact)
    const picked = vi.fn<(event: unknown) => void>()
    balancer.on('picked', picked)
    await expect(balancer.execute(() => 1, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
    await expect(balancer.execute(() => 1, { timeoutMs: Number.NaN })).rejects.toThrow(RangeError)
    expect(picked).not.toHaveBeenCalled()
  })

  it('leaves no listener behind on the signal of its caller', async () => {
    const { balancer } = setup(fleet('a'), exact)
    const { signal } = new AbortController()
    await balancer.execute((_, context) => context.signal.aborted, { signal })
    await balancer.execute(throwSync, { signal }).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('passes exclusions and the refusal to probe on', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    fail(balancer, 'b')
    await clock.advance(30_000)
    const exclude = new Set(['a', 'c'])
    expect(await balancer.execute(({ id }) => id, { exclude, probe: false })).toBe('d')
    expect(await balancer.execute(({ id }) => id, { exclude })).toBe('b')
    expect(why(balancer)['b']).toBe('in-rotation')
  })

  it('says how many instances there are when none will do', async () => {
    const { balancer } = setup([], exact)
    await expect(balancer.execute(() => 1)).rejects.toThrow('no instance to call: none is known')
    balancer.update([instance('a', { status: 'stopping' }), instance('b', { weight: 0 })])
    const error = await balancer.execute(() => 1).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NoInstanceError)
    expect(isGatelessError(error, 'ERR_GATELESS_NO_INSTANCE')).toBe(true)
    expect(error).toMatchObject({
      name: 'NoInstanceError',
      message: 'no instance to call: 2 known, 2 unhealthy or drained, 0 ejected',
      known: 2,
      unhealthy: 2,
      ejected: 0,
      local: true,
      retryAfterMs: undefined,
    })
  })

  it('says when the next ejected instance is probed', async () => {
    const { balancer, clock } = setup(fleet('abcd'), exact)
    expect(balancer.refusal().retryAfterMs).toBeUndefined()
    fail(balancer, 'b')
    await clock.advance(10_000)
    expect(balancer.refusal()).toMatchObject({ known: 4, ejected: 1, unhealthy: 0, retryAfterMs: 20_000 })
    await clock.advance(30_000)
    expect(balancer.refusal()).toMatchObject({ retryAfterMs: 0 })
    expect(balancer.refusal()).toBeInstanceOf(GatelessError)
  })
})

describe('LoadBalancer', () => {
  it.each([
    [{ panicThreshold: 1.5 }, 'LoadBalancer: panicThreshold must be a finite number from 0 up to 1, got 1.5'],
    [{ strategy: 'rr' }, 'LoadBalancer: strategy must be an object with create(), got "rr"'],
    [
      { stratgy: roundRobin() },
      /unknown option "stratgy"; known are strategy, ejection, panicThreshold, .*, subset, clock, random/,
    ],
    [{ random: 4 }, 'LoadBalancer: random must be a function, got 4'],
    [{ ejection: true }, 'LoadBalancer: ejection: options must be an object, got true'],
    [{ ejection: { consecutiveFailures: 0 } }, /ejection: consecutiveFailures must be an integer from 1, got 0/],
    [{ ejection: { baseEjectionMs: 0 } }, /baseEjectionMs must be a finite number from 1 .*milliseconds, got 0/],
    [{ ejection: { baseEjectionMs: 100, maxEjectionMs: 99 } }, /maxEjectionMs must be a finite number from 100/],
    [{ ejection: { maxEjectedShare: 2 } }, /maxEjectedShare must be a finite number from 0 up to 1, got 2/],
    [{ ejection: { jitter: -1 } }, /jitter must be a finite number from 0 up to 1, got -1/],
    [{ ejection: { probeTimeoutMs: Number.NaN } }, /probeTimeoutMs must be .*got NaN/],
    [{ ejection: { bas: 1 } }, /LoadBalancer: ejection: unknown option "bas"/],
  ])('refuses %j by name, value and range', (options, message) => {
    expect(() => new LoadBalancer(options as object)).toThrow(message)
  })

  it('takes a base beyond the default maximum for the maximum too', () => {
    const { balancer } = setup(fleet('abcd'), { ...exact, ejection: { jitter: 0, baseEjectionMs: 600_000 } })
    fail(balancer, 'b')
    expect(balancer.explain()[1]?.ejectedForMs).toBe(600_000)
  })
})

import { describe, expect, it, vi } from 'vitest'
import {
  ActiveHealthCheck,
  type ActiveHealthCheckOptions,
  type HealthCheckEvents,
  type HealthQuestion,
  LoadBalancer,
  roundRobin,
} from 'gateless/balancing'
import { ClosedError, TimeoutError } from '../../src/core/errors.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { seededRandom } from '../../src/time/random.ts'
import { fleet, numbered, setup, why } from './fleet.ts'

interface Scene {
  readonly balancer: LoadBalancer
  readonly clock: FakeClock
  readonly checks: ActiveHealthCheck
  /** Ids that fail. */
  readonly sick: Set<string>
  readonly asked: string[]
}

function scene(ids: string, options: Partial<ActiveHealthCheckOptions> = {}): Scene {
  const { balancer, clock } = setup(fleet(ids), { strategy: roundRobin(), ejection: { jitter: 0 } })
  const sick = new Set<string>()
  const asked: string[] = []
  const check: HealthQuestion = ({ id }) => {
    asked.push(id)
    if (sick.has(id)) throw new Error(`${id} is sick`)
  }
  const checks = new ActiveHealthCheck({ balancer, check, clock, random: () => 0.5, ...options })
  return { balancer, clock, checks, sick, asked }
}

describe('active health checks', () => {
  it('ask every instance within the first interval, and then again and again', async () => {
    const { clock, checks, asked } = scene('abc')
    await clock.advance(60_000)
    expect(asked).toEqual([])
    checks.start()
    checks.start()
    await clock.advance(4_999)
    expect(asked).toEqual([])
    await clock.advance(1)
    expect(asked.toSorted()).toEqual(['a', 'b', 'c'])
    await clock.advance(9_999)
    expect(asked).toHaveLength(3)
    await clock.advance(1)
    expect(asked).toHaveLength(6)
    checks.close()
  })

  it('take an instance out after three failures in a row, and back after one success', async () => {
    const { balancer, clock, checks, sick } = scene('abc')
    const changed = vi.fn<(event: HealthCheckEvents['changed']) => void>()
    checks.on('changed', changed)
    checks.start()
    sick.add('b')
    await clock.advance(15_000)
    sick.delete('b')
    await clock.advance(10_000)
    sick.add('b')
    await clock.advance(20_000)
    expect(why(balancer)['b']).toBe('in-rotation')
    await clock.advance(10_000)
    expect(why(balancer)['b']).toBe('unhealthy')
    expect(changed).toHaveBeenCalledExactlyOnceWith({
      instance: expect.objectContaining({ id: 'b' }),
      healthy: false,
      error: new Error('b is sick'),
    })
    sick.delete('b')
    await clock.advance(10_000)
    expect(why(balancer)['b']).toBe('in-rotation')
    expect(changed).toHaveBeenLastCalledWith({
      instance: expect.objectContaining({ id: 'b' }),
      healthy: true,
      error: undefined,
    })
    expect(changed).toHaveBeenCalledTimes(2)
    checks.close()
  })

  it('ask as often as they are told before they believe a recovery', async () => {
    const { balancer, clock, checks, sick } = scene('abc', { unhealthyThreshold: 1, healthyThreshold: 2 })
    checks.start()
    sick.add('b')
    await clock.advance(5_000)
    expect(why(balancer)['b']).toBe('unhealthy')
    sick.delete('b')
    await clock.advance(10_000)
    sick.add('b')
    await clock.advance(10_000)
    sick.delete('b')
    await clock.advance(10_000)
    expect(why(balancer)['b']).toBe('unhealthy')
    await clock.advance(10_000)
    expect(why(balancer)['b']).toBe('in-rotation')
    checks.close()
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('reset')), 'panic'],
    ['answers false', () => false, 'panic'],
    ['answers false later', () => Promise.resolve(false), 'panic'],
    ['answers nothing', () => undefined, 'in-rotation'],
    ['answers something', () => Promise.resolve({ status: 500 }), 'in-rotation'],
    ['was refused by this process', () => Promise.reject(new ClosedError('pool')), 'in-rotation'],
  ])('take a check that %s for what it is', async (_, check, expected) => {
    const { balancer, clock, checks } = scene('abc', { check, unhealthyThreshold: 1 })
    checks.start()
    await clock.advance(5_000)
    expect(why(balancer)['a']).toBe(expected)
    checks.close()
  })

  it('take a check for failed when it takes too long, and say so to it', async () => {
    const reasons: unknown[] = []
    const check: HealthQuestion = (_, { signal, deadline }) => {
      expect(deadline).toBe(1_000 + 5_000 + 1_000)
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => {})
    }
    const { balancer, clock, checks } = scene('abc', { check, unhealthyThreshold: 1 })
    checks.start()
    await clock.advance(5_999)
    expect(why(balancer)['a']).toBe('in-rotation')
    await clock.advance(1)
    expect(why(balancer)).toMatchObject({ a: 'panic', b: 'panic', c: 'panic' })
    expect(reasons).toHaveLength(3)
    expect(reasons[0]).toBeInstanceOf(TimeoutError)
    expect(reasons[0]).toMatchObject({ message: 'health check timed out after 1000 ms' })
    checks.close()
  })

  it('vary their intervals by a tenth', async () => {
    const at: number[] = []
    const { clock, checks } = scene('a', { random: seededRandom(3), check: () => at.push(clock.now()) })
    checks.start()
    await clock.advance(1_000_000)
    const gaps = at.slice(1).map((time, i) => time - (at[i] as number))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(9_000)
    expect(Math.min(...gaps)).toBeLessThan(9_300)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(11_001)
    expect(Math.max(...gaps)).toBeGreaterThan(10_700)
    checks.close()
  })

  it('follow the list: newcomers are asked, and those that left are not', async () => {
    const { balancer, clock, checks, asked, sick } = scene('ab', { unhealthyThreshold: 1 })
    checks.start()
    balancer.update(fleet('bc'))
    await clock.advance(5_000)
    expect(asked.toSorted()).toEqual(['b', 'c'])
    asked.length = 0
    balancer.update(fleet('b', { metadata: { v: '2' } }))
    sick.add('b')
    await clock.advance(10_000)
    expect(asked).toEqual(['b'])
    // The same id elsewhere is another instance, and starts afresh.
    balancer.update(fleet('bd', { port: 9 }))
    expect(why(balancer)['b']).toBe('in-rotation')
    await clock.advance(5_000)
    expect(why(balancer)['b']).toBe('unhealthy')
    checks.close()
    expect(clock.pending).toBe(0)
  })

  it('ask with the latest news of the instance', async () => {
    const seen: (string | undefined)[] = []
    const { balancer, clock, checks } = scene('a', { check: ({ version }) => seen.push(version) })
    checks.start()
    balancer.update(fleet('a', { version: '2' }))
    await clock.advance(5_000)
    expect(seen).toEqual(['2'])
    checks.close()
  })

  it('do not judge an instance that left while it was asked', async () => {
    let answer: (value: boolean) => void = () => {}
    const check = (): Promise<boolean> => new Promise((resolve) => (answer = resolve))
    const { balancer, clock, checks } = scene('a', { check, unhealthyThreshold: 1, timeoutMs: 60_000 })
    checks.start()
    await clock.advance(5_000)
    balancer.update(fleet('a', { port: 9 }))
    answer(false)
    await clock.advance(0)
    expect(why(balancer)['a']).toBe('in-rotation')
    await clock.advance(5_000)
    balancer.update([])
    answer(false)
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    checks.close()
  })

  it('ask no more than so many at once, and the others as soon as there is room', async () => {
    const answers: (() => void)[] = []
    const check = (): Promise<void> => new Promise((resolve) => answers.push(resolve))
    const { clock, checks } = scene('abcde', { check, concurrency: 2 })
    checks.start()
    await clock.advance(5_000)
    expect(answers).toHaveLength(2)
    answers[0]?.()
    await clock.advance(1)
    expect(answers).toHaveLength(3)
    answers[1]?.()
    answers[2]?.()
    await clock.advance(1)
    expect(answers).toHaveLength(5)
    checks.close()
  })

  it('are over with close: nothing is asked, no timer is left, and what they said is taken back', async () => {
    const { balancer, clock, checks, sick } = scene('abc', { unhealthyThreshold: 1 })
    sick.add('b')
    checks.start()
    await clock.advance(5_000)
    expect(why(balancer)['b']).toBe('unhealthy')
    checks.close()
    checks.close()
    expect(why(balancer)['b']).toBe('in-rotation')
    expect(clock.pending).toBe(0)
    balancer.update(fleet('abcd'))
    expect(clock.pending).toBe(0)
    expect(() => checks.start()).toThrow(ClosedError)
    expect([balancer.listenerCount('added'), balancer.listenerCount('removed')]).toEqual([0, 0])
  })

  it('end those under way with close, and hear nothing of them', async () => {
    const aborted = vi.fn<() => void>()
    const check: HealthQuestion = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted()
          reject(new Error('aborted'))
        })
      })
    const { balancer, clock, checks } = scene('ab', { check, unhealthyThreshold: 1 })
    checks.start()
    await clock.advance(5_000)
    {
      using _ = checks
    }
    await clock.advance(0)
    expect(aborted).toHaveBeenCalledTimes(2)
    expect(why(balancer)).toEqual({ a: 'in-rotation', b: 'in-rotation' })
    expect(clock.pending).toBe(0)
  })

  it('that never began close without a word', () => {
    const { clock, checks } = scene('ab')
    checks.close()
    expect(clock.pending).toBe(0)
  })

  it('hold one timer between checks, for the next instance only', async () => {
    const { balancer, clock, checks } = scene('abc', { random: seededRandom(1) })
    expect(clock.pending).toBe(0)
    checks.start()
    expect(clock.pending).toBe(1)
    await clock.advance(100_000)
    expect(clock.pending).toBe(1)
    balancer.update([])
    expect(clock.pending).toBe(0)
    checks.close()
  })

  it('go on when the clock goes backwards', async () => {
    vi.useFakeTimers()
    try {
      let shift = 1_000_000
      const asked: string[] = []
      const balancer = new LoadBalancer({ strategy: roundRobin() })
      balancer.update(numbered(3))
      const checks = new ActiveHealthCheck({
        balancer,
        check: ({ id }) => asked.push(id),
        random: () => 0.5,
        clock: { now: () => performance.now() + shift },
      })
      checks.start()
      await vi.advanceTimersByTimeAsync(10_000)
      expect(asked).toHaveLength(3)
      shift = 0
      await vi.advanceTimersByTimeAsync(40_000)
      expect(asked.length).toBeGreaterThan(3)
      checks.close()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('keep no process alive', () => {
    const { balancer } = setup(fleet('ab'))
    const unref = vi.fn<() => void>()
    const clock = { setTimeout: () => ({ unref }), clearTimeout: () => {} }
    const checks = new ActiveHealthCheck({ balancer, check: () => true, clock })
    checks.start()
    expect(unref).toHaveBeenCalled()
    checks.close()
  })

  it.each([
    [{ balancer: undefined }, 'ActiveHealthCheck: balancer must be a LoadBalancer, got undefined'],
    [{ balancer: {} }, /balancer must be an object with instance\(\), instances\(\), setHealth\(\), on\(\)/],
    [{ check: undefined }, 'ActiveHealthCheck: check must be a function, got undefined'],
    [{ intervalMs: 0 }, /intervalMs must be a finite number from 1/],
    [{ jitter: 2 }, /jitter must be a finite number from 0 up to 1, got 2/],
    [{ timeoutMs: 0 }, /timeoutMs must be a finite number from 1/],
    [{ unhealthyThreshold: 0 }, /unhealthyThreshold must be an integer from 1, got 0/],
    [{ healthyThreshold: 0 }, /healthyThreshold must be an integer from 1, got 0/],
    [{ concurrency: 0 }, /concurrency must be an integer from 1, got 0/],
    [{ x: 1 }, /unknown option "x"/],
  ])('refuse %j by name, value and range', (options, message) => {
    expect(() => scene('a', options as Partial<ActiveHealthCheckOptions>)).toThrow(message)
  })
})

import { describe, expect, it, vi } from 'vitest'
import {
  HealthChecker,
  type HealthCheckerOptions,
  type HealthProbe,
  ServiceRegistry,
} from '../../src/registry/index.ts'
import { judge } from '../../src/registry/health-judgement.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { recordEvents } from './support.ts'

const o1 = { serviceName: 'orders', id: 'o1', host: '10.0.0.1', port: 8080, healthCheckUrl: '/health' } as const

/** A registry and a checker on one clock, and a probe that does what `world.answer` says. */
function scene(options: Partial<HealthCheckerOptions> = {}) {
  const clock = new FakeClock(1_000_000)
  const registry = new ServiceRegistry({ clock, leaseMs: 86_400_000 })
  const world: { answer: HealthProbe; asked: string[]; checks: boolean[]; signals: AbortSignal[] } = {
    answer: async () => {},
    asked: [],
    checks: [],
    signals: [],
  }
  const probe: HealthProbe = (url, signal) => {
    world.asked.push(url.href)
    world.signals.push(signal)
    return world.answer(url, signal)
  }
  const make = (): HealthChecker => {
    const checker = new HealthChecker({ registry, clock, random: () => 0.5, probe, ...options })
    checker.on('checked', ({ ok }) => world.checks.push(ok))
    return checker
  }
  const status = (): string | undefined => registry.instance('orders', 'o1')?.status
  return { clock, registry, world, make, status }
}

const down: HealthProbe = () => Promise.reject(new Error('down'))
const hanging: HealthProbe = () => new Promise(() => {})

describe('HealthChecker', () => {
  it('asks soon after registration, then every interval', async () => {
    const { clock, registry, world, make } = scene()
    make()
    registry.register(o1)
    await clock.advance(1_500)
    expect(world.asked).toEqual(['http://10.0.0.1:8080/health'])
    await clock.advance(30_000)
    expect(world.asked).toHaveLength(2)
  })

  it('asks the instances that were there before it, and none without a URL', async () => {
    const { clock, registry, world, make } = scene()
    registry.register(o1)
    registry.register({ serviceName: 'orders', id: 'bare', host: '10.0.0.2', port: 1 })
    registry.define({ name: 'empty', version: '1' })
    make()
    await clock.advance(3_000)
    expect(world.asked).toEqual(['http://10.0.0.1:8080/health'])
  })

  it('makes an instance unhealthy after two failures in a row, and healthy after one success', async () => {
    const { clock, registry, world, make, status } = scene()
    const events = recordEvents(registry)
    make()
    registry.register(o1)
    world.answer = down
    await clock.advance(1_500)
    expect(status()).toBe('healthy')
    await clock.advance(30_000)
    expect(status()).toBe('unhealthy')
    await clock.advance(30_000)
    world.answer = async () => {}
    await clock.advance(30_000)
    expect(status()).toBe('healthy')
    // One failure after a success counts from one again.
    world.answer = down
    await clock.advance(30_000)
    expect(status()).toBe('healthy')
    expect(world.checks).toEqual([false, false, false, true, false])
    expect(events).toEqual(['registered o1', 'status o1 healthy>unhealthy', 'status o1 unhealthy>healthy'])
  })

  it('renews neither the lease nor last_heartbeat', async () => {
    const { clock, registry, world, make, status } = scene()
    make()
    registry.register({ ...o1, status: 'starting' }, { leaseMs: 60_000 })
    const before = registry.instance('orders', 'o1')?.lastHeartbeat
    await clock.advance(40_000)
    expect(status()).toBe('healthy')
    expect(world.checks).toEqual([true, true])
    expect(registry.instance('orders', 'o1')?.lastHeartbeat).toBe(before)
    await clock.advance(20_000)
    expect(registry.instances('orders')).toEqual([])
    expect(clock.pending).toBe(0)
    expect(world.checks).toHaveLength(2)
  })

  it('fails a check that hangs, after its timeout, and asks on', async () => {
    const { clock, registry, world, make, status } = scene({ unhealthyThreshold: 1 })
    make()
    registry.register(o1)
    world.answer = hanging
    await clock.advance(1_500 + 4_999)
    expect(status()).toBe('healthy')
    await clock.advance(1)
    expect(status()).toBe('unhealthy')
    expect(world.signals[0]?.aborted).toBe(true)
    await clock.advance(30_000)
    expect(world.asked).toHaveLength(2)
  })

  it('is not blamed for, nor listens to, a check of a registration that is over', async () => {
    const { clock, registry, world, make, status } = scene({ unhealthyThreshold: 1 })
    make()
    registry.register(o1)
    world.answer = hanging
    await clock.advance(1_500)
    registry.register(o1) // Restarted, with the check of its former self in flight.
    expect(world.signals[0]?.aborted).toBe(true)
    await clock.advance(10)
    expect(status()).toBe('healthy')
    expect(world.checks).toEqual([])
    registry.deregister('orders', 'o1')
    expect(clock.pending).toBe(0)
    expect(world.asked).toHaveLength(1)
  })

  it('stops asking an instance whose address another one took', async () => {
    const { clock, registry, world, make } = scene()
    make()
    registry.register(o1)
    registry.register({ ...o1, id: 'unchecked', healthCheckUrl: undefined })
    expect(clock.pending).toBe(1) // Its lease.
    await clock.advance(60_000)
    expect(world.asked).toEqual([])
  })

  it('leaves alone what began to stop while the check was on its way', async () => {
    const { clock, registry, world, make, status } = scene({ unhealthyThreshold: 1 })
    make()
    registry.register(o1)
    let fail: ((error: Error) => void) | undefined
    world.answer = () => new Promise((_, reject) => (fail = reject))
    await clock.advance(1_500)
    registry.setStatus('orders', 'o1', 'stopping')
    fail?.(new Error('refused'))
    await clock.advance(1)
    expect(world.checks).toEqual([false])
    expect(status()).toBe('stopping')
  })

  it('forgets an instance that a listener removed between two events', async () => {
    const { clock, registry, world, make } = scene()
    registry.register(o1)
    registry.once('replaced', () => registry.deregister('orders', 'o1'))
    make()
    registry.register(o1)
    await clock.advance(120_000)
    expect(world.asked).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('holds no timer once closed, and stops when its registry was closed', async () => {
    const { clock, registry, world, make } = scene()
    const checker = make()
    registry.register(o1)
    world.answer = hanging
    await clock.advance(1_500)
    await checker.close()
    await checker[Symbol.asyncDispose]()
    expect(world.signals[0]?.aborted).toBe(true)
    registry.register({ ...o1, id: 'o2', port: 1 })
    await registry.close()
    await clock.advance(60_000)
    expect(clock.pending).toBe(0)

    const other = scene()
    other.make()
    other.registry.register(o1)
    await other.registry.close()
    await other.clock.advance(60_000)
    expect(other.world.asked).toEqual([])
    expect(other.clock.pending).toBe(0)
  })

  it('reports what goes wrong on its own side, and asks on', async () => {
    const { clock, registry, world, make } = scene()
    const checker = make()
    const faults: string[] = []
    checker.on('error', ({ event, error }) => faults.push(`${event} ${String(error)}`))
    registry.register({ ...o1, status: 'starting' })
    const setStatus = vi.spyOn(registry, 'setStatus').mockImplementation(() => {
      throw new Error('disk full')
    })
    await clock.advance(1_500)
    expect(faults).toEqual(['checked Error: disk full'])
    setStatus.mockRestore()
    await clock.advance(30_000)
    expect(world.asked).toHaveLength(2)
    expect(registry.instance('orders', 'o1')?.status).toBe('healthy')
  })

  it.each([
    [{}, 'HealthChecker: registry must be a ServiceRegistry, got undefined'],
    [{ intervalMs: 99 }, 'intervalMs'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ unhealthyThreshold: 0 }, 'unhealthyThreshold'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ probe: 'tcp' }, 'probe must be a function'],
    [{ retries: 3 }, 'unknown option "retries"'],
  ])('refuses %j', (options, message) => {
    const registry = Object.keys(options).length === 0 ? {} : { registry: new ServiceRegistry() }
    expect(() => new HealthChecker({ ...registry, ...options } as never)).toThrow(message)
  })
})

describe('what a check does to a status', () => {
  it.each([
    ['healthy', 0, undefined],
    ['healthy', 1, undefined],
    ['healthy', 2, 'unhealthy'],
    ['unhealthy', 0, 'healthy'],
    ['unhealthy', 9, undefined],
    ['starting', 0, 'healthy'],
    ['starting', 9, undefined],
    ['stopping', 0, undefined],
    ['stopping', 9, undefined],
    ['unknown', 0, 'healthy'],
    ['unknown', 2, 'unhealthy'],
  ] as const)('%s after %i failures leads to %s', (status, failures, verdict) => {
    expect(judge(status, failures, 2)).toBe(verdict)
  })
})

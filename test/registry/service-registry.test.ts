import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryStore, ServiceRegistry } from '../../src/registry/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { recordEvents } from './support.ts'

const o1 = { serviceName: 'orders', id: 'o1', host: '10.0.0.1', port: 8080 } as const
const o2 = { serviceName: 'orders', id: 'o2', host: '10.0.0.2', port: 8080 } as const

describe('ServiceRegistry', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 20, 12) })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('stores an instance with its defaults and its dates in RFC 3339', () => {
    const registry = new ServiceRegistry()
    const stored = registry.register({ serviceName: 'orders', host: 'Orders.Local', port: 8080 })
    expect(stored).toMatchObject({
      id: 'orders.local:8080',
      serviceName: 'orders',
      host: 'orders.local',
      port: 8080,
      status: 'healthy',
      weight: 1,
      priority: 0,
      secure: false,
      createdAt: '2026-11-20T12:00:00.000Z',
      lastHeartbeat: '2026-11-20T12:00:00.000Z',
    })
    expect(registry.instances('orders')).toEqual([stored])
    expect(registry.instance('orders', stored.id)).toBe(stored)
  })

  it('tells a service never known from one whose instances are gone', () => {
    const registry = new ServiceRegistry()
    expect(registry.instances('orders')).toBeUndefined()
    expect(registry.health('orders')).toBeUndefined()
    registry.register(o1)
    expect(registry.deregister('orders', 'o1')).toBe(true)
    expect(registry.instances('orders')).toEqual([])
    expect(registry.deregister('orders', 'o1')).toBe(false)
    expect(registry.deregister('nobody', 'o1')).toBe(false)
  })

  it('removes an instance whose lease lapsed, and says so', () => {
    const registry = new ServiceRegistry()
    const events = recordEvents(registry)
    registry.register(o1)
    vi.advanceTimersByTime(29_999)
    expect(registry.instances('orders')).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(registry.instances('orders')).toEqual([])
    expect(events).toEqual(['registered o1', 'expired o1'])
    expect(registry.heartbeat('orders', 'o1')).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps an instance as long as it beats, and dates each beat', () => {
    const registry = new ServiceRegistry()
    registry.register(o1)
    for (let i = 0; i < 10; i += 1) {
      vi.advanceTimersByTime(20_000)
      expect(registry.heartbeat('orders', 'o1')).toBe(true)
    }
    expect(registry.instance('orders', 'o1')).toMatchObject({
      lastHeartbeat: '2026-11-20T12:03:20.000Z',
      createdAt: '2026-11-20T12:00:00.000Z',
    })
    vi.advanceTimersByTime(30_000)
    expect(registry.instances('orders')).toEqual([])
  })

  it.each([
    [undefined, 30_000],
    [5_000, 5_000],
    [1, 1_000],
    [-7, 1_000],
    [0, 1_000],
    [1e12, 86_400_000],
    [Number.POSITIVE_INFINITY, 86_400_000],
  ])('brings a lease of %s ms to %s ms', (leaseMs, lapsesAfter) => {
    const registry = new ServiceRegistry()
    registry.register(o1, { leaseMs })
    vi.advanceTimersByTime(lapsesAfter - 1)
    expect(registry.instances('orders')).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(registry.instances('orders')).toHaveLength(0)
  })

  it('refuses a lease that is no number', () => {
    const registry = new ServiceRegistry()
    const wrong = { leaseMs: '30s' } as unknown as { leaseMs: number }
    expect(() => registry.register(o1, wrong)).toThrow('leaseMs must be a number of milliseconds, got string')
    expect(() => registry.register(o1, { leaseMs: Number.NaN })).toThrow('leaseMs')
    expect(registry.services()).toEqual([])
  })

  it('replaces an instance that registers the same id again', () => {
    const registry = new ServiceRegistry()
    const events = recordEvents(registry)
    registry.register(o1, { leaseMs: 5_000 })
    vi.advanceTimersByTime(1_000)
    registry.register({ ...o1, host: '10.0.0.9' }, { leaseMs: 60_000 })
    expect(registry.instances('orders')).toMatchObject([{ host: '10.0.0.9', createdAt: '2026-11-20T12:00:01.000Z' }])
    expect(events).toEqual(['registered o1', 'replaced o1', 'registered o1'])
    vi.advanceTimersByTime(59_999)
    expect(registry.instances('orders')).toHaveLength(1)
    // The address it left is free: registering there replaces nobody.
    registry.register({ ...o2, host: '10.0.0.1' })
    expect(registry.instances('orders')).toHaveLength(2)
  })

  it('replaces whoever stood at the same host and port under another id', () => {
    const registry = new ServiceRegistry()
    const events = recordEvents(registry)
    registry.register(o1, { leaseMs: 1_000 })
    registry.register({ ...o1, id: 'o1-restarted' })
    expect(registry.instances('orders')?.map(({ id }) => id)).toEqual(['o1-restarted'])
    expect(events).toEqual(['registered o1', 'replaced o1', 'registered o1-restarted'])
    vi.advanceTimersByTime(2_000)
    expect(events).not.toContain('expired o1')
    // Another service may live at the same address.
    registry.register({ ...o1, serviceName: 'billing' })
    expect(registry.instances('orders')).toHaveLength(1)
  })

  it('replaces two at once: an id that moves to the address of another', () => {
    const registry = new ServiceRegistry()
    const events = recordEvents(registry)
    registry.register(o1)
    registry.register(o2)
    registry.register({ ...o1, host: o2.host })
    expect(registry.instances('orders')).toMatchObject([{ id: 'o1', host: '10.0.0.2' }])
    expect(events.slice(2)).toEqual(['replaced o1', 'replaced o2', 'registered o1'])
  })

  it('sets a status without renewing anything', () => {
    const registry = new ServiceRegistry()
    const events = recordEvents(registry)
    registry.register(o1)
    vi.advanceTimersByTime(20_000)
    expect(registry.setStatus('orders', 'o1', 'unhealthy')).toBe(true)
    expect(registry.setStatus('orders', 'o1', 'unhealthy')).toBe(true)
    expect(events).toEqual(['registered o1', 'status o1 healthy>unhealthy'])
    expect(registry.instance('orders', 'o1')).toMatchObject({
      status: 'unhealthy',
      lastHeartbeat: '2026-11-20T12:00:00.000Z',
    })
    vi.advanceTimersByTime(10_000)
    expect(registry.instances('orders')).toEqual([])
    expect(registry.setStatus('orders', 'o1', 'healthy')).toBe(false)
  })

  it('refuses a status it does not know', () => {
    const registry = new ServiceRegistry()
    registry.register(o1)
    expect(() => registry.setStatus('orders', 'o1', 'fine' as never)).toThrow(
      'status must be healthy, unhealthy, starting, stopping or unknown, got "fine"',
    )
    expect(() => registry.setStatus('orders', 'o1', undefined as never)).toThrow('status must be given')
  })

  it('gives only the healthy ones when asked', () => {
    const registry = new ServiceRegistry()
    registry.register(o1)
    registry.register({ ...o2, status: 'starting' })
    expect(registry.instances('orders')).toHaveLength(2)
    expect(registry.instances('orders', { healthyOnly: true })?.map(({ id }) => id)).toEqual(['o1'])
    expect(registry.instances('nobody', { healthyOnly: true })).toBeUndefined()
  })

  it('lists services sorted, and by prefix', () => {
    const registry = new ServiceRegistry()
    registry.define({ name: 'sensor', version: '1' })
    registry.register(o1)
    registry.register({ ...o1, serviceName: 'orders-archive' })
    expect(registry.services()).toEqual(['orders', 'orders-archive', 'sensor'])
    expect(registry.services({ prefix: 'orders-' })).toEqual(['orders-archive'])
    expect(registry.instances('sensor')).toEqual([])
  })

  it('keeps a definition, and when it was first given', () => {
    const registry = new ServiceRegistry()
    expect(registry.definition('orders')).toBeUndefined()
    registry.define({ name: 'orders', version: '1' })
    vi.advanceTimersByTime(1_000)
    const stored = registry.define({ name: 'orders', version: '2' })
    expect(registry.definition('orders')).toBe(stored)
    expect(stored).toMatchObject({
      version: '2',
      createdAt: '2026-11-20T12:00:00.000Z',
      updatedAt: '2026-11-20T12:00:01.000Z',
    })
  })

  it('sums up health: stopping ones are no sign of trouble', () => {
    const registry = new ServiceRegistry()
    registry.register(o1)
    registry.register({ ...o2, status: 'stopping' })
    expect(registry.health('orders')).toEqual({
      serviceName: 'orders',
      status: 'healthy',
      total: 2,
      healthy: 1,
      instances: [
        { id: 'o1', status: 'healthy' },
        { id: 'o2', status: 'stopping' },
      ],
    })
    registry.setStatus('orders', 'o2', 'unhealthy')
    expect(registry.health('orders')?.status).toBe('degraded')
    registry.setStatus('orders', 'o1', 'stopping')
    expect(registry.health('orders')?.status).toBe('unhealthy')
    registry.deregister('orders', 'o1')
    registry.deregister('orders', 'o2')
    expect(registry.health('orders')).toMatchObject({ status: 'unhealthy', total: 0 })
  })

  it('refuses more instances than it may hold, but still replaces', () => {
    const registry = new ServiceRegistry({ maxInstances: 1 })
    registry.register(o1)
    expect(() => registry.register(o2)).toThrow('the registry is full: maxInstances is 1')
    registry.register({ ...o1, port: 9090 })
    registry.register({ ...o1, id: 'other', port: 9090 })
    registry.deregister('orders', 'other')
    registry.register(o2)
    expect(registry.instances('orders')).toHaveLength(1)
  })

  it('refuses more services than it may know', () => {
    const registry = new ServiceRegistry({ maxServices: 1 })
    registry.define({ name: 'orders', version: '1' })
    registry.define({ name: 'orders', version: '2' })
    registry.register(o1)
    expect(() => registry.register({ ...o1, serviceName: 'billing' })).toThrow('maxServices is 1')
    expect(() => registry.define({ name: 'billing', version: '1' })).toThrow('maxServices is 1')
    expect(registry.services()).toEqual(['orders'])
  })

  it('gives what a store remembers one whole lease to speak up', () => {
    const store = new MemoryStore()
    const before = new ServiceRegistry({ store })
    before.register(o1, { leaseMs: 5_000 })
    vi.advanceTimersByTime(4_000)
    const after = new ServiceRegistry({ store })
    const events = recordEvents(after)
    // The former registry is gone with its process; only the store stayed.
    vi.clearAllTimers()
    const restarted = new ServiceRegistry({ store })
    vi.advanceTimersByTime(4_999)
    expect(restarted.instances('orders')).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(restarted.instances('orders')).toHaveLength(0)
    expect(events).toEqual([])
  })

  it('reports a store that fails while a lease lapses, instead of ending the process', () => {
    class BrokenStore extends MemoryStore {
      override remove(): void {
        throw new Error('disk full')
      }
    }
    const registry = new ServiceRegistry({ store: new BrokenStore() })
    const faults: unknown[] = []
    registry.on('error', ({ event, error }) => faults.push(`${event}: ${String(error)}`))
    registry.register(o1)
    vi.advanceTimersByTime(30_000)
    expect(faults).toEqual(['expired: Error: disk full'])
  })

  it('is warming up for so long after the start', () => {
    const registry = new ServiceRegistry({ warmupMs: 10_000 })
    expect(registry.warmupRemainingMs).toBe(10_000)
    vi.advanceTimersByTime(9_999)
    expect(registry.warmupRemainingMs).toBe(1)
    vi.advanceTimersByTime(1)
    expect(registry.warmupRemainingMs).toBe(0)
    expect(new ServiceRegistry().warmupRemainingMs).toBe(0)
  })

  it('begins the warm-up anew when the clock goes backwards, and does end it', () => {
    const clock = { offset: 1_000_000, now: () => clock.offset }
    const registry = new ServiceRegistry({ warmupMs: 10_000, clock })
    clock.offset = 0
    expect(registry.warmupRemainingMs).toBe(10_000)
    clock.offset = 10_000
    expect(registry.warmupRemainingMs).toBe(0)
  })

  it('answers nothing once closed, and leaves no timer', async () => {
    const clock = new FakeClock()
    const registry = new ServiceRegistry({ clock })
    const events = recordEvents(registry)
    registry.register(o1)
    expect(clock.pending).toBe(1)
    await registry.close()
    await registry[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
    expect(() => registry.instances('orders')).toThrow('the service registry is closed')
    expect(() => registry.register(o1)).toThrow('closed')
    expect(events).toEqual(['registered o1'])
  })

  it.each([
    [
      { leaseMs: 999 },
      'ServiceRegistry: leaseMs must be a finite number from 1000 up to 86400000 milliseconds, got 999',
    ],
    [{ warmupMs: -1 }, 'warmupMs'],
    [{ maxServices: 0 }, 'maxServices'],
    [{ maxInstances: 1.5 }, 'maxInstances'],
    [{ store: {} }, 'store must be an object with services()'],
    [{ ttl: 3 }, 'unknown option "ttl"'],
  ])('refuses %j', (options, message) => {
    expect(() => new ServiceRegistry(options as never)).toThrow(message)
  })
})

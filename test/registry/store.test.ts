import { describe, expect, it } from 'vitest'
import { type InstanceRecord, MemoryStore } from '../../src/registry/index.ts'
import { readRegistration } from '../../src/registry/registration.ts'

function record(id: string, port: number, serviceName = 'orders'): InstanceRecord {
  return { instance: readRegistration({ serviceName, id, host: 'a', port }), leaseMs: 1_000 }
}

describe('MemoryStore', () => {
  it('knows a service from its first record on, and keeps knowing it', () => {
    const store = new MemoryStore()
    expect(store.records('orders')).toBeUndefined()
    store.remove('orders', 'a')
    expect(store.services()).toEqual([])
    store.put(record('a', 1))
    store.remove('orders', 'a')
    store.remove('orders', 'a')
    expect(store.records('orders')).toEqual([])
    expect(store.services()).toEqual(['orders'])
  })

  it('finds a record by its address, and only where it is now', () => {
    const store = new MemoryStore()
    store.put(record('a', 1))
    expect(store.recordAt('orders', 'a', 1)?.instance.id).toBe('a')
    store.put(record('a', 2))
    expect(store.recordAt('orders', 'a', 1)).toBeUndefined()
    expect(store.recordAt('orders', 'a', 2)?.instance.id).toBe('a')
    store.remove('orders', 'a')
    expect(store.recordAt('orders', 'a', 2)).toBeUndefined()
    expect(store.recordAt('nobody', 'a', 2)).toBeUndefined()
  })

  it('takes __proto__ for a name like any other', () => {
    const store = new MemoryStore()
    store.put(record('__proto__', 1, '__proto__'))
    expect(store.services()).toEqual(['__proto__'])
    expect(store.record('__proto__', '__proto__')).toBeDefined()
    expect(store.record('constructor', 'toString')).toBeUndefined()
  })

  it('forgets everything when closed', () => {
    const store = new MemoryStore()
    store.put(record('a', 1))
    store.close()
    expect(store.services()).toEqual([])
  })
})

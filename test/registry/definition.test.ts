import { describe, expect, it } from 'vitest'
import { formatDefinition, readDefinition } from '../../src/registry/definition.ts'
import { InvalidRegistrationError } from '../../src/registry/index.ts'

const wire = {
  name: 'device-service',
  version: '1.2.0',
  description: 'Knows devices.\nAll of them.',
  service_type: 'core',
  endpoints: [
    {
      path: '/devices/{id}',
      method: 'get',
      port: 8081,
      description: 'One device',
      parameters: [{ name: 'id', param_type: 'uuid', required: true, description: 'which' }],
    },
  ],
  dependencies: ['sensor-service'],
  metadata: { team: 'iot' },
  config: { retries: 3, nested: { list: [1, null, 'x', true] } },
}

function complaint(value: unknown): string {
  try {
    readDefinition(value)
  } catch (error) {
    if (error instanceof InvalidRegistrationError) return error.field
    throw error
  }
  return 'accepted'
}

function nested(depth: number): unknown {
  return JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)
}

describe('a definition', () => {
  it('survives reading and writing', () => {
    const read = readDefinition({ ...wire, unknown: 1 })
    expect(read.endpoints[0]).toMatchObject({ method: 'GET', parameters: [{ paramType: 'uuid', required: true }] })
    const dates = { createdAt: '2026-11-20T12:00:00Z', updatedAt: '2026-11-21T12:00:00Z' }
    const written: unknown = JSON.parse(JSON.stringify(formatDefinition({ ...read, ...dates })))
    expect(written).toEqual({
      ...wire,
      endpoints: [{ ...wire.endpoints[0], method: 'GET' }],
      created_at: dates.createdAt,
      updated_at: dates.updatedAt,
    })
  })

  it('needs no more than a name and a version', () => {
    const read = readDefinition({
      name: 'a',
      version: '1',
      endpoints: [{ path: '/', method: 'GET', parameters: [{ name: 'q' }] }],
    })
    expect(read).toMatchObject({ description: '', serviceType: undefined, dependencies: [] })
    expect(read.endpoints[0]).toMatchObject({
      port: undefined,
      parameters: [{ name: 'q', paramType: 'string', required: false, description: '' }],
    })
    const formatted = formatDefinition({ ...read, createdAt: '', updatedAt: '' })
    expect(formatted).not.toHaveProperty('service_type')
    expect(Object.keys(read.config)).toEqual([])
  })

  it.each([
    ['name', { version: '1' }],
    ['name', { ...wire, name: '' }],
    ['name', { ...wire, name: '..' }],
    ['version', { ...wire, version: '' }],
    ['version', { name: 'a' }],
    ['description', { ...wire, description: 'x'.repeat(4_097) }],
    ['service_type', { ...wire, service_type: 'a\nb' }],
    ['endpoints', { ...wire, endpoints: {} }],
    ['endpoints', { ...wire, endpoints: Array.from({ length: 257 }) }],
    ['endpoints[0]', { ...wire, endpoints: ['/x'] }],
    ['endpoints[0].path', { ...wire, endpoints: [{ method: 'GET' }] }],
    ['endpoints[0].path', { ...wire, endpoints: [{ path: 'x', method: 'GET' }] }],
    ['endpoints[0].path', { ...wire, endpoints: [{ path: `/${'x'.repeat(300)}\n`, method: 'GET' }] }],
    ['endpoints[0].method', { ...wire, endpoints: [{ path: '/x' }] }],
    ['endpoints[0].method', { ...wire, endpoints: [{ path: '/x', method: 'GET /evil' }] }],
    ['endpoints[1].port', { ...wire, endpoints: [wire.endpoints[0], { path: '/x', method: 'GET', port: 0 }] }],
    ['endpoints[0].parameters[0].name', { ...wire, endpoints: [{ path: '/x', method: 'GET', parameters: [{}] }] }],
    [
      'endpoints[0].parameters[0].required',
      { ...wire, endpoints: [{ path: '/x', method: 'GET', parameters: [{ name: 'a', required: 1 }] }] },
    ],
    ['dependencies', { ...wire, dependencies: ['ok', ''] }],
    ['dependencies', { ...wire, dependencies: [7] }],
    ['metadata', { ...wire, metadata: { a: null } }],
    ['config', { ...wire, config: [] }],
    ['config', { ...wire, config: 'x' }],
    ['config', { ...wire, config: { f: () => 1 } }],
    ['config', { ...wire, config: { n: Number.NaN } }],
    ['config', { ...wire, config: { list: [undefined] } }],
  ])('is refused for its %s', (field, value) => {
    expect(complaint(value)).toBe(field)
  })

  it('refuses configuration too deep to be serialised, and keeps __proto__ harmless', () => {
    expect(complaint({ ...wire, config: nested(16) })).toBe('accepted')
    expect(complaint({ ...wire, config: nested(17) })).toBe('config')
    expect(complaint({ ...wire, config: nested(5_000) })).toBe('config')
    const { config } = readDefinition({ ...wire, config: JSON.parse('{"__proto__": {"admin": true}}') as unknown })
    expect(Object.getPrototypeOf(config)).toBeNull()
    expect((config as { admin?: boolean }).admin).toBeUndefined()
    expect(JSON.stringify(config)).toBe('{"__proto__":{"admin":true}}')
  })
})

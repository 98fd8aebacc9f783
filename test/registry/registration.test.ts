import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatInstance, parseInstance } from '../../src/core/parse-instance.ts'
import { InvalidRegistrationError, ServiceRegistry } from '../../src/registry/index.ts'
import { readRegistration } from '../../src/registry/registration.ts'

const good = { service_name: 'orders', id: 'o1', host: '10.0.0.1', port: 8080 }

/** What is wrong with it: the field, and the sentence. */
function complaint(value: unknown): { field: string; message: string } {
  try {
    readRegistration(value)
  } catch (error) {
    if (error instanceof InvalidRegistrationError) return { field: error.field, message: error.message }
    throw error
  }
  throw new Error('it was accepted')
}

function optional<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(values, { nil: undefined })
}

describe('a registration', () => {
  it.each([
    ['host', 'user:pass@evil'],
    ['host', 'evil#'],
    ['host', 'evil/x?'],
    ['host', '127.0.0.1\r\nX'],
    ['host', 'ev\til'],
    ['host', '2130706433'],
    ['host', ''],
    ['host', 7],
    ['port', '80@evil'],
    ['port', '80'],
    ['port', 0],
    ['port', 65_536],
    ['port', 80.5],
    ['id', ''],
    ['id', '..'],
    ['id', '.'],
    ['id', 'a\nb'],
    ['id', 'x'.repeat(257)],
    ['id', 12],
    ['service_name', '   '],
    ['service_name', 'half \ud800'],
    ['version', ''],
    ['version', 3],
    ['zone', 'eu\u0000'],
    ['status', 'fine'],
    ['status', 1],
    ['weight', -1],
    ['weight', Number.NaN],
    ['weight', 1e308],
    ['priority', 1.5],
    ['priority', 129],
    ['secure', 'yes'],
    ['metadata', []],
    ['metadata', 'a=b'],
    ['metadata', { a: 1 }],
    ['metadata', { a: 'x'.repeat(4_097) }],
    ['metadata', { ['k'.repeat(257)]: '' }],
    ['metadata', Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, '']))],
    ['health_check_url', 'http://evil:8080/health'],
    ['health_check_url', 'health'],
    ['health_check_url', '//evil/health'],
    ['health_check_url', '/a\r\nb'],
  ])('is refused for its %s when that is %j', (field, value) => {
    expect(complaint({ ...good, [field]: value }).field).toBe(field)
  })

  it('must have a service name, a host and a port, and be an object', () => {
    expect(complaint({ host: 'a', port: 1 })).toEqual({
      field: 'serviceName',
      message: 'serviceName must be given, got undefined',
    })
    expect(complaint({ service_name: 'a', port: 1 }).field).toBe('host')
    expect(complaint({ service_name: 'a', host: 'a' }).message).toBe(
      'port must be an integer from 1 to 65535, got undefined',
    )
    expect(complaint([good]).message).toBe('an instance must be an object, got an array')
    expect(complaint(null).field).toBe('')
  })

  it('names a field as it was spelt', () => {
    expect(complaint({ ...good, healthCheckUrl: 'x' }).message).toBe(
      `healthCheckUrl must be a path, or a URL on the instance's own host and port, got "x"`,
    )
    expect(complaint({ ...good, health_status: 'x' }).field).toBe('health_status')
  })

  it('is read in snake_case and camelCase, with the other spellings of the documents, and without the unknown', () => {
    const read = readRegistration({
      serviceName: 'orders',
      instance_id: 'o9',
      host: '::1',
      port: 1,
      health_status: 'Starting',
      health_check_url: 'http://[::1]:1/up',
      zone: null,
      admin: true,
    })
    expect(read).toMatchObject({ id: 'o9', status: 'starting', healthCheckUrl: 'http://[::1]:1/up', zone: undefined })
    expect(read).not.toHaveProperty('admin')
    expect(readRegistration({ ...good, status: 'UNKNOWN' }).status).toBe('unknown')
  })

  it('keeps __proto__ in the metadata as a key like any other', () => {
    const metadata = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>
    const read = readRegistration({ ...good, metadata })
    expect(Object.keys(read.metadata)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(read.metadata)).toBeNull()
    expect(JSON.stringify(read.metadata)).toBe('{"__proto__":"x","constructor":"y"}')
    // A prototype's fields are nobody's own.
    expect(complaint(Object.create(good)).field).toBe('serviceName')
  })

  it('comes back unchanged from the wire, whatever was accepted', () => {
    const text = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
    const registration = fc.record({
      serviceName: text,
      id: optional(text),
      host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      port: fc.integer({ min: 1, max: 65_535 }),
      status: optional(
        fc.constantFrom('healthy' as const, 'unhealthy' as const, 'starting' as const, 'stopping' as const),
      ),
      metadata: optional(fc.dictionary(fc.string(), fc.string(), { maxKeys: 5 })),
      healthCheckUrl: optional(fc.webPath().map((path) => `/${path.slice(1)}`)),
      weight: optional(fc.double({ min: 0, max: 1e6, noNaN: true })),
      zone: optional(text),
      version: optional(text),
      secure: optional(fc.boolean()),
      priority: optional(fc.integer({ min: 0, max: 128 })),
    })
    let accepted = 0
    fc.assert(
      fc.property(registration, (given) => {
        const registry = new ServiceRegistry()
        let stored
        try {
          stored = registry.register(given)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidRegistrationError)
          return
        } finally {
          void registry.close()
        }
        accepted += 1
        const wire: unknown = JSON.parse(JSON.stringify(formatInstance(stored)))
        // -0 is 0 in JSON, and means the same.
        expect(parseInstance(wire, stored.serviceName)).toEqual({ ...stored, weight: stored.weight + 0 })
      }),
    )
    expect(accepted).toBeGreaterThan(20)
  })
})

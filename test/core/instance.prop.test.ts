import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instanceOrigin } from '../../src/core/instance.ts'
import { formatInstance, INSTANCE_LIMITS, parseInstance, parseInstances } from '../../src/core/parse-instance.ts'

const hostile = fc.oneof(
  fc.constantFrom('10.0.0.1', 'a', '::1', 'user@evil', 'evil#', 'evil\\x', '0x7f000001', '127.0.0.1\r\nX'),
  fc.string(),
  fc.anything(),
)

/** Entries that look enough like instances to get past the first check. */
const entry = fc.oneof(
  { arbitrary: fc.anything(), weight: 1 },
  {
    arbitrary: fc.record(
      {
        id: fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.anything()),
        host: hostile,
        port: fc.oneof(
          fc.integer({ min: 1, max: 5 }),
          fc.constantFrom<unknown>(0, '80@evil', 65_536, 8e-1),
          fc.anything(),
        ),
        status: fc.oneof(fc.constantFrom('Healthy', 'stopping', 'passing'), fc.anything()),
        metadata: fc.oneof(fc.dictionary(fc.string(), fc.anything()), fc.anything()),
        weight: fc.oneof(fc.double(), fc.anything()),
        priority: fc.oneof(fc.double(), fc.anything()),
        health_check_url: hostile,
        created_at: hostile,
        zone: hostile,
        secure: fc.anything(),
      },
      { requiredKeys: [] },
    ),
    weight: 4,
  },
)

describe('whatever a registry answers', () => {
  it('is read without throwing, into instances that keep every promise', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.array(entry)), (value) => {
        const parsed = parseInstances(value, 's')
        expect(parsed === undefined).toBe(!Array.isArray(value))
        if (parsed === undefined) return
        expect(parsed.instances.length + parsed.dropped).toBe((value as unknown[]).length)
        expect(new Set(parsed.instances.map((one) => one.id)).size).toBe(parsed.instances.length)
        expect(new Set(parsed.instances.map(({ host, port }) => `${host} ${port}`)).size).toBe(parsed.instances.length)
        for (const one of parsed.instances) {
          const url = new URL(instanceOrigin(one))
          expect(url.username + url.password + url.search + url.hash + url.pathname).toBe('/')
          expect(one.port).toBeGreaterThanOrEqual(1)
          expect(one.port).toBeLessThanOrEqual(65_535)
          expect(one.weight).toBeGreaterThanOrEqual(0)
          expect(one.weight).toBeLessThanOrEqual(INSTANCE_LIMITS.weight)
          expect(Number.isInteger(one.priority)).toBe(true)
          expect(Object.getPrototypeOf(one.metadata)).toBeNull()
          expect(Object.keys(one.metadata).length).toBeLessThanOrEqual(INSTANCE_LIMITS.metadataEntries)
          expect(Object.isFrozen(one)).toBe(true)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('survives the way to the wire and back', () => {
    fc.assert(
      fc.property(entry, (value) => {
        const one = parseInstance(value, 's')
        if (one === undefined) return
        const wire: unknown = JSON.parse(JSON.stringify(formatInstance(one)))
        const again = parseInstance(wire, 's')
        expect(again).toEqual(one)
      }),
      { numRuns: 1_000, examples: [[{ host: 'A', port: 1, priority: -0, weight: -0 }]] },
    )
  })
})

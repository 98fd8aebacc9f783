import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nestsDeeperThan } from '../../../src/backends/http/nesting.ts'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

describe('nestsDeeperThan', () => {
  it('agrees with the parser about any JSON', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: fc.constantFrom('a', '"', '\\', '[', '}', 'ü') }), fc.nat(6), (text, limit) => {
        expect(nestsDeeperThan(limit, Buffer.from(text))).toBe(depthOf(JSON.parse(text)) > limit)
      }),
    )
  })

  it('stands text that is no JSON', () => {
    for (const text of ['', ']]]]', '"', '"\\', '<html>']) expect(nestsDeeperThan(3, Buffer.from(text))).toBe(false)
    expect(nestsDeeperThan(3, Buffer.from('[[[['))).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import { fnv1a, mix32 } from '../../src/balancing/hash.ts'

describe('hash', () => {
  it('gives the published values of FNV-1a for ASCII', () => {
    expect(fnv1a('')).toBe(0x811c9dc5)
    expect(fnv1a('a')).toBe(0xe40c292c)
    expect(fnv1a('foobar')).toBe(0xbf9cf968)
  })

  it('sees both bytes of wider characters', () => {
    expect(fnv1a('Ā')).not.toBe(fnv1a('Ȁ'))
  })

  it('gives the published values of the murmur3 finalizer, and changes half of the bits for one', () => {
    expect(mix32(0)).toBe(0)
    expect(mix32(1)).toBe(0x514e28b7)
    let changed = 0
    for (let i = 0; i < 1_000; i += 1) {
      let bits = mix32(i) ^ mix32(i ^ 1)
      for (; bits !== 0; bits &= bits - 1) changed += 1
    }
    expect(changed / 1_000).toBeGreaterThan(15)
    expect(changed / 1_000).toBeLessThan(17)
  })
})

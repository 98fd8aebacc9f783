import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeInstances } from '../../src/discovery/merge-instances.ts'
import { ids, instance } from './scripted-provider.ts'

function content(entries: readonly { id: string; weight: number }[]): string[] {
  return entries.map(({ id, weight }) => `${id} ${weight}`).toSorted()
}

describe('mergeInstances', () => {
  it.each([
    ['status', 'unhealthy'],
    ['host', '10.0.0.9'],
    ['port', 9],
    ['weight', 7],
    ['zone', 'b'],
    ['version', '2'],
    ['secure', true],
    ['priority', 3],
    ['health_check_url', '/h'],
    ['created_at', '2026-01-01T00:00:00Z'],
    ['metadata', { k: 'v' }],
  ])('sees another %s', (field, value) => {
    const before = [instance('a')]
    const merged = mergeInstances(before, [instance('a', { [field]: value })])
    expect(merged.changed).toBe(true)
    expect(ids(merged.updated)).toEqual(['a'])
    expect(merged.instances[0]).not.toBe(before[0])
  })

  it('sees metadata that kept its size', () => {
    const merged = mergeInstances([instance('a', { metadata: { k: '1' } })], [instance('a', { metadata: { l: '1' } })])
    expect(merged.changed).toBe(true)
  })

  it('does not see another heartbeat', () => {
    const before = [instance('a')]
    const merged = mergeInstances(before, [instance('a', { last_heartbeat: '2026-01-01T00:00:00Z' })])
    expect(merged.instances).toBe(before)
  })

  it('counts an id that comes twice once', () => {
    const merged = mergeInstances([], [instance('a'), instance('a', { weight: 2 })])
    expect(merged.instances).toMatchObject([{ id: 'a', weight: 2 }])
    expect(ids(merged.added)).toEqual(['a'])
  })

  it('always ends at the new list, says so exactly when something changed, and keeps what did not', () => {
    const list = fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), weight: fc.nat(2) }), {
      selector: (entry) => entry.id,
    })
    fc.assert(
      fc.property(list, list, (was, is) => {
        const before = was.map(({ id, weight }) => instance(id, { weight }))
        const merged = mergeInstances(
          before,
          is.map(({ id, weight }) => instance(id, { weight })),
        )
        expect(content(merged.instances)).toEqual(content(is))
        expect(merged.changed).toBe(JSON.stringify(content(was)) !== JSON.stringify(content(is)))
        if (!merged.changed) expect(merged.instances).toBe(before)
        for (const one of merged.instances) {
          const old = before.find((other) => other.id === one.id)
          if (old !== undefined && old.weight === one.weight) expect(one).toBe(old)
        }
      }),
    )
  })
})

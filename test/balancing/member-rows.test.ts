import { describe, expect, it } from 'vitest'
import { MemberRows } from '../../src/balancing/member-rows.ts'
import { bare, seated } from './strategies-support.ts'

describe('MemberRows', () => {
  it('gives newcomers blank numbers, and lets the others follow their member', () => {
    const rows = new MemberRows([1, 2])
    const [a, b, c] = [bare('a'), bare('b'), bare('c')]
    rows.update(seated(a, b))
    expect([...rows.values]).toEqual([1, 2, 1, 2])
    rows.values.set([10, 20, 30, 40])
    rows.update(seated(c, b, a))
    expect([...rows.values]).toEqual([1, 2, 30, 40, 10, 20])
  })

  it('keeps the numbers of members that are away until they come back', () => {
    const rows = new MemberRows([0])
    const [a, b] = [bare('a'), bare('b')]
    rows.update(seated(a, b))
    rows.values.set([1, 2])
    a.slot = -1
    rows.update(seated(b))
    expect([...rows.values]).toEqual([2])
    rows.values.set([3])
    rows.update(seated(a, b))
    expect([...rows.values]).toEqual([1, 3])
  })

  it('does not take a member that sits in somebody else’s list for its own', () => {
    const rows = new MemberRows([0])
    const [a, b, c] = [bare('a'), bare('b'), bare('c')]
    rows.update(seated(a, b))
    rows.values.set([1, 2])
    // a has gone to another picker, and has a slot there.
    seated(a)
    b.slot = 0
    c.slot = 1
    rows.update([b, c])
    expect([...rows.values]).toEqual([2, 0])
  })
})

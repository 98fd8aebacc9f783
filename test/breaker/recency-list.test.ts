import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { type Linked, RecencyList } from '../../src/breaker/recency-list.ts'

class Node implements Linked {
  newer: this | undefined = undefined
  older: this | undefined = undefined
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** From the oldest to the newest, by both kinds of pointers. */
function inOrder(list: RecencyList<Node>): string[] {
  const forth: Node[] = []
  for (let node = list.oldest; node !== undefined; node = node.newer) forth.push(node)
  const back: Node[] = []
  for (let node = forth.at(-1); node !== undefined; node = node.older) back.unshift(node)
  expect(back).toEqual(forth)
  return forth.map(({ name }) => name)
}

describe('a list in the order of use', () => {
  it('moves nothing for a member that is the newest already', () => {
    const list = new RecencyList<Node>()
    const [older, newer] = [new Node('older'), new Node('newer')]
    list.add(older)
    list.add(newer)
    const remove = vi.spyOn(list, 'remove')
    list.touch(newer)
    expect(remove).not.toHaveBeenCalled()
    list.touch(older)
    expect(remove).toHaveBeenCalledOnce()
    expect(inOrder(list)).toEqual(['newer', 'older'])
  })

  it('agrees with an array, whatever is added, used and removed, also from one list to another (property)', () => {
    const step = fc.record({ which: fc.nat(4), what: fc.constantFrom('add', 'touch', 'remove', 'other') })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const nodes = ['a', 'b', 'c', 'd', 'e'].map((name) => new Node(name))
        const [one, other] = [new RecencyList<Node>(), new RecencyList<Node>()]
        let [inOne, inOther]: [string[], string[]] = [[], []]
        for (const { which, what } of steps) {
          const node = nodes[which] as Node
          const { name } = node
          if (inOther.includes(name)) continue
          const present = inOne.includes(name)
          if (what === 'add' && !present) {
            one.add(node)
            inOne = [...inOne, name]
          } else if (what === 'touch' && present) {
            one.touch(node)
            inOne = [...inOne.filter((each) => each !== name), name]
          } else if (what !== 'add' && what !== 'touch' && present) {
            one.remove(node)
            inOne = inOne.filter((each) => each !== name)
            if (what === 'other') {
              other.add(node)
              inOther = [...inOther, name]
            }
          }
          expect([inOrder(one), one.size]).toEqual([inOne, inOne.length])
          expect([inOrder(other), other.size]).toEqual([inOther, inOther.length])
        }
      }),
    )
  })
})

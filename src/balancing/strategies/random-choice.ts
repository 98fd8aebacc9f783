import { type Random, randomIndex } from '../../time/random.ts'
import type { Member } from '../member.ts'
import type { Picker, PickRequest, Strategy } from '../strategy.ts'
import { AliasTable } from './alias-table.ts'
import { allowedFrom } from './allowed.ts'

/**
 * Anyone, each as likely as its weight says.
 *
 * When to use: many clients with few calls each, where any order would make them meet. Gotcha: the unevenness of chance
 * costs latency under load (at 90 % load the mean wait is several times that of `leastConnections`). O(1).
 *
 * @example
 * new LoadBalancer({ strategy: random() })
 */
export function random(): Strategy {
  return RANDOM
}

const RANDOM: Strategy = /* @__PURE__ */ Object.freeze({
  name: 'random',
  create: (context: { random: Random }) => new RandomPicker(context.random),
})

/** Redraws before an excluded draw is simply moved on to its neighbour, which favours that neighbour a little. */
const DRAWS = 4

class RandomPicker implements Picker {
  readonly #random: Random
  #members: readonly Member[] = []
  /** Only where weights differ. */
  #table: AliasTable | undefined

  constructor(source: Random) {
    this.#random = source
  }

  update(members: readonly Member[]): void {
    this.#members = members
    const even = members.every(({ weight }) => weight === members[0]?.weight)
    this.#table = even ? undefined : new AliasTable(members.map(({ weight }) => weight))
  }

  pick({ exclude }: PickRequest): Member | undefined {
    const members = this.#members
    if (members.length === 0) return undefined
    let at = this.#draw()
    if (exclude === undefined) return members[at]
    for (let i = 1; i < DRAWS && exclude.has((members[at] as Member).id); i += 1) at = this.#draw()
    return allowedFrom(members, at, exclude)
  }

  #draw(): number {
    return this.#table === undefined ? randomIndex(this.#random, this.#members.length) : this.#table.draw(this.#random)
  }
}

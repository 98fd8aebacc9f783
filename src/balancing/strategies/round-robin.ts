import { type Random, randomIndex } from '../../time/random.ts'
import type { Member } from '../member.ts'
import type { Picker, PickRequest, Strategy } from '../strategy.ts'
import { allowedFrom } from './allowed.ts'

/**
 * One after the other, weights ignored (but 0 drains).
 *
 * When to use: calls of equal cost to machines of equal speed. Gotcha: it is blind to load, so one slow instance keeps
 * getting its full share. O(1). It starts at a random member, as in Envoy and gRPC: clients that were deployed together
 * would otherwise march through the fleet in step.
 *
 * @example
 * new LoadBalancer({ strategy: roundRobin() })
 */
export function roundRobin(): Strategy {
  return ROUND_ROBIN
}

const ROUND_ROBIN: Strategy = /* @__PURE__ */ Object.freeze({
  name: 'round-robin',
  create: ({ random }: { random: Random }) => new RoundRobinPicker(random),
})

export class RoundRobinPicker implements Picker {
  readonly #random: Random
  #members: readonly Member[] = []
  #next = -1

  constructor(random: Random) {
    this.#random = random
  }

  update(members: readonly Member[]): void {
    const next = this.#members[this.#next]
    this.#members = members
    if (members.length === 0) return
    if (this.#next < 0) this.#next = randomIndex(this.#random, members.length)
    // Whoever was next stays next; if it left, its successor has moved up to its place.
    else if (next !== undefined && next.slot >= 0) this.#next = next.slot
    else this.#next %= members.length
  }

  pick(request: PickRequest): Member | undefined {
    const { exclude } = request
    const member = exclude === undefined ? this.#members[this.#next] : allowedFrom(this.#members, this.#next, exclude)
    if (member === undefined) return undefined
    const after = (exclude === undefined ? this.#next : member.slot) + 1
    this.#next = after < this.#members.length ? after : 0
    return member
  }
}

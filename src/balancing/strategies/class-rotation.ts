import { type Random, randomIndex } from '../../time/random.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'
import { WeightClass } from './weight-class.ts'

/**
 * Exact shares in O(1), whatever the weights: members are put into classes whose weights differ by less than two, nginx's
 * smooth rotation says which class is next, and inside a class everybody saves up his share of a turn as it comes round.
 *
 * Rejected: static stride over all of them, which takes max / mean tries per pick (one instance of weight 100 among a
 * thousand of 1 makes that ninety; within a class it is at most two), earliest deadline first, which walks a heap (100 ns
 * among a thousand, 630 among a hundred thousand), and an array with everybody as often as he weighs, which needs whole
 * numbers. Source of the stride: grpc-go, weightedroundrobin/scheduler.go.
 */
export class ClassRotation {
  readonly #random: Random
  #members: readonly Member[] = []
  #classes: WeightClass[] = []
  #total = 0
  /** What each member has saved of its next turn, from 0 up to 1. */
  readonly #saved = new MemberRows([Number.NaN])

  constructor(random: Random) {
    this.#random = random
  }

  /** @param weights By slot, above 0. */
  update(members: readonly Member[], weights: Float64Array): void {
    this.#saved.update(members)
    const saved = this.#saved.values
    const lightest = heaviestOf(weights) / 2 ** MOST_CLASSES
    const classes = new Map<number, number[]>()
    this.#members = members
    for (let slot = 0; slot < members.length; slot += 1) {
      // Spread, or a class would skip all its members in a row; and not the same in every client.
      if (Number.isNaN(saved[slot])) saved[slot] = this.#random()
      const exponent = Math.floor(Math.log2(Math.max(lightest, weights[slot] as number)))
      const slots = classes.get(exponent)
      if (slots === undefined) classes.set(exponent, [slot])
      else slots.push(slot)
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const former = new Map(this.#classes.map((each) => [each.exponent, each]))
    this.#classes = Array.from(classes, ([exponent, slots]) => {
      const before = former.get(exponent)
      // Credit is counted in weights: where all grew, it grows with them.
      const credit = before === undefined ? 0 : (before.credit * total) / this.#total
      const first = before?.next
      const start =
        first === undefined ? randomIndex(this.#random, slots.length) : Math.max(0, slots.indexOf(first.slot))
      return new WeightClass(exponent, slots, weights, saved, start, credit, members)
    })
    this.#total = total
  }

  /** There must be members. */
  next(): Member {
    const classes = this.#classes
    let best = classes[0] as WeightClass
    if (classes.length > 1) {
      best.credit += best.weight
      for (let i = 1; i < classes.length; i += 1) {
        const each = classes[i] as WeightClass
        each.credit += each.weight
        if (each.credit > best.credit) best = each
      }
      best.credit -= this.#total
    }
    return this.#members[best.take()] as Member
  }
}

/** Somebody who weighs a trillionth of another is as good as drained; more classes than this would only be scanned. */
const MOST_CLASSES = 40

function heaviestOf(weights: Float64Array): number {
  return weights.reduce((most, weight) => Math.max(most, weight), 0)
}

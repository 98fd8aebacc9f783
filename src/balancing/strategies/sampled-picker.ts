import { type Random, randomIndex } from '../../time/random.ts'
import type { Member } from '../member.ts'
import type { Picker, PickRequest } from '../strategy.ts'
import type { Load } from '../load.ts'
import { allowedFrom } from './allowed.ts'

/**
 * The least busy of a few random members. Weights count in the score and not in the draw: drawing by weight without
 * replacement gives a member of half weight 1.0 of a share among two and 0.6 among three (Finagle), not the half.
 */
export class SampledPicker implements Picker {
  readonly #choices: number
  readonly #load: Load
  readonly #random: Random
  #members: readonly Member[] = []

  constructor(choices: number, load: Load, random: Random) {
    this.#choices = choices
    this.#load = load
    this.#random = random
  }

  update(members: readonly Member[]): void {
    this.#members = members
  }

  pick({ exclude }: PickRequest): Member | undefined {
    const members = this.#members
    const count = members.length
    if (count === 0) return undefined
    let best = this.#draw(randomIndex(this.#random, count), exclude)
    if (best === undefined || count === 1) return best
    for (let i = 1; i < this.#choices; i += 1) {
      // One of the others: drawing the best so far again would waste a choice.
      let at = randomIndex(this.#random, count - 1)
      if (at >= best.slot) at += 1
      const rival = this.#draw(at, exclude)
      if (rival !== undefined && this.#load(rival) < this.#load(best)) best = rival
    }
    return best
  }

  #draw(at: number, exclude: ReadonlySet<string> | undefined): Member | undefined {
    return exclude === undefined ? this.#members[at] : allowedFrom(this.#members, at, exclude)
  }
}

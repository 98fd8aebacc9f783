import type { Random } from '../../time/random.ts'
import type { Member } from '../member.ts'
import type { PickRequest } from '../strategy.ts'
import { allowedFrom } from './allowed.ts'
import { ClassRotation } from './class-rotation.ts'
import { SmoothRotation } from './smooth-rotation.ts'

/** Here looking at everybody costs as much as the rotation of classes, and is smoother. */
const SMOOTH_UP_TO = 16

/** Turns before an excluded member's turn simply goes to its neighbour. */
const TURNS = 8

/** In turn, as often as a weight says, whoever says it. */
export class WeightedPicker {
  readonly #random: Random
  #members: readonly Member[] = []
  #smooth: SmoothRotation | undefined
  #classes: ClassRotation | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /** @param weights By slot, above 0; those of the members where left out. */
  update(members: readonly Member[], weights: Float64Array = Float64Array.from(members, ({ weight }) => weight)): void {
    this.#members = members
    // Credit does not translate from one to the other; a fleet that crosses the line starts its round again.
    if (members.length > SMOOTH_UP_TO) {
      this.#smooth = undefined
      this.#classes ??= new ClassRotation(this.#random)
      this.#classes.update(members, weights)
    } else {
      this.#classes = undefined
      this.#smooth ??= new SmoothRotation()
      this.#smooth.update(members, weights)
    }
  }

  pick({ exclude }: PickRequest): Member | undefined {
    if (this.#members.length === 0) return undefined
    if (this.#smooth !== undefined) return exclude === undefined ? this.#smooth.next() : this.#smooth.nextBut(exclude)
    const classes = this.#classes as ClassRotation
    let member = classes.next()
    if (exclude === undefined) return member
    for (let turn = 1; turn < TURNS && exclude.has(member.id); turn += 1) member = classes.next()
    return allowedFrom(this.#members, member.slot, exclude)
  }
}

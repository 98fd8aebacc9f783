import type { Random } from '../../time/random.ts'
import type { Member } from '../member.ts'
import type { Picker, PickRequest, Strategy } from '../strategy.ts'
import { DeadlineRotation } from './deadline-rotation.ts'
import { RoundRobinPicker } from './round-robin.ts'
import { SmoothRotation } from './smooth-rotation.ts'

/**
 * In turn, each as often as its weight says, and spread out: weights 5, 1, 1 give a a b a c a a.
 *
 * When to use: machines of known, different size and calls of equal cost. Gotcha: blind to load, like `roundRobin`.
 * Up to 32 members nginx's smooth rotation (O(n), the most even there is), above earliest deadline first (O(log n),
 * the same shares).
 *
 * @example
 * const balancer = new LoadBalancer({ strategy: weightedRoundRobin() })
 */
export function weightedRoundRobin(): Strategy {
  return WEIGHTED_ROUND_ROBIN
}

const WEIGHTED_ROUND_ROBIN: Strategy = /* @__PURE__ */ Object.freeze({
  name: 'weighted-round-robin',
  create: ({ random }: { random: Random }) => new WeightedPicker(random),
})

/** Here a scan of all costs about as much as a heap of them (50 ns), and is smoother. */
const SMOOTH_UP_TO = 32

class WeightedPicker implements Picker {
  readonly #random: Random
  #rotation: Picker = new SmoothRotation()

  constructor(random: Random) {
    this.#random = random
  }

  update(members: readonly Member[]): void {
    const Rotation = rotationFor(members)
    // Credit and deadlines do not translate; a fleet that crosses a line starts its round again.
    if (!(this.#rotation instanceof Rotation)) this.#rotation = new Rotation(this.#random)
    this.#rotation.update(members)
  }

  pick(request: PickRequest): Member | undefined {
    return this.#rotation.pick(request)
  }
}

function rotationFor(members: readonly Member[]): new (random: Random) => Picker {
  if (members.length <= SMOOTH_UP_TO) return SmoothRotation
  // The usual large fleet has no weights at all, and its turn needs no heap.
  const even = members.every(({ weight }) => weight === members[0]?.weight)
  return even ? RoundRobinPicker : DeadlineRotation
}

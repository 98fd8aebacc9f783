import type { Random } from '../../time/random.ts'
import type { Strategy } from '../strategy.ts'
import { WeightedPicker } from './weighted-picker.ts'

/**
 * In turn, each as often as its weight says, and spread out: weights 5, 1, 1 give a a b a c a a.
 *
 * When to use: machines of known, different size and calls of equal cost. Gotcha: blind to load, like `roundRobin`. Up to
 * 16 members nginx's smooth rotation, the most even there is; above that a rotation of classes of weights (O(1), the same
 * shares).
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

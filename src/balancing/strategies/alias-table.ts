import { type Random, randomIndex } from '../../time/random.ts'

/**
 * Draws an index with a given probability in O(1): every column of a table holds its own index and at most one other,
 * so a draw is a column and a coin. Source: A. J. Walker 1977; built by M. D. Vose's method, 1991, in O(n).
 */
export class AliasTable {
  /** The chance that a column answers with its own index. */
  readonly #own: Float64Array
  readonly #other: Int32Array

  /** @param weights Above 0. */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    this.#own = Float64Array.from(weights, (weight) => (weight / total) * weights.length)
    this.#other = new Int32Array(weights.length)
    const small: number[] = []
    const large: number[] = []
    for (const [i, share] of this.#own.entries()) (share < 1 ? small : large).push(i)
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop() as number
      const rich = large.at(-1) as number
      this.#other[poor] = rich
      this.#own[rich] = (this.#own[rich] as number) - (1 - (this.#own[poor] as number))
      if (this.#own[rich] < 1) small.push(large.pop() as number)
    }
    // What is left in either is 1 but for rounding.
    for (const i of [...small, ...large]) this.#own[i] = 1
  }

  draw(random: Random): number {
    const column = randomIndex(random, this.#own.length)
    return random() < (this.#own[column] as number) ? column : (this.#other[column] as number)
  }
}

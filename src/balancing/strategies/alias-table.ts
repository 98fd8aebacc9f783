import type { Random } from '../../time/random.ts'

/**
 * Draws an index with a given probability in O(1): every column of a table holds its own index and at most one other,
 * so a draw is a column and a coin. Source: A. J. Walker 1977; built by M. D. Vose's method, 1991, in O(n).
 */
export class AliasTable {
  readonly #size: number
  /** Of each column the chance that it answers with its own index, and the other: side by side, for one cache miss. */
  readonly #columns: Float64Array

  /** @param weights Above 0. */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const own = weights.map((weight) => (weight / total) * weights.length)
    this.#size = weights.length
    this.#columns = new Float64Array(2 * weights.length)
    const small: number[] = []
    const large: number[] = []
    for (const [i, share] of own.entries()) (share < 1 ? small : large).push(i)
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop() as number
      const rich = large.at(-1) as number
      this.#columns[2 * poor + 1] = rich
      own[rich] = (own[rich] as number) - (1 - (own[poor] as number))
      if (own[rich] < 1) small.push(large.pop() as number)
    }
    // What is left in either is 1 but for rounding.
    for (const i of [...small, ...large]) own[i] = 1
    for (const [i, chance] of own.entries()) this.#columns[2 * i] = chance
  }

  draw(random: Random): number {
    // One number for both: its whole part is the column, and what is left of it is as even as a second one would be.
    const drawn = random() * this.#size
    const column = Math.min(this.#size - 1, Math.floor(drawn))
    const chance = this.#columns[2 * column] as number
    return drawn - column < chance ? column : (this.#columns[2 * column + 1] as number)
  }
}

import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'

/**
 * Nginx's smooth weighted round robin: at each pick everybody gains his weight, the richest is picked and pays the sum
 * of all. Weights 5, 1, 1 give a a b a c a a, not five a's in a row. Nothing spreads more evenly, but each pick looks at
 * everybody: for small sets only. Source: nginx, ngx_http_upstream_round_robin.c.
 */
export class SmoothRotation {
  #members: readonly Member[] = []
  #weights: Float64Array = new Float64Array(0)
  readonly #credit = new MemberRows([0])

  /** @param weights By slot, above 0. */
  update(members: readonly Member[], weights: Float64Array): void {
    this.#members = members
    this.#weights = weights
    this.#credit.update(members)
  }

  /** There must be members. */
  next(): Member {
    const weights = this.#weights
    const credit = this.#credit.values
    let total = 0
    let best = 0
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < weights.length; i += 1) {
      const weight = weights[i] as number
      const sum = (credit[i] as number) + weight
      credit[i] = sum
      total += weight
      if (sum > most) {
        most = sum
        best = i
      }
    }
    credit[best] = most - total
    return this.#members[best] as Member
  }

  /** The same without those already tried; undefined when nobody is left. */
  nextBut(exclude: ReadonlySet<string>): Member | undefined {
    const credit = this.#credit.values
    let total = 0
    let best = -1
    for (const [i, { id }] of this.#members.entries()) {
      // Who may not be picked does not gain either: he would be owed a burst afterwards.
      if (exclude.has(id)) continue
      const weight = this.#weights[i] as number
      total += weight
      const sum = (credit[i] as number) + weight
      credit[i] = sum
      if (best < 0 || sum > (credit[best] as number)) best = i
    }
    if (best < 0) return undefined
    credit[best] = (credit[best] as number) - total
    return this.#members[best]
  }
}

import type { Member } from '../member.ts'
import type { Picker, PickRequest } from '../strategy.ts'

/**
 * Nginx's smooth weighted round robin: at each pick everybody gains his weight, the richest is picked and pays the sum
 * of all. Weights 5, 1, 1 give a a b a c a a, not five a's in a row. Nothing spreads more evenly, but each pick looks at
 * everybody: for small sets only. Source: nginx, ngx_http_upstream_round_robin.c.
 */
export class SmoothRotation implements Picker {
  #members: readonly Member[] = []
  #credit: number[] = []

  update(members: readonly Member[]): void {
    const credit = new Map(this.#members.map((member, i) => [member, this.#credit[i] as number]))
    this.#members = members
    this.#credit = members.map((member) => credit.get(member) ?? 0)
  }

  pick({ exclude }: PickRequest): Member | undefined {
    const members = this.#members
    const credit = this.#credit
    let total = 0
    let best = -1
    for (let i = 0; i < members.length; i += 1) {
      const member = members[i] as Member
      // Who may not be picked does not gain either: he would be owed a burst afterwards.
      if (exclude?.has(member.id)) continue
      total += member.weight
      const sum = (credit[i] as number) + member.weight
      credit[i] = sum
      if (best < 0 || sum > (credit[best] as number)) best = i
    }
    if (best < 0) return undefined
    credit[best] = (credit[best] as number) - total
    return members[best]
  }
}

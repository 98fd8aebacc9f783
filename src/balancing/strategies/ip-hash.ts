import type { Member } from '../member.ts'
import type { Picker, PickRequest, Strategy, StrategyContext } from '../strategy.ts'
import { fnv1a, mix32 } from '../hash.ts'
import { allowedFrom } from './allowed.ts'
import { RendezvousTable } from './rendezvous-table.ts'
import { RoundRobinPicker } from './round-robin.ts'

/**
 * The same key to the same instance, in every client, for as long as the instance is there.
 *
 * When to use: instances that cache or keep sessions by caller (the key is what you make it: a client's IP address, a
 * user id). When an instance goes, only its keys move; when one comes, only those it takes. Weights are honoured.
 * Gotchas: a key that makes half of the calls makes half of the load; a call without a key goes round robin; a probe of
 * an ejected instance, due once in a while, takes a call away from its place.
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998) of 65,536 buckets: a pick hashes the key to a bucket, and a
 * bucket's instance is worked out when first asked for, so a pick is O(1) but for the first of each bucket after a
 * change of membership. Instances are told apart by id: let ids survive a restart.
 *
 * @example
 * const balancer = new LoadBalancer({ strategy: ipHash() })
 * balancer.acquire({ key: request.socket.remoteAddress })
 */
export function ipHash(): Strategy {
  return IP_HASH
}

const IP_HASH: Strategy = /* @__PURE__ */ Object.freeze({
  name: 'ip-hash',
  create: (context: StrategyContext) => new IpHashPicker(context),
})

/** Places a key falls back to, one after the other, while those before are excluded. */
const PLACES = 8

class IpHashPicker implements Picker {
  readonly #keyless: RoundRobinPicker
  readonly #table = new RendezvousTable()
  #members: readonly Member[] = []

  constructor({ random }: StrategyContext) {
    this.#keyless = new RoundRobinPicker(random)
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#table.update(members)
    this.#keyless.update(members)
  }

  pick(request: PickRequest): Member | undefined {
    const { key, exclude } = request
    if (key === undefined) return this.#keyless.pick(request)
    if (this.#members.length === 0) return undefined
    const hash = mix32(fnv1a(key))
    let member = this.#table.owner(hash)
    if (exclude === undefined) return member
    // Hashing again, rather than taking the neighbour, spreads an instance's keys over all the others.
    for (let place = 1; place < PLACES && exclude.has(member.id); place += 1) {
      member = this.#table.owner(mix32(hash + place))
    }
    return allowedFrom(this.#members, member.slot, exclude)
  }
}

import type { Strategy, StrategyContext } from '../strategy.ts'
import { hashPicker } from './hash-picker.ts'
import { RendezvousTable } from './rendezvous-table.ts'

/**
 * The same key to the same instance, in every client, for as long as the instance is there: `rendezvous` without options.
 *
 * When to use: instances that cache or keep sessions by caller (the key is what you make it: a client's IP address, a
 * user id). When an instance goes, only its keys move; when one comes, only those it takes. Weights are honoured.
 * Gotchas: those of `rendezvous`.
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
  create: (context: StrategyContext) => hashPicker(new RendezvousTable(), undefined, context),
})

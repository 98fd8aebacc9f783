import { CallScope } from '../core/context.ts'
import { TimeoutError } from '../core/errors.ts'
import { race } from '../core/race.ts'
import type { Clock } from '../time/clock.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import type { DiscoveryProvider, ListAnswer } from './provider.ts'

/** One question to a provider. It belongs to the client, not to the caller who was first to need it. */
export interface Load {
  /** Rejects when the provider fails, when time is up, or when the load was aborted; also if the provider hangs. */
  readonly answer: Promise<ListAnswer>
  abort(reason: unknown): void
}

export function startLoad(provider: DiscoveryProvider, service: string, timeoutMs: number, clock: Clock): Load {
  const scope = new CallScope(undefined, clock)
  // Not the shared queue, which keeps its timer for a while: loads are rare, and a closed client should hold nothing.
  const limit = new SingleDeadline(timeoutMs, clock, {
    expire: () => scope.abort(new TimeoutError(timeoutMs, 'attempt')),
  })
  const answer = race(scope, ({ signal }) => provider.list(service, { signal })).finally(() => {
    limit.cancel()
    scope.dispose()
  })
  return { answer, abort: (reason) => scope.abort(reason) }
}

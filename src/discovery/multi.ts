import { OptionReader, show } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, systemRandom } from '../time/random.ts'
import { Failover, FailoverError, type FailoverOrder } from './failover.ts'
import { mergedProvider } from './merged.ts'
import type { DiscoveryProvider, ListAnswer, ListContext } from './provider.ts'

/** Options of {@link multi}. */
export interface MultiOptions {
  /**
   * `merge`: all of them are asked, and the list is what they know together. `fallback`: the first one that knows the
   * service answers alone. @default 'merge'
   */
  readonly mode?: 'merge' | 'fallback'
  /** Limit of each one's answer, in milliseconds, from 1; below the client's `loadTimeoutMs`. @default 2_000 */
  readonly timeoutMs?: number
  /** Of `merge`: how long the last word of one that fails is used, in milliseconds, from 0. @default 3_600_000 */
  readonly maxStaleMs?: number
  /** Of `fallback`: who is asked first, see {@link FailoverOrder}. @default 'given' */
  readonly order?: FailoverOrder
  /** Of `fallback`: how long one that failed is asked last, in milliseconds, from 0. @default 30_000 */
  readonly restMs?: number
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

/**
 * Several providers as one.
 *
 * When to use: `merge` while a registry is replaced by another, or where services are spread over several; `fallback`
 * for a second source that is only asked where the first cannot answer or does not know, and for copies of one
 * registry (`order: 'sticky'`).
 *
 * Gotchas: in a merge an id or an address that several name is taken from the first of them, one that fails is
 * represented by its last answer, and one that comes back empty is doubted like a registry alone would be. A fallback
 * that answers replaces the list of the first: what is older but better, the client alone would have served. Both close
 * the providers with them.
 *
 * @example
 * const provider = multi([httpRegistry({ url }), staticList({ orders: [{ host: '10.0.0.1', port: 80 }] })], { mode: 'fallback' })
 *
 * @throws {TypeError | RangeError} without providers, and for options that make no sense.
 */
export function multi(providers: readonly DiscoveryProvider[], options?: MultiOptions): DiscoveryProvider {
  if (!Array.isArray(providers) || providers.length === 0) {
    throw new TypeError(`multi: providers must be an array of at least one, got ${show(providers)}`)
  }
  for (const provider of providers as readonly (DiscoveryProvider | null | undefined)[]) {
    if (typeof provider?.list !== 'function') throw new TypeError('multi: each provider must be an object with list()')
  }
  const read = new OptionReader('multi', options)
  const mode = read.oneOf<'merge' | 'fallback'>('mode', ['merge', 'fallback'], 'merge')
  const timeoutMs = read.duration('timeoutMs', 2_000, 1)
  const maxStaleMs = read.duration('maxStaleMs', 3_600_000)
  const order = read.oneOf<FailoverOrder>('order', ['sticky', 'given'], 'given')
  const restMs = read.duration('restMs', 30_000)
  const clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
  const random = read.function('random', systemRandom)
  read.end()
  const members = [...providers]
  const close = (): Promise<void> => closeAll(members)
  const name = `${mode} of ${members.map((provider) => provider.name).join(', ')}`
  if (mode === 'merge') return mergedProvider(members, { name, timeoutMs, maxStaleMs, clock, close })
  const failover = new Failover(members, { order, timeoutMs, restMs, clock, random })
  return Object.freeze({
    name,
    close,
    list: (serviceName: string, { signal }: ListContext) => firstToKnow(failover, serviceName, signal),
  })
}

/** No such service here is no reason to stop asking: the next one may know it. */
async function firstToKnow(
  failover: Failover<DiscoveryProvider>,
  serviceName: string,
  signal: AbortSignal,
): Promise<ListAnswer> {
  const errors: unknown[] = []
  for (const provider of failover.order()) {
    try {
      const answer = await failover.ask(provider, (each, limit) => each.list(serviceName, { signal: limit }), signal)
      if (answer.kind !== 'not-found') return answer
    } catch (error) {
      signal.throwIfAborted()
      errors.push(error)
    }
  }
  // One who could not be asked might have known it.
  if (errors.length > 0) throw new FailoverError(errors)
  return { kind: 'not-found' }
}

async function closeAll(providers: readonly DiscoveryProvider[]): Promise<void> {
  const closed = await Promise.allSettled(providers.map(async (provider) => provider.close?.()))
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}

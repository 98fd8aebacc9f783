import type { ServiceInstance } from '../core/instance.ts'

/**
 * The contract between the {@link DiscoveryClient} and whatever knows where instances run. A provider answers one
 * question once; caching, retries, time limits and the survival of its own outages are the client's business, so that
 * every provider gains all of them.
 */

/**
 * What a provider may answer. Known and empty (`ok` with no instances), never known (`not-found`) and "I cannot tell
 * right now" (a rejection) are three different things: an error must never be answered as an empty list, or one outage
 * of the registry takes every instance away.
 */
export type ListAnswer =
  | {
      readonly kind: 'ok'
      /** Each id once. */
      readonly instances: readonly ServiceInstance[]
      /** How long the list is good for, in milliseconds; clamped to 1 s … 24 h. @default the client's `ttlMs` */
      readonly ttlMs?: number | undefined
      /** Entries left out because they made no sense. @default 0 */
      readonly dropped?: number | undefined
      /**
       * The source is still gathering (a registry that came back empty): what it lists is there, but what it leaves out
       * is not gone. Instances known before stay. @default false
       */
      readonly partial?: boolean | undefined
      /**
       * This is all there is, beyond doubt: the source says so in so many words (the target `.` of an SRV record), or was
       * doubted long enough. The guards against lists that came back empty or much shorter let it pass. @default false
       */
      readonly authoritative?: boolean | undefined
      /**
       * Where in the source's history this list stands (a revision, an index): a lower one than what is believed is old
       * news and is left out. Without one, what was pushed last is believed. @default undefined
       */
      readonly version?: number | bigint | undefined
      /** Versions are only compared within one epoch (one boot, one cluster). @default undefined */
      readonly epoch?: string | undefined
    }
  | {
      readonly kind: 'not-found'
      /** As above. @default false */
      readonly authoritative?: boolean | undefined
    }

export interface ListContext {
  /** Aborted when the client gives up on this load (its time limit, or `close()`): never by one caller alone. */
  readonly signal: AbortSignal
}

/** What a provider's `watch` is handed. */
export interface WatchContext {
  /** Aborted when nobody watches any more, when nothing was heard for too long, and by `close()`. */
  readonly signal: AbortSignal
  /** The whole list as it is now: first thing, and at each change. */
  push(answer: ListAnswer): void
  /** A sign of life where there is no news (a bookmark, a progress notice, an unchanged long poll). */
  alive(): void
}

/**
 * Where instances come from.
 *
 * When to use: to connect a registry that has no backend here yet. An error that knows when to come back says so as
 * `retryAfterMs` of a `GatelessError`.
 *
 * @example
 * const provider: DiscoveryProvider = {
 *   name: 'my-registry',
 *   list: async (serviceName) => ({ kind: 'ok', instances: await lookUp(serviceName) }),
 * }
 */
export interface DiscoveryProvider {
  /** Stands in errors. */
  readonly name: string
  /** The instances of one service now. */
  list(serviceName: string, context: ListContext): Promise<ListAnswer>
  /**
   * Optional: follows one service until `signal` aborts. Resolves when the source ended it in good order (it is begun
   * again), rejects when it broke (it is begun again after the backoff, and `list` is asked meanwhile). Whoever watches
   * for longer than `watchIdleMs` without a word is taken for dead.
   */
  watch?(serviceName: string, context: WatchContext): Promise<void>
  /** Gives back what the provider holds (sockets). Called by the client's `close()`. */
  close?(): void | Promise<void>
}

import { parseHost, parsePort } from '../core/host.ts'
import { instanceOrigin, type ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import { isText } from '../core/parse-instance.ts'
import type { BackoffInput } from '../time/backoff.ts'
import { DiscoveryError, ServiceNotFoundError } from './errors.ts'
import { type MergedInstances, mergeInstances } from './merge-instances.ts'
import type { DiscoverySettings } from './options.ts'
import type { ListAnswer } from './provider.ts'

/**
 * What is believed about one service, and until when. Pure: `now` is passed in, nothing here waits or loads.
 *
 * A record answers two questions: is a load due (`need`), and what is a caller told (`read`). A failure moves neither
 * what is believed nor its age; it only says when to ask again.
 */

type Belief =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'listed'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'absent' }

/** `load`: the caller has to wait for one. `refresh`: one is due, but there is something to serve meanwhile. */
export type Need = 'none' | 'refresh' | 'load'

/** What an answer changed. */
export interface Accepted {
  readonly recovered: boolean
  /** Set when the answer was empty and is not believed yet. */
  readonly held?: DiscoveryError
  /** Set when another list is believed now. */
  readonly change?: MergedInstances & { readonly dropped: number }
}

/** A provider's word on time is taken within these bounds: 0 would mean a load per call, a month no discovery at all. */
const MIN_TTL_MS = 1_000
const MAX_TTL_MS = 86_400_000
/** A registry cannot silence a client for longer. */
const MAX_RETRY_MS = 300_000

export class ServiceRecord {
  readonly service: string
  /** The load in flight, shared by whoever waits for it; it never rejects. Owned by the client. */
  load: Promise<void> | undefined
  readonly #rules: DiscoverySettings
  #belief: Belief = { kind: 'nothing' }
  /** Timestamps are null when unset: 0 is a time like any other. */
  readonly #times: Record<
    'confirmedAt' | 'refreshAt' | 'freshUntil' | 'retryAt' | 'heldSince' | 'partialSince' | 'askedAt',
    number | null
  > = {
    confirmedAt: null,
    refreshAt: null,
    freshUntil: null,
    retryAt: null,
    heldSince: null,
    partialSince: null,
    askedAt: null,
  }
  #latest = Number.NEGATIVE_INFINITY
  #failures = 0
  #lastDelayMs: number | undefined
  #lastError: unknown
  /** Somebody invalidated while a load was in flight: what it brings was asked for before that. */
  #overtaken = false

  constructor(service: string, rules: DiscoverySettings) {
    this.service = service
    this.#rules = rules
  }

  /** The list believed in, however old. */
  get listed(): readonly ServiceInstance[] | undefined {
    return this.#belief.kind === 'listed' ? this.#belief.instances : undefined
  }

  /** What a watcher is told: a service that went away has no instances; one never heard of is no news yet. */
  get watched(): readonly ServiceInstance[] | undefined {
    return this.#belief.kind === 'absent' ? EMPTY : this.listed
  }

  /** The list while it may still be served. */
  peek(now: number): readonly ServiceInstance[] | undefined {
    this.#rebase(now)
    return this.#servable(now) && !this.#idledPast(now) ? this.listed : undefined
  }

  /** Past its time although the provider is not failing: nobody asked for a while, and the addresses may be others' now. */
  #idledPast(now: number): boolean {
    const { freshUntil, askedAt } = this.#times
    if (freshUntil === null || now < freshUntil || this.#failures > 0) return false
    // A refresh that began in time is still under way: nobody has to wait for it.
    return this.load === undefined || askedAt === null || askedAt >= freshUntil
  }

  /** How long ago the provider last said what is believed. */
  ageMs(now: number): number | undefined {
    this.#rebase(now)
    return this.#times.confirmedAt === null ? undefined : now - this.#times.confirmedAt
  }

  need(now: number): Need {
    this.#rebase(now)
    const { retryAt, freshUntil, refreshAt } = this.#times
    if (retryAt !== null && now < retryAt) return 'none'
    if (freshUntil === null) return 'load'
    if (now >= freshUntil) {
      // While the provider is failing nobody is made to wait for its next failure: there is a list.
      return this.#failures > 0 && this.listed !== undefined && this.#servable(now) ? 'refresh' : 'load'
    }
    // After a failure the next try is due when the backoff says so, also while the list is still good.
    return this.#failures > 0 || (refreshAt !== null && now >= refreshAt) ? 'refresh' : 'none'
  }

  /** The same for somebody who wants news: only what was asked for a moment ago is new enough. */
  needNews(now: number): Need {
    if (this.load !== undefined) return 'load'
    const need = this.need(now)
    const { retryAt, askedAt } = this.#times
    if (retryAt !== null && now < retryAt) return 'none'
    return askedAt !== null && now - askedAt < this.#rules.minRefreshIntervalMs ? need : 'load'
  }

  /** When the next load is due without anybody asking. */
  dueAt(now: number): number {
    this.#rebase(now)
    return this.#times.retryAt ?? this.#times.freshUntil ?? now
  }

  isExpired(now: number): boolean {
    this.#rebase(now)
    return this.#times.freshUntil === null || now >= this.#times.freshUntil
  }

  /** What a caller gets now. @throws {ServiceNotFoundError | DiscoveryError} */
  read(now: number): readonly ServiceInstance[] {
    this.#rebase(now)
    const { retryAt, freshUntil } = this.#times
    if (this.#belief.kind === 'absent' && (this.#failures === 0 || !this.isExpired(now))) {
      throw new ServiceNotFoundError(this.service, freshUntil === null ? undefined : Math.max(0, freshUntil - now))
    }
    if (this.#belief.kind === 'listed' && (this.#failures === 0 || this.#servable(now))) return this.#belief.instances
    throw new DiscoveryError(this.service, this.#lastError, retryAt === null ? undefined : Math.max(0, retryAt - now))
  }

  asking(now: number): void {
    this.#rebase(now)
    this.#times.askedAt = now
    this.#overtaken = false
  }

  /** Makes what is known due for a load, at most once per `minRefreshIntervalMs`. It is served until then. */
  invalidate(now: number): void {
    this.#rebase(now)
    if (this.load !== undefined) this.#overtaken = true
    const { freshUntil, askedAt } = this.#times
    if (freshUntil === null) return
    const earliest = askedAt === null ? now : Math.max(now, askedAt + this.#rules.minRefreshIntervalMs)
    this.#freshUntil(Math.min(freshUntil, earliest), earliest)
  }

  /** The provider answered. @throws {TypeError} when it did not keep its contract, with nothing changed. */
  accept(answer: ListAnswer, now: number): Accepted {
    const current = this.listed
    const { instances, unusable } = usable(instancesOf(answer))
    this.#rebase(now)
    const incoming = this.#withMissing(instances, answer, current ?? EMPTY, now)
    const wasTroubled = this.#failures > 0 || this.#times.heldSince !== null
    this.#failures = 0
    this.#lastDelayMs = undefined
    this.#times.retryAt = null

    if (incoming.length === 0 && current !== undefined && current.length > 0 && this.#rules.emptyHoldMs > 0) {
      this.#times.heldSince ??= now
      const believedAt = this.#times.heldSince + this.#rules.emptyHoldMs
      if (now < believedAt) {
        // Not believed, but asked about again soon: the next answer may well have instances.
        const askAt = Math.min(believedAt, now + Math.max(this.#rules.negativeTtlMs, this.#rules.minRefreshIntervalMs))
        this.#freshUntil(askAt, askAt)
        const said = answer.kind === 'ok' ? 'an empty list' : 'that there is no such service'
        const cause = new Error(`the provider answered ${said}; the last list is held until it says so again`)
        return { recovered: false, held: new DiscoveryError(this.service, cause, believedAt - now) }
      }
    }
    this.#times.heldSince = null
    this.#times.confirmedAt = now
    this.#schedule(answer, now)
    const hadBelief = this.#belief.kind === 'listed'
    const merged = mergeInstances(current ?? EMPTY, incoming)
    this.#belief = answer.kind === 'ok' ? { kind: 'listed', instances: merged.instances } : { kind: 'absent' }
    // From nothing to an empty list is news (there is such a service); from nothing to "no such service" is an error.
    const changed = merged.changed || (!hadBelief && answer.kind === 'ok')
    const dropped = unusable + (answer.kind === 'ok' ? (answer.dropped ?? 0) : 0)
    return { recovered: wasTroubled, ...(changed ? { change: { ...merged, dropped } } : {}) }
  }

  /** What a partial answer leaves out stays for a while, unless somebody else has its address now. */
  #withMissing(
    listed: readonly ServiceInstance[],
    answer: ListAnswer,
    known: readonly ServiceInstance[],
    now: number,
  ): readonly ServiceInstance[] {
    if (answer.kind !== 'ok' || answer.partial !== true) {
      this.#times.partialSince = null
      return listed
    }
    this.#times.partialSince ??= now
    // A source that never becomes whole would otherwise fill this list with everything it ever named.
    if (now - this.#times.partialSince > this.#rules.emptyHoldMs) return listed
    const taken = new Set(listed.flatMap((instance) => [instance.id, instanceOrigin(instance)]))
    return [...listed, ...known.filter((instance) => !taken.has(instance.id) && !taken.has(instanceOrigin(instance)))]
  }

  /** What the backoff is to be asked with at the next failure. */
  get backoffInput(): BackoffInput {
    return { attempt: this.#failures + 1, previousDelayMs: this.#lastDelayMs, random: this.#rules.random }
  }

  /** The provider failed. Returns how long it is left alone: what it asked for itself, but at least `delayMs`. */
  fail(error: unknown, delayMs: number, retryAfterMs: number | undefined, now: number): number {
    this.#rebase(now)
    this.#failures += 1
    this.#lastError = error
    this.#lastDelayMs = delayMs
    const asked = retryAfterMs !== undefined && retryAfterMs >= 0 ? Math.min(retryAfterMs, MAX_RETRY_MS) : 0
    const wait = Math.max(delayMs, asked)
    this.#times.retryAt = now + wait
    return wait
  }

  #servable(now: number): boolean {
    const { freshUntil } = this.#times
    return freshUntil !== null && now <= freshUntil + this.#rules.maxStaleMs
  }

  #schedule(answer: ListAnswer, now: number): void {
    const { ttlMs, ttlJitter, refreshAheadRatio, negativeTtlMs, minRefreshIntervalMs, random } = this.#rules
    if (this.#overtaken) {
      this.#freshUntil(now + minRefreshIntervalMs, now + minRefreshIntervalMs)
    } else if (answer.kind === 'not-found') {
      this.#freshUntil(now + negativeTtlMs, now + negativeTtlMs)
    } else {
      const ttl = clampTtl(answer.ttlMs) ?? ttlMs
      const spread = ttl * (1 + ttlJitter * (2 * random() - 1))
      this.#freshUntil(now + spread, now + spread * refreshAheadRatio)
    }
    this.#overtaken = false
  }

  #freshUntil(until: number, refreshAt: number): void {
    this.#times.freshUntil = until
    this.#times.refreshAt = refreshAt
  }

  /** A clock that went backwards takes every timestamp along, so that no wait grows by the jump. */
  #rebase(now: number): void {
    const jump = now - this.#latest
    if (jump < 0) {
      const times = this.#times
      for (const name of Object.keys(times) as (keyof typeof times)[]) {
        const time = times[name]
        if (time !== null) times[name] = time + jump
      }
    }
    this.#latest = now
  }
}

const EMPTY: readonly ServiceInstance[] = /* @__PURE__ */ Object.freeze([])

/** Providers are written by users too, and not all of them in TypeScript. */
function instancesOf(answer: ListAnswer): readonly ServiceInstance[] {
  const kind: unknown = (answer as ListAnswer | undefined)?.kind
  if (answer?.kind === 'ok' && Array.isArray(answer.instances)) return answer.instances
  if (kind === 'not-found') return EMPTY
  throw new TypeError(
    `a provider must answer { kind: 'ok', instances: [...] } or { kind: 'not-found' }, got kind ${show(kind)}`,
  )
}

/** Providers are written by users too: an entry whose address breaks the grammar must not reach a URL. */
function usable(listed: readonly ServiceInstance[]): { instances: readonly ServiceInstance[]; unusable: number } {
  if (listed.every(isUsable)) return { instances: listed, unusable: 0 }
  const instances = listed.filter(isUsable)
  return { instances, unusable: listed.length - instances.length }
}

function isUsable(entry: Partial<ServiceInstance> | null | undefined): boolean {
  return parseHost(entry?.host) !== undefined && parsePort(entry?.port) !== undefined && isText(entry?.id)
}

function clampTtl(ttlMs: unknown): number | undefined {
  if (typeof ttlMs !== 'number' || Number.isNaN(ttlMs)) return undefined
  return Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS)
}

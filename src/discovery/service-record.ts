import type { ServiceInstance } from '../core/instance.ts'
import type { BackoffInput } from '../time/backoff.ts'
import { AnswerGuard } from './answer-guard.ts'
import { checkAnswer, clampTtl, EMPTY } from './check-answer.ts'
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

/** Who said it: asked for, or pushed by a watch. */
export type AnswerOrigin = 'list' | 'watch'

/** What an answer changed. */
export interface Accepted {
  readonly recovered: boolean
  /** Set when the answer is not believed yet. */
  readonly held?: DiscoveryError
  /** The list believed in now is what the provider says. */
  readonly confirmed?: boolean
  /** Old news: nothing was changed by it. */
  readonly ignored?: boolean
  /** Set when another list is believed now. */
  readonly change?: MergedInstances & { readonly dropped: number }
}

/** A registry cannot silence a client for longer. */
const MAX_RETRY_MS = 300_000

export class ServiceRecord {
  readonly service: string
  /** What whoever needs the load in flight waits for; it never rejects. Owned by the client. */
  load: Promise<void> | undefined
  /** A watch is delivering: there is no need to ask, but for a resync now and then. Owned by the client. */
  isLive = false
  readonly #rules: DiscoverySettings
  readonly #guard: AnswerGuard
  #belief: Belief = { kind: 'nothing' }
  /** The list as `discover` answers it, made once per list. */
  #promised: Promise<readonly ServiceInstance[]> | undefined
  /** Timestamps are null when unset: 0 is a time like any other. */
  readonly #times: Record<'confirmedAt' | 'refreshAt' | 'freshUntil' | 'retryAt' | 'askedAt', number | null> = {
    confirmedAt: null,
    refreshAt: null,
    freshUntil: null,
    retryAt: null,
    askedAt: null,
  }
  /** Until then nothing is due and the list is good: what the hot path looks at. */
  #quietUntil = Number.NEGATIVE_INFINITY
  #latest = Number.NEGATIVE_INFINITY
  #failures = 0
  #lastDelayMs: number | undefined
  #lastError: unknown
  /** Somebody invalidated while a load was in flight: what it brings was asked for before that. */
  #overtaken = false
  #pushes = 0
  /** How many pushes there had been when the load in flight began. */
  #pushesWhenAsked = 0

  constructor(service: string, rules: DiscoverySettings) {
    this.service = service
    this.#rules = rules
    this.#guard = new AnswerGuard(rules)
  }

  /** The list believed in, however old. */
  get listed(): readonly ServiceInstance[] | undefined {
    return this.#belief.kind === 'listed' ? this.#belief.instances : undefined
  }

  /** Nobody has said anything about this service yet. */
  get isBlank(): boolean {
    return this.#belief.kind === 'nothing'
  }

  /** What a watcher is told: a service that went away has no instances; one never heard of is no news yet. */
  get watched(): readonly ServiceInstance[] | undefined {
    return this.#belief.kind === 'absent' ? EMPTY : this.listed
  }

  /** The list where all is well and nothing is due: the hot path, which has to ask nothing else then. */
  glance(now: number): readonly ServiceInstance[] | undefined {
    if (now >= this.#quietUntil || now < this.#latest) return undefined
    this.#latest = now
    return this.listed
  }

  /** The list believed in, as a promise. */
  get promised(): Promise<readonly ServiceInstance[]> {
    this.#promised ??= Promise.resolve(this.listed ?? EMPTY)
    return this.#promised
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
    const { retryAt, refreshAt } = this.#times
    // Ahead of its time: whoever calls meanwhile is then served, and waits for nothing.
    return retryAt ?? refreshAt ?? now
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
    this.#pushesWhenAsked = this.#pushes
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

  /** Serves a list from elsewhere (a snapshot, a bootstrap list) while the provider has said nothing. */
  fallBackTo(instances: readonly ServiceInstance[], ageMs: number, now: number): Accepted {
    this.#rebase(now)
    this.#believe({ kind: 'listed', instances })
    this.#times.confirmedAt = now - ageMs
    this.#freshUntil(now, now)
    const change = { added: instances, removed: [], updated: [], instances, changed: true, dropped: 0 }
    return { recovered: false, change }
  }

  /** The provider answered. @throws {TypeError} when it did not keep its contract, with nothing changed. */
  accept(answer: ListAnswer, now: number, origin: AnswerOrigin = 'list'): Accepted {
    const { instances, dropped } = checkAnswer(answer)
    this.#rebase(now)
    const wasFailing = this.#failures > 0
    const wasHolding = this.#guard.holding
    this.#failures = 0
    this.#lastDelayMs = undefined
    this.#times.retryAt = null
    if (origin === 'watch') this.#pushes += 1
    else if (this.#wasOvertakenByPush(answer)) {
      // The watch spoke while this was on its way, and nobody can tell which is newer: the watch goes on, this is over.
      this.#freshUntil(this.#times.freshUntil ?? now, this.#times.refreshAt ?? now)
      return { recovered: wasFailing && !wasHolding, ignored: true }
    }
    const judgement = this.#guard.judge(answer, instances, this.listed ?? EMPTY, now)
    if (judgement.kind !== 'believe') this.#askSoon(judgement.believedAt, now)
    if (judgement.kind === 'ignore') return { recovered: wasFailing && !wasHolding, ignored: true }
    if (judgement.kind === 'hold') {
      const cause = new Error(`the provider answered ${judgement.said}; the last list is held until it says so again`)
      const held = new DiscoveryError(this.service, cause, judgement.believedAt - now)
      const merged = mergeInstances(this.listed ?? EMPTY, judgement.instances)
      if (!merged.changed) return { recovered: false, held }
      this.#believe({ kind: 'listed', instances: merged.instances })
      return { recovered: false, held, change: { ...merged, dropped } }
    }
    this.#times.confirmedAt = now
    this.#schedule(answer, now)
    const hadBelief = this.#belief.kind === 'listed'
    const merged = mergeInstances(this.listed ?? EMPTY, judgement.instances)
    this.#believe(answer.kind === 'ok' ? { kind: 'listed', instances: merged.instances } : { kind: 'absent' })
    // From nothing to an empty list is news (there is such a service); from nothing to "no such service" is an error.
    const changed = merged.changed || (!hadBelief && answer.kind === 'ok')
    const recovered = wasFailing || wasHolding
    return { recovered, confirmed: true, ...(changed ? { change: { ...merged, dropped } } : {}) }
  }

  /** The watch ended: what it said stands for a TTL at most, and is to be asked about now if it `broke`. */
  watchEnded(broke: boolean, now: number): void {
    this.#rebase(now)
    if (!this.isLive) return
    this.isLive = false
    const { freshUntil } = this.#times
    if (freshUntil === null) return
    const until = Math.min(freshUntil, now + this.#rules.ttlMs)
    this.#freshUntil(until, broke ? now : until)
  }

  #wasOvertakenByPush(answer: ListAnswer): boolean {
    const hasVersion = answer.kind === 'ok' && answer.version !== undefined
    return !hasVersion && this.isLive && this.#pushes !== this.#pushesWhenAsked
  }

  /** Not believed, but asked about again soon: the next answer may well have instances. */
  #askSoon(believedAt: number, now: number): void {
    const askAt = Math.min(believedAt, now + Math.max(this.#rules.negativeTtlMs, this.#rules.minRefreshIntervalMs))
    this.#freshUntil(askAt, askAt)
  }

  #believe(belief: Belief): void {
    this.#belief = belief
    this.#promised = undefined
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
    this.#quietUntil = Number.NEGATIVE_INFINITY
    return wait
  }

  #servable(now: number): boolean {
    const { freshUntil } = this.#times
    return freshUntil !== null && now <= freshUntil + this.#rules.maxStaleMs
  }

  #schedule(answer: ListAnswer, now: number): void {
    const { ttlMs, ttlJitter, refreshAheadRatio, negativeTtlMs, minRefreshIntervalMs, random } = this.#rules
    if (this.isLive) {
      // Spread over as much again, as Kubernetes' clients do: processes that watch together must not resync together.
      const resyncAt = now + this.#rules.resyncIntervalMs * (1 + random())
      this.#freshUntil(resyncAt, resyncAt)
    } else if (this.#overtaken) {
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
    this.#quietUntil = this.#failures > 0 ? Number.NEGATIVE_INFINITY : Math.min(until, refreshAt)
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
      this.#guard.shift(jump)
      this.#quietUntil += jump
    }
    this.#latest = now
  }
}

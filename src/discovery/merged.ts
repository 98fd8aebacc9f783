import { LRUCache } from 'lru-cache'
import { CallScope } from '../core/context.ts'
import { instanceOrigin, type ServiceInstance } from '../core/instance.ts'
import { race } from '../core/race.ts'
import type { Clock } from '../time/clock.ts'
import { AnswerGuard } from './answer-guard.ts'
import { checkAnswer, EMPTY } from './check-answer.ts'
import { FailoverError } from './failover.ts'
import { GUARD_DEFAULTS } from './options.ts'
import type { DiscoveryProvider, ListAnswer, ListContext, WatchContext } from './provider.ts'

/**
 * What several providers know together. Each one's answers are doubted apart from the others': to the client above, a
 * registry that lost its memory would only look like a list that got somewhat shorter.
 */

interface MergeSettings {
  readonly name: string
  readonly timeoutMs: number
  readonly maxStaleMs: number
  readonly clock: Clock
  close(): Promise<void>
}

/** Services remembered; it is the client above that holds what is in use. */
const MAX_SERVICES = 1_000

/** What one provider said of one service. */
class Source {
  readonly #guard = new AnswerGuard(GUARD_DEFAULTS)
  #instances: readonly ServiceInstance[] | undefined
  #confirmedAt = 0
  #ttlMs: number | undefined
  #dropped = 0
  #hasListed = false
  #failure: { readonly error: unknown } | undefined

  /** @throws {TypeError} when the answer does not keep the contract. */
  take(answer: ListAnswer, now: number): void {
    const { instances, dropped } = checkAnswer(answer)
    const judgement = this.#guard.judge(answer, instances, this.#instances ?? EMPTY, now)
    this.#failure = undefined
    this.#confirmedAt = now
    if (judgement.kind === 'ignore') return
    this.#dropped = dropped
    this.#ttlMs = answer.kind === 'ok' ? answer.ttlMs : undefined
    const isKnown = answer.kind === 'ok' || judgement.instances.length > 0
    this.#instances = isKnown ? judgement.instances : undefined
    if (judgement.instances.length > 0) this.#hasListed = true
    // Asked again soon, so that the doubt does not last longer than it has to.
    if (judgement.kind === 'hold') this.#ttlMs = Math.max(0, judgement.believedAt - now)
  }

  fail(error: unknown, now: number, maxStaleMs: number): void {
    this.#failure = { error }
    if (now - this.#confirmedAt > maxStaleMs) this.#instances = undefined
  }

  get instances(): readonly ServiceInstance[] | undefined {
    return this.#instances
  }

  /** It has named instances before, so that a list without them was doubted here. */
  get hasListed(): boolean {
    return this.#hasListed
  }

  get ttlMs(): number | undefined {
    return this.#ttlMs
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Why it has nothing to say; undefined where it has, even if that is "no such service". */
  get silence(): { readonly error: unknown } | undefined {
    return this.#instances === undefined ? this.#failure : undefined
  }
}

export function mergedProvider(members: readonly DiscoveryProvider[], settings: MergeSettings): DiscoveryProvider {
  const { clock, timeoutMs, maxStaleMs, name, close } = settings
  const known = new LRUCache<string, readonly Source[]>({ max: MAX_SERVICES })
  const sourcesOf = (serviceName: string): readonly Source[] => {
    let sources = known.get(serviceName)
    if (sources === undefined) {
      sources = members.map(() => new Source())
      known.set(serviceName, sources)
    }
    return sources
  }
  const list = async (serviceName: string, { signal }: ListContext): Promise<ListAnswer> => {
    const sources = sourcesOf(serviceName)
    await Promise.all(
      members.map(async (member, index) => {
        const source = sources[index] as Source
        const scope = new CallScope({ signal, timeoutMs }, clock)
        try {
          source.take(await race(scope, (context) => member.list(serviceName, context)), clock.now())
        } catch (error) {
          signal.throwIfAborted()
          source.fail(error, clock.now(), maxStaleMs)
        } finally {
          scope.dispose()
        }
      }),
    )
    return union(sources)
  }
  // Where one of them cannot push, a watch would keep quiet about its changes.
  if (members.some((member) => member.watch === undefined)) return Object.freeze({ name, list, close })
  const watch = (serviceName: string, context: WatchContext): Promise<void> =>
    watchAll(members, sourcesOf(serviceName), serviceName, context, clock)
  return Object.freeze({ name, list, watch, close })
}

/** Ends, for all, as soon as one of them ends: the client begins all of them again. */
async function watchAll(
  members: readonly DiscoveryProvider[],
  sources: readonly Source[],
  serviceName: string,
  context: WatchContext,
  clock: Clock,
): Promise<void> {
  const scope = new CallScope({ signal: context.signal }, clock)
  const silent = new Set(sources)
  try {
    await Promise.race(
      members.map((member, index) => {
        const source = sources[index] as Source
        const push = (answer: ListAnswer): void => {
          source.take(answer, clock.now())
          silent.delete(source)
          const all = union(sources)
          if (silent.size === 0) context.push(all)
          // Those who have not spoken yet may know what this one does not.
          else if (all.kind === 'ok') context.push({ ...all, partial: true })
        }
        return race(scope, ({ signal }) =>
          (member.watch as NonNullable<DiscoveryProvider['watch']>)(serviceName, {
            signal,
            push,
            alive: context.alive,
          }),
        )
      }),
    )
  } finally {
    scope.abort(new Error('another watch of the same merge ended'))
    scope.dispose()
  }
}

/** @throws {FailoverError} when nobody knows anything and not all could be asked. */
function union(sources: readonly Source[]): ListAnswer {
  // Each of them was doubted where it had said otherwise before: the client must not begin to doubt when they are done.
  const authoritative = sources.some(({ hasListed }) => hasListed)
  const listing = sources.filter(({ instances }) => instances !== undefined)
  const silences = sources.map(({ silence }) => silence).filter((silence) => silence !== undefined)
  if (listing.length === 0) {
    if (silences.length > 0) throw new FailoverError(silences.map(({ error }) => error))
    return { kind: 'not-found', authoritative }
  }
  const taken = new Set<string>()
  const instances = listing.flatMap((source) =>
    (source.instances as readonly ServiceInstance[]).filter((instance) => {
      const origin = instanceOrigin(instance)
      if (taken.has(instance.id) || taken.has(origin)) return false
      taken.add(instance.id).add(origin)
      return true
    }),
  )
  const ttls = listing.map(({ ttlMs }) => ttlMs).filter((ttlMs) => ttlMs !== undefined)
  return {
    kind: 'ok',
    instances,
    ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls),
    dropped: listing.reduce((sum, { dropped }) => sum + dropped, 0),
    // Somebody could not be asked and never said anything: what the others leave out may be his.
    partial: silences.length > 0,
    authoritative,
  }
}

import type { CallContext, CallOptions, Operation } from '../core/context.ts'
import { type ListenerFault, TypedEmitter } from '../core/emitter.ts'
import { asOptions, OptionReader, show } from '../core/options.ts'
import type { Outcome, Permit } from '../core/outcome.ts'
import type { Admission, Guard, PolicyInfo } from '../core/policy.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerEvents, BreakerState } from './events.ts'
import { type Family, KeyedBreaker } from './keyed-breaker.ts'
import { makeMemory } from './judgement.ts'
import {
  type BreakerSettings,
  type CircuitBreakerOptions,
  type CircuitBreakerPatch,
  patchBreakerOptions,
  readBreakerOptions,
  ReadOptions,
} from './options.ts'
import { BreakerPermit } from './permit.ts'
import { RecencyList } from './recency-list.ts'
import { breakerInfo } from './summary.ts'

export interface KeyedBreakersOptions {
  /** Stands in errors and events, with the key behind it. @default 'keyed breakers' */
  readonly name?: string
  /** Keys that are remembered at once; an integer from 1. Ten thousand idle ones weigh about 4 MB. @default 10_000 */
  readonly maxKeys?: number
  /** The options of each breaker, without a name. @default {} */
  readonly breaker?: Omit<CircuitBreakerOptions, 'name'>
}

export interface KeyedBreakersMetrics {
  /** Keys that are remembered. */
  readonly keys: number
  /** Of these, the ones that are not closed, or in a mode of their own. */
  readonly notClosed: number
  /** Breakers forgotten to make room, since this was made. */
  readonly evicted: number
}

/** What a breaker reports, and which key it was for. */
export type KeyedBreakersEvents = {
  readonly [E in keyof BreakerEvents]: BreakerEvents[E] & { readonly key: string }
} & {
  /** A breaker was forgotten to make room for another key; `state` is what it was in. */
  readonly evicted: { readonly key: string; readonly state: BreakerState }
  /** A hook of a breaker threw, or a listener; `key` is left out where the listener was one of the set itself. */
  readonly error: ListenerFault & { readonly key?: string }
}

/**
 * One circuit breaker per key, made when the key is first used, and no more than so many.
 *
 * When to use: where one dependency is many: tenants, shards, hosts, accounts, each of which can be down by itself.
 *
 * Gotchas: keys should come from a bounded set, or at least not from whoever wants to do harm: a key nobody used lately is
 * forgotten, with the failures it had. Open breakers are kept in preference: a closed one is forgotten first, however
 * recently it was used, until the open one's time is over. A breaker that `get` returned may be forgotten while you hold
 * it; then it goes on for you alone. A call without a key is a mistake, and rejected with a TypeError.
 *
 * @example
 * const breakers = new KeyedBreakers({ name: 'tenants', breaker: { failureThreshold: 3 } })
 * await breakers.execute(({ signal }) => fetchOrder(7, signal), { key: 'tenant-42' })
 */
export class KeyedBreakers extends TypedEmitter<KeyedBreakersEvents> implements Guard {
  readonly name: string
  readonly #maxKeys: number
  #settings: BreakerSettings
  #info: PolicyInfo | undefined
  readonly #byKey = new Map<string, KeyedBreaker>()
  /** Closed and untouched; and all the others. */
  readonly #calm = new RecencyList<KeyedBreaker>()
  readonly #noticed = new RecencyList<KeyedBreaker>()
  readonly #family: Family
  #uses = 0
  #evicted = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: KeyedBreakersOptions) {
    super()
    const read = new OptionReader('KeyedBreakers', options)
    this.name = read.string<string>('name', 'keyed breakers')
    this.#maxKeys = read.number('maxKeys', { default: 10_000, min: 1, integer: true })
    const breaker = asOptions('KeyedBreakers: breaker', read.raw('breaker') ?? {})
    if (Object.hasOwn(breaker, 'name'))
      throw new TypeError('KeyedBreakers: breaker: name must be left out: each has its key')
    this.#settings = readBreakerOptions(breaker).settings
    read.end()
    this.#family = {
      mode: this.#settings.mode,
      heard: (event) => this.heard(event),
      relay: (event, key, payload) => this.#relay(event, key, payload),
      fault: (event, key, error) => {
        if (this.heard('error')) this.emit('error', { event, key, error })
        else this.reportFault(event, error)
      },
      changed: (member) => this.#place(member),
    }
  }

  get info(): PolicyInfo {
    if (this.#info === undefined) {
      const info = breakerInfo(this.name, this.#settings)
      this.#info = Object.freeze({ ...info, summary: `${info.summary}; one for each key, up to ${this.#maxKeys}` })
    }
    return this.#info
  }

  get metrics(): KeyedBreakersMetrics {
    return { keys: this.#byKey.size, notClosed: this.#noticed.size, evicted: this.#evicted }
  }

  /** The breaker of a key, made now if need be. To look counts as use. @throws {TypeError} unless the key is a string. */
  get(key: string): CircuitBreaker {
    return this.#get(key)
  }

  /** The breaker of a key if there is one. To look counts for nothing. */
  peek(key: string): CircuitBreaker | undefined {
    return this.#byKey.get(key)
  }

  /** The keys that are remembered, in the order in which they came. */
  keys(): IterableIterator<string> {
    return this.#byKey.keys()
  }

  /** Forgets a key. Says whether there was one. Calls in flight finish, and count for nothing any more. */
  delete(key: string): boolean {
    const member = this.#byKey.get(key)
    if (member?.list === undefined) return false
    this.#forget(member, member.list)
    return true
  }

  /** Leave for one call, or undefined: see {@link CircuitBreaker.tryAcquire}. @throws {TypeError} unless the key is a string. */
  tryAcquire(key: string): Permit | undefined {
    return this.#get(key).tryAcquire()
  }

  /** Runs the work under the breaker of `options.key`. @throws {TypeError} without a key. */
  execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    let breaker: CircuitBreaker
    try {
      breaker = this.#get(options?.key)
    } catch (error) {
      return Promise.reject(error)
    }
    return breaker.execute(operation, options)
  }

  /** For `pipeline`: asks the breaker of the call's key. */
  admit(context: CallContext): Admission {
    return this.#get(context.key).admit(context)
  }

  /** For `pipeline`: the permit goes back to the breaker it came from, remembered or not. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void {
    if (permit instanceof BreakerPermit) permit.judge(outcome, context)
  }

  /** Changes options of all breakers, those there are and those to come: see {@link CircuitBreaker.configure}. */
  configure(patch: CircuitBreakerPatch): void {
    const settings = patchBreakerOptions(patch, this.#settings)
    // A rule that makes no memory is refused here, before it has changed some of them.
    if (settings.trip !== this.#settings.trip) makeMemory(settings.trip)
    this.#settings = settings
    this.#info = undefined
    for (const member of this.#byKey.values()) member.adopt(settings)
  }

  #get(key: string | undefined): KeyedBreaker {
    const member = this.#byKey.get(key as string) ?? this.#make(key)
    this.#uses += 1
    member.usedAt = this.#uses
    // Whoever is remembered is in a list.
    ;(member.list as RecencyList<KeyedBreaker>).touch(member)
    return member
  }

  #make(key: string | undefined): KeyedBreaker {
    if (typeof key !== 'string') throw new TypeError(`${this.name}: the call's key must be a string, got ${show(key)}`)
    while (this.#byKey.size >= this.#maxKeys) {
      this.#evict()
      // Room is made before the eyes of listeners, and they may have asked for the same key.
      const made = this.#byKey.get(key)
      if (made !== undefined) return made
    }
    const member = new KeyedBreaker(new ReadOptions(`${this.name}[${key}]`, this.#settings), key, this.#family)
    this.#byKey.set(key, member)
    this.#place(member)
    return member
  }

  /** Puts a member into the list it belongs to. */
  #place(member: KeyedBreaker): void {
    const list = member.calm ? this.#calm : this.#noticed
    if (member.list === list) return
    member.list?.remove(member)
    member.list = list
    list.add(member)
  }

  /** What an open breaker knows is worth more than room: it goes first only when its time is over and it is the oldest. */
  #evict(): void {
    const calm = this.#calm.oldest
    const noticed = this.#noticed.oldest
    const chosen =
      noticed !== undefined && (calm === undefined || (noticed.usedAt < calm.usedAt && noticed.due)) ? noticed : calm
    // Where room is wanted there is somebody.
    const forgotten = chosen as KeyedBreaker
    const state = this.heard('evicted') ? forgotten.state : undefined
    // To ask how it is may be to tell listeners of it, and they may have forgotten it by now.
    const { list } = forgotten
    if (list === undefined) return
    this.#evicted += 1
    this.#forget(forgotten, list)
    if (state !== undefined) this.emit('evicted', { key: forgotten.key, state })
  }

  #forget(member: KeyedBreaker, list: RecencyList<KeyedBreaker>): void {
    member.leave()
    list.remove(member)
    member.list = undefined
    this.#byKey.delete(member.key)
  }

  #relay(event: keyof BreakerEvents, key: string, payload: object): void {
    if (this.heard(event)) this.emit(event, { ...payload, key } as KeyedBreakersEvents[typeof event])
  }
}

import { type CallContext, type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { OptionReader } from '../core/options.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { callKey, type KeyOf, readKey } from './key.ts'
import { SharedRun } from './shared-run.ts'

/** One run for all who ask for the same at the same time. */

export interface CoalesceOptions {
  /**
   * Which calls are the same; undefined runs a call by itself. One that throws, or answers anything but a string, is
   * reported as an `error` event, and the call runs by itself. @default the `key` of the call's options
   */
  readonly key?: (context: CallContext) => string | undefined
  /** Keys with a run in flight; an integer from 1. Calls of further keys run by themselves. @default 10_000 */
  readonly maxKeys?: number
  /** Stands in `info`. @default 'coalesce' */
  readonly name?: string
  /** A source of time, for a call's `timeoutMs`. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults of {@link CoalesceOptions}. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ maxKeys: 10_000, name: 'coalesce' })

/** What a {@link CoalescePolicy} reports. */
export interface CoalesceEvents {
  /** A call joined a run that was in flight; `callers` wait for it now. */
  readonly joined: { readonly key: string; readonly callers: number }
  /** Everybody who waited for a run had left, so it was aborted. */
  readonly abandoned: { readonly key: string }
}

/** What a {@link CoalescePolicy} counted since it was made; read in constant time. */
export interface CoalesceMetrics {
  /** Runs of the work that were begun for a key. */
  readonly runs: number
  /** Calls that joined one. */
  readonly joined: number
  /** Calls without a key, or beyond `maxKeys`. */
  readonly alone: number
  readonly abandoned: number
  /** Keys with a run in flight. */
  readonly inFlight: number
}

/** Made by {@link coalesce}. */
export class CoalescePolicy extends TypedEmitter<CoalesceEvents> implements Policy {
  readonly info: PolicyInfo
  readonly #keyOf: KeyOf
  readonly #maxKeys: number
  readonly #clock: Clock
  readonly #runs = new Map<string, SharedRun<unknown>>()
  readonly #counts = { runs: 0, joined: 0, alone: 0, abandoned: 0 }

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: CoalesceOptions) {
    super()
    const read = new OptionReader('coalesce', options)
    this.#keyOf = read.function<KeyOf>('key', callKey)
    this.#maxKeys = read.number('maxKeys', { default: DEFAULTS.maxKeys, min: 1, integer: true })
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    const name = read.string('name', DEFAULTS.name)
    this.info = Object.freeze({ kind: 'coalesce', name, summary: 'runs once for all who ask for the same key at once' })
    read.end()
  }

  get metrics(): CoalesceMetrics {
    return { ...this.#counts, inFlight: this.#runs.size }
  }

  /** How many calls wait for the run of this key; 0 without one. */
  callers(key: string): number {
    return this.#runs.get(key)?.callers ?? 0
  }

  /**
   * Answers with the run in flight for the call's key, or begins it.
   *
   * Rejects with whatever the run rejects with, the same error for all; with the signal's reason for who gave up, whose
   * leaving nobody else notices.
   */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const scope = CallScope.enter(options, this.#clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      const key = this.#key(scope)
      if (key === undefined || this.#hasNoRoomFor(key)) {
        this.#counts.alone += 1
        return await (own && scope.interruptible ? race(scope, operation) : operation(scope))
      }
      const run = this.#runs.get(key) ?? this.#begin(key, operation, scope)
      // Whoever asks for the same key is answered with what its work answers: that is what a key says.
      return (await this.#join(key, run, scope)) as T
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments, same result type; every call of it needs a key from the `key` option. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  #hasNoRoomFor(key: string): boolean {
    return this.#runs.size >= this.#maxKeys && !this.#runs.has(key)
  }

  #begin(key: string, operation: Operation<unknown>, scope: CallScope): SharedRun<unknown> {
    this.#counts.runs += 1
    const run = new SharedRun(scope)
    // Before it begins: work that asks for its own key must not begin a second run. (It waits for itself, but visibly.)
    this.#runs.set(key, run)
    run.begin(operation, () => this.#forget(key, run))
    return run
  }

  async #join(key: string, run: SharedRun<unknown>, scope: CallScope): Promise<unknown> {
    run.callers += 1
    if (run.callers > 1) {
      this.#counts.joined += 1
      if (this.heard('joined')) this.emit('joined', { key, callers: run.callers })
    }
    try {
      return await (scope.interruptible ? race(scope, () => run.answer) : run.answer)
    } finally {
      run.callers -= 1
      if (run.callers === 0 && !run.ended) {
        // First forgotten: whoever comes now must not join what is about to fail.
        this.#forget(key, run)
        run.abort(scope.reason)
        this.#counts.abandoned += 1
        if (this.heard('abandoned')) this.emit('abandoned', { key })
      }
    }
  }

  #forget(key: string, run: SharedRun<unknown>): void {
    if (this.#runs.get(key) === run) this.#runs.delete(key)
  }

  #key(scope: CallScope): string | undefined {
    try {
      return readKey(this.#keyOf, scope)
    } catch (fault) {
      this.reportFault('key', fault)
      return undefined
    }
  }
}

/**
 * Lets calls with the same key share one run of the work while it is in flight.
 *
 * When to use: reads that many ask for at once (a cache that just expired). Inside a cache, outside of retries.
 *
 * Gotchas: one for each kind of work, since the key alone says what is the same; never for work that must be done once
 * per caller. Everybody gets the same object, and the same error. The run has no deadline of its own: it goes on as long
 * as somebody waits for it, and is aborted when the last has left. It runs in the async context of who began it.
 *
 * @example
 * const shared = coalesce()
 * const device = await shared.execute(({ signal }) => fetchDevice('d1', signal), { key: 'd1' })
 */
export function coalesce(options?: CoalesceOptions): CoalescePolicy {
  return new CoalescePolicy(options)
}

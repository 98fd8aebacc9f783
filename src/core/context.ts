import { AsyncResource } from 'node:async_hooks'
import { systemClock, type Clock } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import { TimeoutError } from './errors.ts'
import { show } from './options.ts'

/**
 * What travels with one call through every policy: who may stop it, when it must be done, which try this is.
 *
 * An AbortSignal costs about 100 ns to make and more to link, and most work never looks at it, so the scope carries
 * "aborted" itself and makes the signal when somebody reads it.
 */

/** What a caller may say about one call. Accepted by every `execute`. */
export interface CallOptions {
  /** Ends the call at once; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** The time the whole call may take, in milliseconds, from 0. */
  readonly timeoutMs?: number | undefined
  /** Ties calls together for hashing strategies and keyed policies. */
  readonly key?: string | undefined
  /** Higher goes first in a bulkhead's queue, and survives longer when load is shed. @default 0 */
  readonly priority?: number | undefined
  /** Says that doing the work twice does no harm. */
  readonly idempotent?: boolean | undefined
}

/** What the work is handed. */
export interface CallContext {
  /** Aborted when the caller gives up, the deadline passes, or this try is abandoned. Made when first read. */
  readonly signal: AbortSignal
  /** When the whole call must be done, on the clock's monotonic scale; undefined without a limit. */
  readonly deadline: number | undefined
  /** 1 for the first try. */
  readonly attempt: number
  readonly key: string | undefined
  readonly priority: number
  readonly idempotent: boolean | undefined
}

/** The work a policy runs. */
export type Operation<T> = (context: CallContext) => T | PromiseLike<T>

/** The one implementation of {@link CallContext}. A fork can be aborted alone; whatever aborts the parent aborts it too. */
export class CallScope implements CallContext {
  readonly key: string | undefined
  readonly priority: number
  readonly idempotent: boolean | undefined
  readonly deadline: number | undefined
  attempt = 1
  readonly #parent: CallScope | undefined
  readonly #source: AbortSignal | undefined
  /** Whether somebody was given the means to end this scope alone. */
  readonly #limited: boolean = false
  #timer: Deadline | undefined
  #aborted = false
  #reason: unknown
  #controller: AbortController | undefined
  /** The async context of whoever read the signal. */
  #reader: AsyncResource | undefined
  /** The first listener has a place of its own: few scopes ever have a second, and a Set weighs more than all the rest. */
  #listener: AbortListener | undefined
  #others: Set<AbortListener> | undefined
  #linked = false
  #disposed = false

  /** The scope of every call about which nobody said anything: it cannot be ended early, so one will do for all. */
  static get idle(): CallScope {
    return IDLE
  }

  /** Reuses the scope an outer policy passed along, or makes one from what the caller said. */
  static enter(options: CallOptions | CallScope | undefined, clock: Clock): CallScope {
    if (options === undefined) return CallScope.idle
    return options instanceof CallScope ? options : new CallScope(options, clock)
  }

  constructor(
    options: CallOptions | undefined,
    clock: Clock = systemClock,
    parent?: CallScope,
    deadline: number = Number.POSITIVE_INFINITY,
  ) {
    this.#parent = parent
    if (parent !== undefined) {
      this.key = parent.key
      this.priority = parent.priority
      this.idempotent = parent.idempotent
      const earlier = Math.min(deadline, parent.deadline ?? Number.POSITIVE_INFINITY)
      this.deadline = earlier === Number.POSITIVE_INFINITY ? undefined : earlier
      this.#limited = deadline !== Number.POSITIVE_INFINITY
      this.attempt = parent.attempt
    } else if (options === undefined) {
      this.priority = 0
    } else {
      refuseOdd(options)
      this.key = options.key
      this.priority = options.priority ?? 0
      this.idempotent = options.idempotent
      const { signal } = options
      if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
        throw new TypeError(`call: signal must be an AbortSignal, got ${show(signal)}`)
      }
      this.#source = signal
      const limit = options.timeoutMs
      if (limit !== undefined) {
        if (typeof limit !== 'number' || !(limit >= 0)) {
          throw new RangeError(`call: timeoutMs must be a number from 0 milliseconds, got ${String(limit)}`)
        }
        if (limit !== Number.POSITIVE_INFINITY) {
          this.deadline = clock.now() + limit
          // Not the shared queue: it is for limits that recur, and would weigh on whoever imports one breaker.
          this.#timer = new SingleDeadline(limit, clock, { expire: () => this.abort(new TimeoutError(limit, 'total')) })
        }
      }
    }
  }

  /**
   * A scope inside this one that can be aborted without touching it: one attempt, one time limit.
   *
   * @param deadline An earlier one than this scope's, for policies inside to plan by. Whoever sets it enforces it.
   */
  fork(deadline?: number): CallScope {
    return new CallScope(undefined, undefined, this, deadline)
  }

  /** Whether anybody could end this call early, so that its result has to be raced against that. */
  get interruptible(): boolean {
    return (
      this.#source !== undefined || this.#timer !== undefined || this.#limited || this.#parent?.interruptible === true
    )
  }

  get aborted(): boolean {
    return this.#aborted || this.#source?.aborted === true || this.#parent?.aborted === true
  }

  get reason(): unknown {
    if (this.#aborted) return this.#reason
    if (this.#source?.aborted === true) return this.#source.reason
    return this.#parent?.reason
  }

  /** @internal Whether the end of `scope` ends this one too: not so for a run that was begun on nobody's behalf. */
  isWithin(scope: CallScope): boolean {
    return this === scope || this.#parent?.isWithin(scope) === true
  }

  /** True when the caller ended the call; false when a time limit did. */
  get abandonedByCaller(): boolean {
    return this.aborted && !(this.reason instanceof TimeoutError)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      // What the work does when it is told to stop belongs to its caller; timers shared by many run as whoever armed them.
      this.#reader = new AsyncResource('GatelessSignal')
      if (this.aborted) this.#controller.abort(this.reason)
      else this.#link()
    }
    return this.#controller.signal
  }

  /** Ends this scope and everything inside it. The first reason stays. */
  abort(reason: unknown): void {
    if (this.aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#notify()
  }

  /** Calls `listener` once when the scope aborts; the function returned takes it back. */
  onAbort(listener: (reason: unknown) => void): () => void {
    this.listen(listener)
    return () => this.unlisten(listener)
  }

  /** @internal `onAbort` without a closure. A scope inside this one listens itself. */
  listen(listener: AbortListener): void {
    if (this.#listener === undefined) this.#listener = listener
    else if (this.#listener !== listener) (this.#others ??= new Set()).add(listener)
    this.#link()
  }

  /** @internal */
  unlisten(listener: AbortListener): void {
    if (this.#listener === listener) this.#listener = undefined
    else this.#others?.delete(listener)
  }

  /** @internal The caller's signal aborted. */
  handleEvent(): void {
    this.#notify()
  }

  /** To be called when the work is over: leaves no listener and no timer behind. */
  dispose(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#linked) {
      this.#parent?.unlisten(this)
      this.#source?.removeEventListener('abort', this)
    }
    // Work that reads its signal only now must not link a scope that nobody will dispose again.
    this.#disposed = true
    this.#listener = undefined
    this.#others = undefined
  }

  #link(): void {
    if (this.#linked || this.#disposed) return
    this.#linked = true
    if (this.#parent !== undefined) this.#parent.listen(this)
    else this.#source?.addEventListener('abort', this, ONCE)
  }

  #notify(): void {
    const first = this.#listener
    const others = this.#others
    this.#listener = undefined
    this.#others = undefined
    // Policies first, then whoever holds the signal: a permit is given back before user code runs.
    if (first !== undefined) this.#tell(first)
    if (others !== undefined) for (const listener of others) this.#tell(listener)
    const controller = this.#controller
    if (controller !== undefined) this.#reader?.runInAsyncScope(abort, undefined, controller, this.reason)
  }

  #tell(listener: AbortListener): void {
    if (typeof listener === 'function') listener(this.reason)
    else listener.#notify()
  }
}

/** What people hand over who come from a library where the signal itself is the second argument. */
function refuseOdd(options: CallOptions): void {
  const odd = options === null || typeof options !== 'object' || 'addEventListener' in options
  if (odd) throw new TypeError(`call: options must be an object like { signal, timeoutMs }, got ${show(options)}`)
  if (Number.isNaN(options.priority)) throw new RangeError('call: priority must be a number, got NaN')
}

function abort(controller: AbortController, reason: unknown): void {
  controller.abort(reason)
}

type AbortListener = ((reason: unknown) => void) | CallScope

const ONCE = /* @__PURE__ */ Object.freeze({ once: true })

/** Never aborts, so there is nothing to tell anybody, and nothing to dispose of. */
class IdleScope extends CallScope {
  constructor() {
    super(undefined)
  }

  /** A new one each time: listeners that piled up on a shared signal would never be called, nor collected. */
  override get signal(): AbortSignal {
    return new AbortController().signal
  }

  override listen(): void {}

  override unlisten(): void {}

  override abort(): void {
    throw new TypeError('the idle scope belongs to everybody: fork it to abort')
  }

  override dispose(): void {}
}

const IDLE: CallScope = /* @__PURE__ */ new IdleScope()

import { type CallContext, CallScope } from '../core/context.ts'
import type { Permit } from '../core/outcome.ts'
import type { Admission, PolicyInfo, Refusal } from '../core/policy.ts'
import { deadlinesOf } from '../time/deadlines.ts'
import {
  type BulkheadOptions,
  type BulkheadPatch,
  type BulkheadSettings,
  describeBulkhead,
  readBulkheadOptions,
} from './bulkhead-options.ts'
import { BulkheadFullError, type BulkheadReason } from './errors.ts'
import { LimitPolicy, patched } from './limit-policy.ts'
import { priorityOf, Waiter, WaitQueue } from './wait-queue.ts'

/** What a bulkhead knows; read in constant time. */
export interface BulkheadMetrics {
  /** Calls that hold a slot. */
  readonly inFlight: number
  /** Calls that wait for one. */
  readonly queued: number
  /** Calls refused since it was made; in a dry run, those it would have refused. */
  readonly rejected: number
}

/** What a {@link Bulkhead} reports. */
export interface BulkheadEvents {
  /** A call was refused, or in a dry run would have been. */
  readonly rejected: { readonly reason: BulkheadReason; readonly priority: number; readonly dryRun: boolean }
  /** A call has to wait; `queued` counts it. */
  readonly queued: { readonly queued: number; readonly priority: number }
  /** A call that waited has its slot. */
  readonly dequeued: { readonly waitedMs: number; readonly priority: number }
}

/**
 * Lets only so many calls run at once, and only so many wait for a slot.
 *
 * When to use: where one slow dependency could take all the sockets, memory or workers that others need too. The name is
 * the pattern's: a ship's bulkheads keep a leak to one compartment.
 *
 * Gotchas: a full queue refuses whoever would be served last: the newcomer, unless its priority is higher than that of
 * somebody waiting, and under `lifo` the one who has waited longest. Low priorities starve while higher ones keep coming,
 * as do early comers under `lifo`: give them a `queueTimeoutMs`.
 *
 * @example
 * const bulkhead = new Bulkhead({ maxConcurrent: 10, maxQueue: 20, queueTimeoutMs: 1_000 })
 * const report = await bulkhead.execute(({ signal }) => renderReport(7, signal), { priority: 1 })
 */
export class Bulkhead extends LimitPolicy<BulkheadEvents> {
  readonly #queue = new WaitQueue()
  readonly #full: Refusal = { refused: true, error: () => new BulkheadFullError(this.name, 'full') }
  #options: BulkheadOptions
  #settings: BulkheadSettings
  #info: PolicyInfo
  #inFlight = 0
  #rejected = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: BulkheadOptions) {
    const settings = readBulkheadOptions(options)
    super(settings.clock)
    // The whole clock: made anew at each `configure`, it would have timers of its own.
    this.#options = { ...options, clock: settings.clock }
    this.#settings = settings
    this.#info = toInfo(settings)
  }

  get info(): PolicyInfo {
    return this.#info
  }

  get metrics(): BulkheadMetrics {
    return { inFlight: this.#inFlight, queued: this.#queue.size, rejected: this.#rejected }
  }

  /** Calls running and waiting, as a share of what there is room for. Above 1 in a dry run, or after `configure`. */
  get utilization(): number {
    return (this.#inFlight + this.#queue.size) / (this.#settings.maxConcurrent + this.#settings.maxQueue)
  }

  /** A slot now, or undefined. The permit must be settled, or its slot stays taken for ever. */
  tryAcquire(): Permit | undefined {
    if (this.#inFlight < this.#settings.maxConcurrent) return this.#slot()
    this.#reject('full', 0)
    return this.#settings.dryRun ? this.#slot() : undefined
  }

  /** For `pipeline`: a slot, a promise of one for who has to wait, or a "no". */
  admit(context: CallContext): Admission {
    return this.#inFlight < this.#settings.maxConcurrent ? this.#slot() : this.#late(context)
  }

  /** For `pipeline`: gives the slot back, whatever the outcome. */
  judge(permit: Permit): void {
    permit.ignore()
  }

  /**
   * Changes options while it runs; what is left out stays, what is undefined goes back to its default. Calls in flight and
   * in the queue keep what they have, also where there is less room now.
   *
   * @throws {RangeError | TypeError} as the constructor; nothing has changed then.
   */
  configure(patch: BulkheadPatch): void {
    const options = patched('Bulkhead', this.#options, patch, ['name', 'clock'])
    this.#settings = readBulkheadOptions(options)
    this.#options = options
    this.#info = toInfo(this.#settings)
    this.#serve()
  }

  /** @internal One permit is back. */
  release(): void {
    this.#inFlight -= 1
    if (this.#queue.size > 0) this.#serve()
  }

  #slot(): Permit {
    this.#inFlight += 1
    return new Slot(this)
  }

  /** Before anybody else can ask: no newcomer overtakes those who wait. */
  #serve(): void {
    const { maxConcurrent, order } = this.#settings
    while (this.#inFlight < maxConcurrent) {
      const next = this.#queue.first(order)
      if (next === undefined) return
      this.#queue.remove(next)
      next.grant(this.#slot())
    }
  }

  /** All slots are taken. */
  #late(context: CallContext): Admission {
    const { maxConcurrent, maxQueue, order, dryRun } = this.#settings
    const priority = priorityOf(context)
    if (dryRun) {
      if (this.#inFlight >= maxConcurrent + maxQueue) this.#reject('full', priority)
      return this.#slot()
    }
    if (this.#queue.size < maxQueue) return this.#wait(context, priority)
    const last = maxQueue === 0 ? undefined : this.#queue.last(order)
    const outranked =
      last !== undefined && (last.priority < priority || (last.priority === priority && order === 'lifo'))
    if (outranked) return this.#wait(context, priority, last)
    this.#reject('full', priority)
    return this.#full
  }

  /** Async, so that what is told of the wait is told in the caller's own async context. */
  async #wait(context: CallContext, priority: number, displaced?: Waiter): Promise<Permit> {
    const scope = context instanceof CallScope ? context : new CallScope({ signal: context.signal })
    if (scope.aborted) throw scope.reason
    if (displaced !== undefined) this.#turnAway(displaced, 'displaced')
    const waiter = new Waiter(priority)
    this.#queue.add(waiter)
    const { clock, queueTimeoutMs } = this.#settings
    const since = clock.now()
    const deadline =
      queueTimeoutMs === undefined
        ? undefined
        : deadlinesOf(clock).add(queueTimeoutMs, { expire: () => this.#turnAway(waiter, 'queue-timeout') }, since)
    const unsubscribe = scope.onAbort(() => {
      deadline?.cancel()
      if (this.#queue.remove(waiter)) waiter.refuse(scope.reason)
    })
    if (this.heard('queued')) this.emit('queued', { queued: this.#queue.size, priority })
    try {
      const permit = await waiter.turn
      if (scope.aborted) {
        // In the same turn as the slot was free: the next in line shall have it.
        permit.ignore()
        throw scope.reason
      }
      if (this.heard('dequeued')) this.emit('dequeued', { waitedMs: Math.max(0, clock.now() - since), priority })
      return permit
    } catch (error) {
      if (error instanceof BulkheadFullError) this.#reject(error.reason, priority)
      throw error
    } finally {
      deadline?.cancel()
      unsubscribe()
      if (scope !== context) scope.dispose()
    }
  }

  #turnAway(waiter: Waiter, reason: BulkheadReason): void {
    if (this.#queue.remove(waiter)) waiter.refuse(new BulkheadFullError(this.name, reason))
  }

  #reject(reason: BulkheadReason, priority: number): void {
    this.#rejected += 1
    if (this.heard('rejected')) this.emit('rejected', { reason, priority, dryRun: this.#settings.dryRun })
  }
}

function toInfo(settings: BulkheadSettings): PolicyInfo {
  return Object.freeze({ kind: 'bulkhead', name: settings.name, summary: describeBulkhead(settings) })
}

/** One call's slot: free again when it is settled, once. */
class Slot implements Permit {
  #bulkhead: Bulkhead | undefined

  constructor(bulkhead: Bulkhead) {
    this.#bulkhead = bulkhead
  }

  success(): void {
    this.ignore()
  }

  failure(): void {
    this.ignore()
  }

  ignore(): void {
    const bulkhead = this.#bulkhead
    if (bulkhead === undefined) return
    this.#bulkhead = undefined
    bulkhead.release()
  }
}

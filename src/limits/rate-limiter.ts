import { type CallContext, CallScope } from '../core/context.ts'
import type { Permit } from '../core/outcome.ts'
import type { Admission, PolicyInfo, Refusal } from '../core/policy.ts'
import { timerEpoch } from '../time/clock.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import { SingleDeadline } from '../time/single-deadline.ts'
import { RateLimitedError } from './errors.ts'
import { ImaginedQueue } from './imagined-queue.ts'
import { LimitPolicy, patched, SPENT } from './limit-policy.ts'
import {
  describeRateLimiter,
  type RateLimiterOptions,
  type RateLimiterPatch,
  type RateLimiterSettings,
  type RateMeter,
  readRateLimiterOptions,
  toMeter,
} from './rate-limiter-options.ts'
import { Waiter, WaitQueue } from './wait-queue.ts'

/** What a rate limiter knows. */
export interface RateLimiterMetrics {
  /** Calls that could go now; with fractions for the token bucket. */
  readonly available: number
  /** Calls that wait their turn. */
  readonly queued: number
  /** Calls refused since it was made; in a dry run, those it would have refused. */
  readonly rejected: number
}

/** What a {@link RateLimiter} reports. */
export interface RateLimiterEvents {
  /** A call was refused, or in a dry run would have been. */
  readonly rejected: { readonly retryAfterMs: number; readonly dryRun: boolean }
  /** A call has to wait; `queued` counts it. */
  readonly queued: { readonly queued: number; readonly waitMs: number }
}

/**
 * Lets only so many calls through per interval; the others wait their turn, or are refused and told when to come back.
 *
 * When to use: for a quota of the other side, so that it never has to answer 429. For "how many at once" use a `Bulkhead`.
 *
 * Gotchas: it counts the calls of this process only. A call let through counts, also when a policy further in refuses it:
 * put the limiter innermost. Waiters go in the order they came; a call that could not go before its own deadline is refused
 * at once. Right after a full bucket's burst the next interval refills it: up to `burst + limit` calls in one interval.
 *
 * @example
 * const limiter = new RateLimiter({ limit: 100, intervalMs: 60_000, maxQueue: 50 })
 * const page = await limiter.execute(({ signal }) => fetchPage(7, signal))
 */
export class RateLimiter extends LimitPolicy<RateLimiterEvents> implements Expirable {
  readonly #meter: RateMeter
  readonly #queue = new WaitQueue()
  readonly #imagined = new ImaginedQueue()
  readonly #limited: Refusal = { refused: true, error: () => new RateLimitedError(this.name, this.retryAfterMs) }
  #options: RateLimiterOptions
  #settings: RateLimiterSettings
  #info: PolicyInfo
  #timer: Deadline | undefined
  #epoch: unknown
  #rejected = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: RateLimiterOptions) {
    const settings = readRateLimiterOptions(options)
    super(settings.clock)
    this.#options = { ...options }
    this.#settings = settings
    this.#info = toInfo(settings)
    this.#meter = toMeter(settings)
  }

  get info(): PolicyInfo {
    return this.#info
  }

  get metrics(): RateLimiterMetrics {
    const now = this.#settings.clock.now()
    const available = this.#meter.available(now, this.#waiting(now))
    return { available, queued: this.#queue.size, rejected: this.#rejected }
  }

  /** Whole milliseconds until a call that comes now would be let through, behind those that wait. */
  get retryAfterMs(): number {
    const now = this.#settings.clock.now()
    return Math.ceil(this.#meter.waitMs(now, this.#waiting(now) + 1))
  }

  /** Leave for one call now, or undefined. Nothing has to be given back: the permit may be dropped. */
  tryAcquire(): Permit | undefined {
    if (this.#tryTake()) return SPENT
    this.#reject()
    return this.#settings.dryRun ? SPENT : undefined
  }

  /** For `pipeline`: leave, a promise of it for who has to wait, or a "no". */
  admit(context: CallContext): Admission {
    return this.#tryTake() ? SPENT : this.#late(context)
  }

  /** For `pipeline`: how a call ended says nothing about a rate. */
  judge(): void {}

  /**
   * Changes options while it runs; what is left out stays, what is undefined goes back to its default. What has been used
   * up stays used up, and who waits goes on waiting at the new rate.
   *
   * @throws {RangeError | TypeError} as the constructor; nothing has changed then.
   */
  configure(patch: RateLimiterPatch): void {
    const options = patched('RateLimiter', this.#options, patch, ['algorithm', 'name', 'clock'])
    const settings = readRateLimiterOptions(options)
    const { limit, intervalMs, burst, dryRun, clock } = settings
    const now = clock.now()
    // Turns that have come already are kept, whatever the timer says.
    this.#serve(now)
    this.#imagined.serve(this.#meter, now)
    if (!dryRun) this.#imagined.clear()
    this.#settings = settings
    this.#options = options
    this.#info = toInfo(settings)
    this.#meter.configure(limit, intervalMs, burst, now)
    this.#serve(now, true)
  }

  /** @internal The first in the queue may go. */
  expire(): void {
    this.#serve(this.#settings.clock.now(), true)
  }

  #tryTake(): boolean {
    const now = this.#settings.clock.now()
    // Those who wait go first, also when their timer is late; if any still waits then, there is nothing left to take.
    if (this.#queue.size > 0) this.#serve(now)
    return this.#waiting(now) === 0 && this.#meter.tryTake(now)
  }

  /** How many are before a call that comes now, in the queue or, in a dry run, in that which would be. */
  #waiting(now: number): number {
    if (this.#imagined.size > 0) this.#imagined.serve(this.#meter, now)
    return this.#queue.size + this.#imagined.size
  }

  /** Lets go who may, and arms the timer for the next. */
  #serve(now: number, again = this.#epoch !== timerEpoch()): void {
    let arm = again
    for (let next = this.#queue.first('fifo'); next !== undefined; next = this.#queue.first('fifo')) {
      if (!this.#meter.tryTake(now, this.#queue.size)) break
      this.#queue.remove(next)
      next.grant(SPENT)
      arm = true
    }
    if (arm) this.#arm(now)
  }

  #arm(now: number): void {
    this.#timer?.cancel()
    const { clock } = this.#settings
    this.#timer = this.#queue.size === 0 ? undefined : new SingleDeadline(this.#meter.waitMs(now), clock, this)
    this.#epoch = timerEpoch()
  }

  #late(context: CallContext): Admission {
    const { maxQueue, maxWaitMs, dryRun, clock } = this.#settings
    const now = clock.now()
    const waiting = this.#waiting(now)
    if (waiting < maxQueue) {
      const waitMs = this.#meter.waitMs(now, waiting + 1)
      // At the deadline itself there would be no time left to do the work in.
      const fits = context.deadline === undefined || now + waitMs < context.deadline
      if (waitMs <= maxWaitMs && fits) {
        if (!dryRun) return this.#wait(context, waitMs)
        this.#imagined.join(now)
        return SPENT
      }
    }
    this.#reject()
    return dryRun ? SPENT : this.#limited
  }

  /** Async, so that what is told of the wait is told in the caller's own async context. */
  async #wait(context: CallContext, waitMs: number): Promise<Permit> {
    const scope = context instanceof CallScope ? context : new CallScope({ signal: context.signal })
    if (scope.aborted) throw scope.reason
    const { clock } = this.#settings
    const waiter = new Waiter(0)
    this.#queue.add(waiter)
    if (this.#queue.size === 1) this.#arm(clock.now())
    const unsubscribe = scope.onAbort(() => {
      if (!this.#queue.remove(waiter)) return
      waiter.refuse(scope.reason)
      // Whoever is first now has the turn that this one had, so the timer stands; it only goes with the last.
      if (this.#queue.size === 0) this.#arm(clock.now())
    })
    if (this.heard('queued')) this.emit('queued', { queued: this.#queue.size, waitMs: Math.ceil(waitMs) })
    try {
      return await waiter.turn
    } finally {
      unsubscribe()
      if (scope !== context) scope.dispose()
    }
  }

  #reject(): void {
    this.#rejected += 1
    if (this.heard('rejected')) {
      this.emit('rejected', { retryAfterMs: this.retryAfterMs, dryRun: this.#settings.dryRun })
    }
  }
}

function toInfo(settings: RateLimiterSettings): PolicyInfo {
  return Object.freeze({ kind: 'rate-limiter', name: settings.name, summary: describeRateLimiter(settings) })
}

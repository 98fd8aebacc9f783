import { GatelessError } from '../core/errors.ts'

/** What the policies of this folder refuse with. All are `local`: they say nothing about the remote. */

/** `full`: no room to run or to wait. `queue-timeout`: it waited too long. `displaced`: its place went to another call. */
export type BulkheadReason = 'full' | 'queue-timeout' | 'displaced'

const BULKHEAD_REASONS: Readonly<Record<BulkheadReason, string>> = {
  full: 'is full',
  'queue-timeout': 'had no free slot in time',
  displaced: 'is full, and gave the place in its queue to another call',
}

/** The bulkhead had no room for the call. `ERR_GATELESS_BULKHEAD_FULL`; nobody knows when it will have. */
export class BulkheadFullError extends GatelessError {
  override readonly name = 'BulkheadFullError'
  /** The bulkhead's name. */
  readonly bulkhead: string
  readonly reason: BulkheadReason

  constructor(bulkhead: string, reason: BulkheadReason) {
    super('ERR_GATELESS_BULKHEAD_FULL', `${bulkhead} ${BULKHEAD_REASONS[reason]}`, { local: true })
    this.bulkhead = bulkhead
    this.reason = reason
  }
}

/** The rate is used up. `ERR_GATELESS_RATE_LIMITED`; `retryAfterMs` says when a call would be let through. */
export class RateLimitedError extends GatelessError {
  override readonly name = 'RateLimitedError'
  /** The limiter's name. */
  readonly limiter: string

  constructor(limiter: string, retryAfterMs: number) {
    super('ERR_GATELESS_RATE_LIMITED', `${limiter} has let as many calls through as it may`, {
      retryAfterMs,
      local: true,
    })
    this.limiter = limiter
  }
}

/** As many calls are in flight as the service seems able to take. `ERR_GATELESS_CONCURRENCY_LIMITED`. */
export class ConcurrencyLimitedError extends GatelessError {
  override readonly name = 'ConcurrencyLimitedError'
  /** The limiter's name. */
  readonly limiter: string
  /** The limit when it refused. */
  readonly limit: number

  constructor(limiter: string, limit: number) {
    const calls = limit === 1 ? '1 call at once now, and it is' : `${limit} calls at once now, and they are`
    super('ERR_GATELESS_CONCURRENCY_LIMITED', `${limiter} allows ${calls} in flight`, { local: true })
    this.limiter = limiter
    this.limit = limit
  }
}

/** Too few calls were accepted lately, and chance chose this one to be spared the way. `ERR_GATELESS_THROTTLED`. */
export class ThrottledError extends GatelessError {
  override readonly name = 'ThrottledError'
  /** The throttle's name. */
  readonly throttle: string
  /** How likely a call was to be refused, from 0 to 1. */
  readonly probability: number

  constructor(throttle: string, probability: number) {
    super('ERR_GATELESS_THROTTLED', `${throttle} refuses ${Math.round(probability * 100)} % of the calls now`, {
      local: true,
    })
    this.throttle = throttle
    this.probability = probability
  }
}

/** The load is too high for a call of this priority. `ERR_GATELESS_LOAD_SHED`. */
export class LoadShedError extends GatelessError {
  override readonly name = 'LoadShedError'
  /** The shedder's name. */
  readonly shedder: string
  /** The priority of the call. */
  readonly priority: number
  /** The load it was refused at. */
  readonly load: number

  constructor(shedder: string, priority: number, load: number) {
    super('ERR_GATELESS_LOAD_SHED', `${shedder} sheds calls of priority ${priority} at a load of ${load.toFixed(2)}`, {
      local: true,
    })
    this.shedder = shedder
    this.priority = priority
    this.load = load
  }
}

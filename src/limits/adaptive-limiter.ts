import { judgeBy } from '../core/attribution.ts'
import { type CallContext, CallScope } from '../core/context.ts'
import type { Outcome, Permit, Verdict } from '../core/outcome.ts'
import type { PolicyInfo, Refusal } from '../core/policy.ts'
import {
  type AdaptiveLimiterOptions,
  type AdaptiveLimiterPatch,
  type AdaptiveLimiterSettings,
  readAdaptiveLimiterOptions,
} from './adaptive-limiter-options.ts'
import { ConcurrencyLimitedError } from './errors.ts'
import type { LimitEstimator } from './limit-algorithm.ts'
import { LimitPolicy, patched } from './limit-policy.ts'
import { classifyByOverload } from './overload.ts'

/** What an adaptive limiter knows; read in constant time. */
export interface AdaptiveLimiterMetrics {
  /** Calls it allows at once now. */
  readonly limit: number
  readonly inFlight: number
  /** Calls refused since it was made; in a dry run, those it would have refused. */
  readonly rejected: number
}

/** What an {@link AdaptiveLimiter} reports. */
export interface AdaptiveLimiterEvents {
  /** The limit changed. */
  readonly limit: { readonly from: number; readonly to: number }
  /** A call was refused, or in a dry run would have been. */
  readonly rejected: { readonly limit: number; readonly dryRun: boolean }
}

/**
 * Lets only so many calls run at once, and finds out how many from how long they take and which are lost.
 *
 * When to use: where nobody can say what the right `maxConcurrent` of a `Bulkhead` is, or where it changes with the fleet.
 *
 * Gotchas: give the work a timeout, since what never ends is never learned from. A call that ends for the caller's reasons,
 * or is refused by this process further in, says nothing. Nothing changes while no calls end, so after a quiet night the
 * limit is that of the evening.
 *
 * @example
 * const limiter = new AdaptiveLimiter({ algorithm: gradient2(), maxLimit: 100 })
 * limiter.on('limit', ({ from, to }) => log.info({ from, to }, 'concurrency limit'))
 * const stock = await limiter.execute(({ signal }) => loadStock('sku-7', signal), { timeoutMs: 2_000 })
 */
export class AdaptiveLimiter extends LimitPolicy<AdaptiveLimiterEvents> {
  readonly #refusal: Refusal = { refused: true, error: () => new ConcurrencyLimitedError(this.name, this.#limit) }
  readonly #report = (fault: unknown): void => this.reportFault('classify', fault)
  #options: AdaptiveLimiterOptions
  #settings: AdaptiveLimiterSettings
  #info: PolicyInfo
  #estimator: LimitEstimator
  /** What the estimator said last, with its fractions. */
  #estimate: number
  #limit: number
  #inFlight = 0
  #rejected = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: AdaptiveLimiterOptions) {
    const settings = readAdaptiveLimiterOptions(options)
    super(settings.clock)
    // The algorithm too: a patch that does not name one must not begin anew.
    this.#options = { ...options, algorithm: settings.algorithm }
    this.#settings = settings
    this.#info = toInfo(settings)
    this.#estimator = settings.algorithm.create({ random: settings.random })
    this.#estimate = settings.initialLimit
    this.#limit = settings.initialLimit
  }

  get info(): PolicyInfo {
    return this.#info
  }

  /** Calls it allows at once now. */
  get limit(): number {
    return this.#limit
  }

  get metrics(): AdaptiveLimiterMetrics {
    return { limit: this.#limit, inFlight: this.#inFlight, rejected: this.#rejected }
  }

  /** Calls in flight as a share of the limit. Above 1 in a dry run, or after the limit has shrunk. */
  get utilization(): number {
    return this.#inFlight / this.#limit
  }

  /**
   * Leave for one call, or undefined. The permit must be settled: `success` is a latency to learn from, `failure` a call
   * lost to overload, `ignore` neither.
   */
  tryAcquire(): Permit | undefined {
    if (this.#inFlight >= this.#limit) {
      this.#reject()
      if (!this.#settings.dryRun) return undefined
    }
    this.#inFlight += 1
    return new Started(this, this.#settings.clock.now(), this.#inFlight)
  }

  /** For `pipeline`: `tryAcquire` with a reason. */
  admit(): Permit | Refusal {
    return this.tryAcquire() ?? this.#refusal
  }

  /** For `pipeline`: settles the permit by `classify`. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void {
    const verdict = this.#classify(outcome, context)
    if (verdict === 'success') permit.success()
    else if (verdict === 'failure') permit.failure()
    else permit.ignore()
  }

  /**
   * Changes options while it runs; what is left out stays, what is undefined goes back to its default. The limit stays where
   * it is, between the new bounds; another algorithm begins from there.
   *
   * @throws {RangeError | TypeError} as the constructor; nothing has changed then.
   */
  configure(patch: AdaptiveLimiterPatch): void {
    // Between other bounds the initial limit may be out of range, and it has done its service.
    const begun = { ...this.#options, initialLimit: undefined }
    const options = patched('AdaptiveLimiter', begun, patch, ['initialLimit', 'name', 'clock', 'random'])
    const settings = readAdaptiveLimiterOptions(options)
    const { algorithm } = this.#settings
    this.#options = { ...options, algorithm: settings.algorithm }
    this.#settings = settings
    this.#info = toInfo(settings)
    if (settings.algorithm !== algorithm) {
      this.#estimator = settings.algorithm.create({ random: settings.random })
    }
    this.#moveTo(this.#estimate)
  }

  /** @internal One permit's verdict. */
  settle(startedAt: number, inFlight: number, verdict: Verdict): void {
    this.#inFlight -= 1
    if (verdict === 'ignore') return
    const endedAt = this.#settings.clock.now()
    // The clock went backwards meanwhile: nobody knows how long it took.
    if (endedAt < startedAt) return
    const sample = { startedAt, endedAt, latencyMs: endedAt - startedAt, inFlight, dropped: verdict === 'failure' }
    try {
      const next = this.#estimator.next(sample, this.#estimate)
      if (next === this.#estimate) return
      if (!Number.isFinite(next))
        throw new TypeError(`${this.#settings.algorithm.name} gave a limit of ${String(next)}`)
      this.#moveTo(next)
    } catch (error) {
      this.reportFault('algorithm', error)
    }
  }

  #moveTo(estimate: number): void {
    const { minLimit, maxLimit } = this.#settings
    this.#estimate = Math.min(maxLimit, Math.max(minLimit, estimate))
    const from = this.#limit
    const to = Math.floor(this.#estimate)
    if (from === to) return
    this.#limit = to
    if (this.heard('limit')) this.emit('limit', { from, to })
  }

  #classify(outcome: Outcome, context: CallContext): Verdict {
    // Whatever error the work made of it: the caller left, and that says nothing about the service.
    if (!outcome.ok && context instanceof CallScope && context.abandonedByCaller) return 'ignore'
    return judgeBy(this.#settings.classify, outcome, this.#report, classifyByOverload)
  }

  #reject(): void {
    this.#rejected += 1
    if (this.heard('rejected')) this.emit('rejected', { limit: this.#limit, dryRun: this.#settings.dryRun })
  }
}

function toInfo({ name, algorithm, minLimit, maxLimit }: AdaptiveLimiterSettings): PolicyInfo {
  const summary = `at most ${minLimit} to ${maxLimit} at once, as ${algorithm.name} finds`
  return Object.freeze({ kind: 'adaptive-limiter', name, summary })
}

/** One call in flight. */
class Started implements Permit {
  readonly #startedAt: number
  readonly #inFlight: number
  #limiter: AdaptiveLimiter | undefined

  constructor(limiter: AdaptiveLimiter, startedAt: number, inFlight: number) {
    this.#limiter = limiter
    this.#startedAt = startedAt
    this.#inFlight = inFlight
  }

  success(): void {
    this.#settle('success')
  }

  failure(): void {
    this.#settle('failure')
  }

  ignore(): void {
    this.#settle('ignore')
  }

  #settle(verdict: Verdict): void {
    const limiter = this.#limiter
    this.#limiter = undefined
    limiter?.settle(this.#startedAt, this.#inFlight, verdict)
  }
}
